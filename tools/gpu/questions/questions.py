"""The questions, in the order in which answers are needed: later questions rely on earlier ones."""

import os
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from tools.gpu.questions.machine import GIB, MIB
from tools.gpu.questions.rig import Child, Rig, Unanswered

Question = Callable[[Rig], dict[str, Any]]

_WORK_S: Final = 0.5
"""The time that a child has to begin its kernel before it is killed.

Nothing shows from outside that a kernel runs.
"""


def device(rig: Rig) -> dict[str, Any]:
    """Which device and driver is this, and does an owner that only initialized the driver cost anything?"""
    from cuda.bindings import driver

    from tools.gpu.questions.device import CudaMachine, call

    machine = rig.machine
    assert isinstance(machine, CudaMachine)
    found = call(driver.cuDeviceGet(0))
    attribute = driver.CUdevice_attribute
    return {
        "name": bytes(call(driver.cuDeviceGetName(100, found))).split(b"\0")[0].decode(),
        "cuda": int(call(driver.cuDriverGetVersion())),
        "driver": machine.nvml.driver_version,
        "nvml_bindings": machine.nvml.bindings,
        "total_mib": int(call(driver.cuDeviceTotalMem(found))) // MIB,
        "free_mib": machine.free_bytes() // MIB,
        "processors": int(call(driver.cuDeviceGetAttribute(attribute.CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, found))),
        "compute_mode": int(call(driver.cuDeviceGetAttribute(attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_MODE, found))),
        "owner_context": str(call(driver.cuCtxGetCurrent())),
        "owner_pid": os.getpid(),
        "used_by_process": {str(pid): used for pid, used in machine.used_by_process().items()},
        "versions": rig.ask("versions"),
    }


def context(rig: Rig) -> dict[str, Any]:
    """What does a context cost in milliseconds, device memory and address space, alone and after its first work?"""
    answer: dict[str, Any] = {}
    before = rig.machine.free_bytes()
    with rig.child("context") as child:
        child.tell({})
        for _ in range(3):
            told = child.hear()
            answer[str(told.pop("step"))] = {**told, "used_mib": (before - rig.machine.free_bytes()) // MIB}
            child.tell({})
    return answer


def blocks(rig: Rig) -> dict[str, Any]:
    """What do making, mapping and filling cost for a gibibyte, and what does a small block cost?"""
    answer: dict[str, Any] = {}
    for gib in (1, 4):
        began = time.perf_counter()
        with rig.block(rig.size(gib * GIB)) as block, rig.child("blocks") as child:
            made_ms = round(1000 * (time.perf_counter() - began), 3)
            for _ in range(2):
                child.tell({"size": block.size}, [block.fd])
                child.hear()
            answer[f"{gib}_gib"] = {"create_ms": made_ms, **child.hear()}
    began = time.perf_counter()
    for _ in range(100):
        with rig.block(1) as small:
            answer["granule_bytes"] = small.size
    answer["create_and_release_small_ms"] = round(10 * (time.perf_counter() - began), 4)
    try:
        with rig.block(1 << 46):
            answer["too_large"] = "ACCEPTED"
    except RuntimeError as error:
        answer["too_large"] = str(error)
    with rig.block(1) as block:
        answer["usable_afterwards"] = block.size > 0
    return answer


def dataset(rig: Rig) -> dict[str, Any]:
    """Can a loader pack a frame of five columns into a block, and another process read it?"""
    block, _ = rig.dataset()
    return {**rig.loading, "block_mib": block.size // MIB, "read": _read(rig)}


def read_only(rig: Rig) -> dict[str, Any]:
    """Who notices a raw store into a read-only mapping? A neighbor waits with the same block meanwhile."""
    answer: dict[str, Any] = {}
    with rig.child("run") as neighbor:
        neighbor.hear()
        for act in ("faulted", "own write"):
            with rig.child("run") as child:
                try:
                    answer[act] = _until_then(rig, child, act)
                except Unanswered as error:
                    answer[act] = {"ended": str(error)}
        rig.send_dataset(neighbor, then="idle")
        answer["neighbour"] = neighbor.hear()
    answer["next_seat"] = _read(rig)
    answer["owner"] = _owner(rig)
    return answer


def set_access(rig: Rig) -> dict[str, Any]:
    """Can a process give itself the right to write into what it mapped read-only?"""
    with rig.child("run") as child:
        return {**_until_then(rig, child, "set access"), "next_seat": _read(rig)}


def kills(rig: Rig) -> dict[str, Any]:
    """How long after SIGKILL, in each state, is a process reaped and its memory free, and who else notices?"""
    return {act: _attempt(partial(_kill, rig, act)) for act in ("idle", "computing", "faulted", "spinning")}


def _kill(rig: Rig, act: str) -> dict[str, Any]:
    free = rig.machine.free_bytes()
    with rig.child("run") as child:
        try:
            _until_then(rig, child, act)
        except Unanswered as error:
            if act != "faulted":
                raise
            return {"ended_by_itself": str(error), "next_seat": _read(rig)}
        time.sleep(_WORK_S)
        used = (free - rig.machine.free_bytes()) // MIB
        killed_ms = child.kill()
        free_ms, lacking = rig.until_free(free)
    return {
        "used_mib": used,
        "reaped_ms": killed_ms,
        "free_after_ms": free_ms,
        "lacking_mib": lacking,
        "next_seat": _read(rig),
    }


def limit(rig: Rig) -> dict[str, Any]:
    """Which error does RMM's limit raise, and is the process usable after it?"""
    return rig.ask("limit", {"limit": rig.size(GIB)})


def counted(rig: Rig) -> dict[str, Any]:
    """Whom does NVML charge for a block (its owner, a process that maps it, or nobody), and by which pids?"""
    answer: dict[str, Any] = {}
    block, _ = rig.dataset()
    with rig.child("counted") as child:
        for message, fds in (({"size": block.size}, [block.fd]), ({}, []), ({}, [])):
            told = child.hear()
            figures = rig.machine.used_by_process()
            answer[str(told.pop("step"))] = {
                **told,
                "free_mib": rig.machine.free_bytes() // MIB,
                "child": figures.get(child.pid, "not listed"),
                "owner": figures.get(os.getpid(), "not listed"),
                "listed": {str(pid): used for pid, used in figures.items()},
            }
            child.tell(message, fds)
    return {"child_pid": child.pid, "block_mib": block.size // MIB, **answer}


def eviction(rig: Rig) -> dict[str, Any]:
    """If the owner releases a block that another process has mapped, how long is it readable, and when is it free?"""
    free = rig.machine.free_bytes()
    block = rig.machine.create(rig.size(2 * GIB))
    with rig.child("counted") as child:
        child.hear()
        child.tell({"size": block.size}, [block.fd])
        child.hear()
        mapped = rig.machine.free_bytes()
        rig.machine.release(block)
        released = rig.machine.free_bytes()
        child.tell({})
        answer = {"freed_by_release_mib": (released - mapped) // MIB, "works_afterwards": child.hear()["rows"] > 0}
        child.kill()
    free_ms, lacking = rig.until_free(free)
    return {**answer, "free_after_end_ms": free_ms, "lacking_mib": lacking}


def task(rig: Rig) -> dict[str, Any]:
    """How long does a whole run take in a ready seat, from sending the block to the answer? Ten seats in a row."""
    times = []
    for _ in range(2 if rig.dry else 10):
        with rig.child("run") as child:
            child.hear()
            began = time.perf_counter()
            rig.send_dataset(child, then="idle")
            child.hear()
            times.append(round(1000 * (time.perf_counter() - began), 2))
    return {"ms": times, "median_ms": sorted(times)[len(times) // 2]}


def _asking(job: str, deadline_s: float = 90) -> Question:
    """Return a question that one job answers alone."""

    def question(rig: Rig) -> dict[str, Any]:
        return rig.ask(job, deadline_s=deadline_s)

    return question


def _until_then(rig: Rig, child: Child, act: str) -> dict[str, Any]:
    """Send the dataset and listen until the child is where it was told to go."""
    child.hear()
    rig.send_dataset(child, then=act)
    read = child.hear()
    return {**child.hear(), "read": read}


def _read(rig: Rig) -> dict[str, Any]:
    """Return what a new seat reads of the dataset."""
    with rig.child("run") as child:
        ready = child.hear()["ready"]
        rig.send_dataset(child, then="idle")
        return {"ready": ready, **child.hear()}


def _owner(rig: Rig) -> str:
    with rig.block(1) as block:
        return "fine" if block.size > 0 else "a block without size"


def _attempt(step: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return step()
    except Exception as error:
        return {"error": str(error)}


QUESTIONS: Final[dict[str, Question]] = {
    "device": device,
    "library": _asking("library"),
    "imports": _asking("imports"),
    "forks": _asking("forks"),
    "context": context,
    "blocks": blocks,
    "dataset": dataset,
    "read_only": read_only,
    "set_access": set_access,
    "kills": kills,
    "limit": limit,
    "counted": counted,
    "eviction": eviction,
    "copies": _asking("copies"),
    "formats": _asking("formats", 150),
    "task": task,
    "compiled": _asking("compiled"),
    "graph": _asking("graph"),
    "throwaway_user": _asking("throwaway_user"),
}

NEEDS_A_DEVICE: Final = frozenset(
    {"device", "library", "imports", "forks", "set_access", "copies", "formats", "compiled", "graph", "throwaway_user"}
)
