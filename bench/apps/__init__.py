"""Apps that are measured beside ours, and what starts them."""
