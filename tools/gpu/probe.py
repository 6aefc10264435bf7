"""Ask a GPU the questions that the engine depends on:

``python tools/gpu/probe.py``. Prints JSON, one answer a question.

The questions and their order are in ``tools/gpu/questions/questions.py``. Each is asked in processes of its own. A
question that fails answers ``{"error": …}`` and does not hide the others. The probe takes about 10 GiB of device memory
and a few minutes. It needs no network, no server, and only the libraries of ``requirements/gpu.lock``.

``--dry`` uses this machine's memory if there is no GPU, to show that processes, descriptors and kills work.
"""

import argparse
import json
import socket
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

if __name__ == "__main__":  # run by path: modules in this folder must not hide the standard library's
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from tools.gpu.questions.channel import Channel, Closed
from tools.gpu.questions.host import HostMachine
from tools.gpu.questions.jobs import JOBS
from tools.gpu.questions.library import compiled, forks, graph, imports, library, throwaway_user, versions
from tools.gpu.questions.machine import Machine, told
from tools.gpu.questions.questions import NEEDS_A_DEVICE, QUESTIONS, Question
from tools.gpu.questions.rig import Rig, Unanswered
from tools.gpu.questions.transfer import copies, formats

_JOBS: Final = {
    **JOBS,
    **{
        job.__name__: job
        for job in (compiled, copies, formats, forks, graph, imports, library, throwaway_user, versions)
    },
}


def ask(machine: Machine, names: list[str], *, dry: bool, seconds: float, out: Path | None) -> dict[str, Any]:
    """Return every answer by question. ``out`` is written again after each answer, in case the run is cut off."""
    deadline = time.monotonic() + seconds
    answers: dict[str, Any] = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "dry": dry}
    with tempfile.TemporaryDirectory() as folder:
        rig = Rig(machine, Path(folder), dry=dry)
        try:
            for name in names:
                answers[name] = _answer(QUESTIONS[name], rig, name, deadline)
                print(f"{name}: {json.dumps(answers[name])[:160]}", file=sys.stderr, flush=True)
                if out is not None:
                    out.write_text(json.dumps(answers, indent=1) + "\n")
        finally:
            rig.close()
    return answers


def _answer(question: Question, rig: Rig, name: str, deadline: float) -> dict[str, Any]:
    if rig.dry and name in NEEDS_A_DEVICE:
        return {"skipped": "only a device can answer this"}
    if time.monotonic() > deadline:
        return {"skipped": "out of time"}
    began = time.monotonic()
    try:
        answer = question(rig)
    except Unanswered as error:
        answer = {"error": str(error)}
    except Exception as error:
        answer = {"error": told(error)}
    return {**answer, "took_s": round(time.monotonic() - began, 2)}


def work(machine: Machine, job: str, channel: Channel) -> None:
    """Do one job in the child. Its last message is its answer or its error."""
    try:
        channel.send(_JOBS[job](machine, channel))
    except Closed:  # the probe has what it wanted
        pass
    except Exception as error:
        channel.send({"error": told(error)})


def main(arguments: list[str]) -> int:
    """Return the exit status: 1 if a question has no answer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("questions", nargs="*", help=f"default: all of {' '.join(QUESTIONS)}", metavar="QUESTION")
    parser.add_argument("--dry", action="store_true", help="without a GPU: blocks in memfds, frames of pandas")
    parser.add_argument("--seconds", type=float, default=480, help="no question is begun after so long")
    parser.add_argument("--out", type=Path, help="a file to write answers to as they come")
    parser.add_argument("--job", choices=_JOBS, help=argparse.SUPPRESS)
    parser.add_argument("--channel", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if unknown := set(options.questions) - set(QUESTIONS):
        parser.error(f"no such question: {', '.join(sorted(unknown))}")
    try:
        machine = _machine(dry=options.dry)
        if options.job:
            work(machine, options.job, Channel(socket.socket(fileno=options.channel)))
            return 0
        machine.start()
    except Exception as error:
        print(json.dumps({"error": told(error)}))
        return 1
    names = options.questions or list(QUESTIONS)
    answers = ask(machine, names, dry=options.dry, seconds=options.seconds, out=options.out)
    print(json.dumps(answers, indent=1))
    return 1 if any("error" in answers[name] for name in names) else 0


def _machine(*, dry: bool) -> Machine:
    if dry:
        return HostMachine()
    from tools.gpu.questions.device import CudaMachine

    return CudaMachine()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
