"""What has to be asked of a device before the engine may rely on it; ``tests/gpu/probe.py`` asks."""
