"""Device memory as the owner of datasets sees it: blocks that it makes and hands out as descriptors, without a CUDA
context of its own, so that nothing a task does can reach it."""
