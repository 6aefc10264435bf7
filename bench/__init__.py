"""Benchmarks: ours beside others, in one run on one machine. ``python -m bench --help``."""
