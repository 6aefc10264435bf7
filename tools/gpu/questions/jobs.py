"""The jobs that children of the probe do with blocks.

Each job has the machine and a channel, and answers at least once.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tools.gpu.questions.channel import Channel
from tools.gpu.questions.machine import GIB, MIB, Laps, Machine, Packed, gb_per_s, told
from tools.gpu.questions.rig import layout

Job = Callable[[Machine, Channel], dict[str, Any]]

LIMIT_BYTES: Final = 4 * GIB


def context(machine: Machine, channel: Channel) -> dict[str, Any]:
    """Make a context step by step, so that the owner can read NVML in between."""
    channel.receive()
    machine.start()
    for step in ("nothing", "context", "work"):
        ms = machine.make_ready(LIMIT_BYTES) if step == "context" else {}
        laps = Laps()
        if step == "work":
            frame = machine.make(100_000)
            with laps("first_group_by"):
                frame.groupby("src").w.sum()
                machine.wait()
            with laps("second_group_by"):
                frame.groupby("src").w.sum()
                machine.wait()
        channel.send({"step": step, **ms, **laps.ms, **_of_process()})
        channel.receive()
    return {}


def blocks(machine: Machine, channel: Channel) -> dict[str, Any]:
    """Map a block for writing, fill it, then map it read-only; measure each in time for a gibibyte."""
    machine.start()
    machine.make_ready(LIMIT_BYTES)
    answer: dict[str, Any] = {}
    for write in (True, False):
        message, fds = channel.receive()
        size = int(message["size"])
        laps = Laps()
        with laps("whole"):
            address, steps = machine.attach(fds[0], size, write=write)
        if write:
            machine.fill(address, size)  # the first touch of pages, and of code
            with laps("fill"):
                machine.fill(address, size)
        with laps("detach"):
            machine.detach(address, size)
        rate = {"fill_gb_per_s": gb_per_s(size, laps.ms["fill_ms"])} if write else {}
        answer["read_write" if write else "read_only"] = {**steps, **laps.ms, **rate}
        channel.send({"step": write})
    return answer


def load(machine: Machine, channel: Channel) -> dict[str, Any]:
    """Make a frame and copy it into a block of the owner. Only this process maps one for writing."""
    machine.start()
    ready = machine.make_ready(LIMIT_BYTES)
    laps = Laps()
    message, _ = channel.receive()
    with laps("make"):
        frame = machine.make(int(message["rows"]))
        machine.wait()
    with laps("pack"):
        header, buffers = machine.pack(frame)
    spans, byte_count = layout(buffers)
    channel.send({"bytes": byte_count})
    message, fds = channel.receive()
    with laps("attach"):
        address, _ = machine.attach(fds[0], int(message["size"]), write=True)
    with laps("copy"):
        for (source, size), (offset, _) in zip(buffers, spans, strict=True):
            if size:
                machine.copy(source, address + offset, size)
        machine.wait()
    packed = Packed(header, tuple(spans), float(frame["w"].sum()))
    rate = gb_per_s(2 * byte_count, laps.ms["copy_ms"])
    return {**ready, **laps.ms, "bytes": byte_count, "copy_gb_per_s": rate, "packed": packed.to_json()}


def run(machine: Machine, channel: Channel) -> dict[str, Any]:
    """Act as a warm seat: wait with a context, map a dataset read-only, read it, do what it is told, wait."""
    machine.start()
    ready = machine.make_ready(LIMIT_BYTES)
    channel.send({"ready": ready})
    message, fds = channel.receive()
    packed, size = Packed.from_json(message["packed"]), int(message["size"])
    laps = Laps()
    with laps("attach"):
        address, _ = machine.attach(fds[0], size, write=False)
    with laps("rebuild"):
        base = machine.rebuild(packed.header, packed.spans, address)
        g = base.copy(deep=False)
    with laps("first_sum"):
        total = float(g["w"].sum())
    with laps("second_sum"):
        g["w"].sum()
    with laps("write_to_copy"):
        g.loc[0, "w"] = 7.0
        g["w"] *= 2
        machine.wait()
    isolated = packed.is_right(float(base["w"].sum()))
    del g  # from here on nothing shares the columns of base
    channel.send({**laps.ms, "total_right": packed.is_right(total), "copy_on_write": isolated})
    _then(str(message["then"]), machine, channel, address, base)
    channel.receive()
    return {}


def _then(act: str, machine: Machine, channel: Channel, address: int, base: Any) -> None:
    """Do what the seat was told to do before it is killed or asked again."""
    if act == "idle":
        channel.send({"at": act})
    elif act == "spinning":
        machine.spin()
        channel.send({"at": act})
        machine.wait()
    elif act == "computing":
        channel.send({"at": act})
        while True:
            base.groupby("src").w.sum()
    elif act in ("faulted", "own write"):
        channel.send({"at": act, **_fault(act, machine, address, base)})
    elif act == "set access":
        try:
            machine.allow(address, 2 * MIB, write=True)
            machine.fill(address + 2 * MIB - 1, 1)
            channel.send({"at": act, "write_after_set_access": "ACCEPTED"})
        except Exception as error:
            channel.send({"at": act, "write_after_set_access": told(error)})


def _fault(act: str, machine: Machine, address: int, base: Any) -> dict[str, Any]:
    """Cause a fault: a raw store into the read-only mapping, or cuDF's store into a frame that nothing else shares."""
    answer: dict[str, Any] = {}
    try:
        if act == "faulted":
            machine.fill(address, 64)
        else:
            base.iloc[0, 0] = 1
        machine.wait()
        answer["write"] = "ACCEPTED"
    except Exception as error:
        answer["write"] = told(error)
    try:
        base["w"].sum()
        machine.wait()
        answer["afterwards"] = "usable"
    except Exception as error:
        answer["afterwards"] = told(error)
    return answer


def limit(machine: Machine, channel: Channel) -> dict[str, Any]:
    """Ask for too much at once, then let a frame grow too large, then do ordinary work."""
    message, _ = channel.receive()
    machine.start()
    machine.make_ready(int(message["limit"]))
    frame = machine.make(10_000)
    before = machine.allocated_bytes()
    answer: dict[str, Any] = {"one_allocation": "ACCEPTED", "a_frame": "ACCEPTED"}
    try:
        machine.take_too_much(2 * int(message["limit"]))
    except Exception as error:
        answer["one_allocation"] = told(error)
    try:
        machine.make(int(message["limit"]) // 8)
    except Exception as error:
        answer["a_frame"] = told(error)
    answer["usable_afterwards"] = len(frame.groupby("src").w.sum()) > 0
    answer["allocated_before"], answer["allocated_after"] = before, machine.allocated_bytes()
    return answer


def counted(machine: Machine, channel: Channel) -> dict[str, Any]:
    """Make a context, map a block, then take memory. The owner reads NVML at each step."""
    machine.start()
    machine.make_ready(LIMIT_BYTES)
    channel.send({"step": "context"})
    message, fds = channel.receive()
    machine.attach(fds[0], int(message["size"]), write=False)
    channel.send({"step": "block mapped"})
    channel.receive()
    own = machine.make(2_000_000)
    machine.wait()
    channel.send({"step": "memory of its own", "allocated": machine.allocated_bytes(), "rows": len(own)})
    channel.receive()
    return {}


def _of_process() -> dict[str, Any]:
    status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line)
    names = sorted(
        Path(f"/proc/self/task/{thread}/comm").read_text().strip() for thread in os.listdir("/proc/self/task")
    )
    return {
        "pid": os.getpid(),
        "threads": names,
        "address_space_mib": int(status["VmSize"].split()[0]) // 1024,
        "resident_mib": int(status["VmRSS"].split()[0]) // 1024,
        "open_files": len(os.listdir("/proc/self/fd")),
        "at_s": round(time.monotonic(), 3),
    }


JOBS: Final[dict[str, Job]] = {
    "context": context,
    "blocks": blocks,
    "load": load,
    "run": run,
    "limit": limit,
    "counted": counted,
}
