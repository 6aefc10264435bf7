"""What runs in the peers' own environments: their libraries and the standard library, nothing of ours."""
