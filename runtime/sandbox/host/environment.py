"""The environment variables of every process below the replica."""

import os
from typing import Final

from runtime.sandbox.thread_variables import THREAD_VARIABLES

_PASSED_ON: Final = ("LD_LIBRARY_PATH", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "SYSTEMROOT")

USER: Final = "task"
"""The user's name in every run, whoever the kernel takes it for."""

_TUNED: Final = {
    **dict.fromkeys(THREAD_VARIABLES, "1"),  # a run may ask for more (guest/cpus.py)
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "_RJEM_MALLOC_CONF": "background_thread:false",  # of polars
    "PYTHONMALLOC": "malloc",  # with the next one, the heap lies on huge pages, and a fork copies fewer page tables
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    "MIMALLOC_ARENA_RESERVE": "65536",  # KiB, of Arrow: 1 GiB would make a look at what a run wrote three times as long
    "MALLOC_ARENA_MAX": "2",  # an arena is 64 MiB of address space, which the memory limit would count
}

_PASSED_ON_FOR_A_DEVICE: Final = ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "NVIDIA_VISIBLE_DEVICES")
"""Variables that say which of the machine's devices belongs to the replica."""

_TUNED_FOR_A_DEVICE: Final = {
    "CUDA_CACHE_DISABLE": "1",  # a cache on disk would go with the run's scratch directory
    "CUPY_CACHE_IN_MEMORY": "1",
    "CUDA_MODULE_LOADING": "LAZY",
}


def template_environment(*, device: bool = False) -> dict[str, str]:
    """Return the environment of the template and all its children: no variable of the server's own, one thread, UTF-8.

    ``device``: whether they use a device.
    """
    passed_on = (*_PASSED_ON, *_PASSED_ON_FOR_A_DEVICE) if device else _PASSED_ON
    kept = {name: os.environ[name] for name in passed_on if name in os.environ}
    return {
        **kept,
        **_TUNED,
        **(_TUNED_FOR_A_DEVICE if device else {}),
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "USER": USER,
        "LOGNAME": USER,
        "HOME": "/nonexistent",  # a run has its scratch directory
    }
