"""The runner replica: ``deployment`` for CPUs, ``gpu`` for GPUs; ``budget`` derives its limits, ``metrics`` reports."""
