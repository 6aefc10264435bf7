"""The owner's side of device memory. The owner makes blocks and hands out their descriptors. It has no CUDA context,
so nothing that a task does can reach it."""
