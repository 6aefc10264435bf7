"""Benchmarks that compare graphside with others, in one run on one machine.

``python -m bench --help`` explains them.
"""
