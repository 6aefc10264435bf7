"""Apps that are measured beside graphside, and the program that starts them."""
