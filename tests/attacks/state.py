"""What must be after an attack as it was before: processes, files, descriptors, memory."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

RUNNER_SLACK = 16
"""Descriptors that the server's own connections and spare seats come and go with."""

MEMORY_SLACK = 4 * 2**20
_FIRST_THROWAWAY = 1_900_000_000


@dataclass(frozen=True)
class Place:
    """Where to look. ``runner``: the replica below which tasks run."""

    runner: psutil.Process
    template: psutil.Process
    scratch_root: Path
    outside: Path
    dataset_file: Path

    @classmethod
    def of(cls, runner: psutil.Process, outside: Path, dataset_file: Path) -> Place:
        """Raises ``ValueError`` where it is not just one template and one scratch root."""
        own = Path(f"/proc/{runner.pid}/fd")
        targets = {os.readlink(fd) for fd in own.iterdir() if fd.exists()}
        (scratch_root,) = (Path(one) for one in targets if Path(one).name.startswith("graphside-scratch-"))
        return cls(runner, _template(runner), scratch_root, outside, dataset_file)


@dataclass(frozen=True)
class State:
    """A look at it. ``what_ends_by_itself`` may take a moment to be as before; the rest must be so at once.

    ``seats``: also keepers, each of which has a seat and a witness of its own.
    """

    server: tuple[str, ...]
    holders: tuple[int, ...]
    seats: int
    strangers: tuple[str, ...]
    zombies: tuple[str, ...]
    scratch_directories: int
    scratch: tuple[str, ...]
    outside: tuple[str, ...]
    dataset: str
    runner_descriptors: int
    template_descriptors: int
    holder_descriptors: int
    template_bytes: int
    holder_bytes: int

    @classmethod
    def of(cls, place: Place) -> State:
        template = place.template
        below = _alive(place.runner.children(recursive=True))
        around = {one.pid for one in below if _is_around(one, template)}
        holders = [one for one in _alive(template.children()) if one.pid not in around]
        seats = [seat for holder in holders for seat in _alive(holder.children())]
        kept = [process for seat in seats for process in kept_by(seat)]
        known = {*around, *(one.pid for one in (*holders, *seats, *kept))}
        return cls(
            server=tuple(f"{one.pid} {one.create_time()}" for one in (place.runner, template) if one.is_running()),
            holders=tuple(sorted(one.pid for one in holders)),
            seats=len(seats),
            strangers=tuple(str(one) for one in (*below, *_throwaway(known)) if one.pid not in known),
            zombies=tuple(str(one) for one in below if _status(one) == psutil.STATUS_ZOMBIE),
            scratch_directories=len(os.listdir(place.scratch_root)),
            scratch=tuple(sorted(str(path) for path in place.scratch_root.glob("*/*"))),
            outside=tuple(
                f"{path.name} {path.lstat().st_mode:o} {path.lstat().st_uid} {_text(path)}"
                for path in sorted((place.outside, *place.outside.iterdir()))
            ),
            dataset=_digest(place.dataset_file),
            runner_descriptors=place.runner.num_fds(),
            template_descriptors=_descriptors(template),
            holder_descriptors=sum(_descriptors(one) for one in holders),
            template_bytes=anonymous_bytes(template),
            holder_bytes=sum(map(anonymous_bytes, holders)),
        )

    def settled(self, before: State) -> bool:
        """Whether nothing is left that ends by itself within a moment."""
        return (
            self.scratch == before.scratch
            and self.scratch_directories <= before.scratch_directories
            and self.seats <= before.seats
            and not self.strangers
            and not self.zombies
            and self.runner_descriptors <= before.runner_descriptors + RUNNER_SLACK
            and self.holder_descriptors <= before.holder_descriptors  # more while it forks the next spare seat
        )

    def compare(self, before: State) -> None:
        """Fails with the first that is not as before."""
        assert self.server == before.server, "the server or its template was replaced"
        assert self.holders == before.holders, "the dataset's holder was replaced"
        assert not self.strangers, f"a process of the run is alive: {self.strangers}"
        assert not self.zombies, f"nobody reaped {self.zombies}"
        assert self.seats <= before.seats, "a seat is left"
        assert self.scratch == before.scratch, "something is left in scratch"
        assert self.scratch_directories <= before.scratch_directories, "a scratch directory is left"
        assert self.outside == before.outside, "something outside was changed"
        assert self.dataset == before.dataset, "the dataset's file was changed"
        assert self.template_descriptors <= before.template_descriptors, "the template keeps descriptors"
        assert self.holder_descriptors <= before.holder_descriptors, "the holder keeps descriptors"
        assert self.runner_descriptors <= before.runner_descriptors + RUNNER_SLACK, "the server keeps descriptors"
        for name in ("template_bytes", "holder_bytes"):
            grown = getattr(self, name) - getattr(before, name)
            assert grown <= MEMORY_SLACK, f"{name} grew by {grown}"


def kept_by(keeper: psutil.Process) -> list[psutil.Process]:
    """Return the seat that this process rewinds, and its witness; nothing if it is not a keeper that has made one."""
    with suppress(psutil.Error, OSError):
        below = keeper.children(recursive=True)
        frozen = [one for one in below if _is_frozen_by(one, keeper)]
        others = [one for one in below if one not in frozen]
        if len(frozen) == len(others) == 1 and {one.ppid() for one in below} == {keeper.pid}:
            return [*others, *frozen]
    return []


def _is_frozen_by(process: psutil.Process, tracer: psutil.Process) -> bool:
    told = Path(f"/proc/{process.pid}/status").read_text()
    return "\nState:\tt" in told and f"\nTracerPid:\t{tracer.pid}\n" in told


def anonymous_bytes(process: psutil.Process) -> int:
    """Its private memory; 0 once it has ended."""
    with suppress(OSError):
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    return 0


def _template(runner: psutil.Process) -> psutil.Process:
    """The innermost process that was started as the template and is nobody's holder: see ``namespaces.enter``."""
    (outermost,) = (one for one in runner.children() if "runtime.sandbox.guest.template" in " ".join(one.cmdline()))
    inside = [one for one in outermost.children() if _namespaces_deep(one) > _namespaces_deep(outermost)]
    if not inside:
        return outermost
    (first,) = inside
    (template,) = first.children()
    return template


def _is_around(process: psutil.Process, template: psutil.Process) -> bool:
    return process == template or process in template.parents()


def _namespaces_deep(process: psutil.Process) -> int:
    """In how many nested pid namespaces it has a number."""
    with suppress(OSError):
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
            if line.startswith("NSpid:"):
                return len(line.split()) - 1
    return 0


def _alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [one for one in processes if one.is_running()]


def _status(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return str(process.status())
    return ""


def _descriptors(process: psutil.Process) -> int:
    """0 where it is gone, or hidden from us: only root sees those of a process that is not dumpable."""
    with suppress(psutil.Error):
        return int(process.num_fds())
    return 0


def _throwaway(known: set[int]) -> list[psutil.Process]:
    """Processes of users that only runs are, wherever in the machine they got to; with nobody above them."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            of_a_run = os.stat(f"/proc/{process.pid}").st_uid >= _FIRST_THROWAWAY
            if of_a_run and process.pid not in known and process.ppid() == 1:
                found.append(process)
    return found


def _text(path: Path) -> str:
    return path.read_text() if path.is_file() else ""


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
