"""``graphside doctor``: what this machine offers, found out by trying."""
