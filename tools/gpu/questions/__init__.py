"""What has to be asked of a device before the engine may rely on it; ``tools/gpu/probe.py`` asks."""
