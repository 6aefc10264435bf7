"""What the engine must know of a device before it may rely on it. ``tools/gpu/probe.py`` asks."""
