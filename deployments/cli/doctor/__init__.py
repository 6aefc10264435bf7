"""``graphside doctor``: tries what this machine offers."""
