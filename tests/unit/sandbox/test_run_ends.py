"""The ends of a run, whatever it does: each is named for what it was, on time, and the next run goes well.

This is the full table. ``tests/wire/test_run_ends.py`` shows one end of each kind over HTTP.
"""

import math
import time
from typing import Any

import pytest

from runtime.engines.base import DatasetSource
from runtime.task import MIB
from tests.unit.sandbox.conftest import Rig, answer
from tests.waiting import SLOW_S

ENDLESS = {
    "in the task": """
        def task(g):
            while True: pass
    """,
    "asleep": """
        import time
        def task(g): time.sleep(1000)
    """,
    "at the top level": """
        while True: pass
        def task(g): return 1
    """,
    "in an import": """
        import sys, time
        class Finder:
            def find_spec(self, *names): time.sleep(1000)
        sys.meta_path.insert(0, Finder())
        import anything_at_all
        def task(g): return 1
    """,
    "deaf to signals": """
        import signal
        def task(g):
            for number in range(1, 32):
                try: signal.signal(number, signal.SIG_IGN)
                except (OSError, ValueError): pass
            while True: pass
    """,
    "catching everything": """
        def task(g):
            while True:
                try:
                    while True: pass
                except BaseException: pass
    """,
    "in C": """
        import re
        def task(g): re.match("(a+)+$", "a" * 60 + "b")
    """,
    "encoding the result": """
        from collections import UserDict
        class Slow(UserDict):
            def items(self):
                while True: pass
        def task(g): return {"a": Slow()}
    """,
    "telling an argument of its exception": """
        class Slow:
            def __repr__(self):
                while True: pass
        def task(g): raise ValueError(Slow())
    """,
    "telling its exception": """
        class Slow(Exception):
            def __str__(self):
                while True: pass
        def task(g): raise Slow
    """,
    "telling where something has no form": """
        class Key(str):
            def __repr__(self):
                while True: pass
        def task(g): return {Key("key"): object()}
    """,
    "in a thread beside it": """
        import threading, time
        def task(g):
            threading.Thread(target=time.sleep, args=(1000,)).start()
            while True: pass
    """,
}


@pytest.mark.claim(1)
@pytest.mark.claim(3)
@pytest.mark.claim(5)
@pytest.mark.parametrize("code", ENDLESS.values(), ids=ENDLESS)
def test_the_deadline_ends_a_run_wherever_it_is(rig: Rig, source: DatasetSource, code: str) -> None:
    started = time.monotonic()
    outcome = rig.run(source, code, timeout_s=0.5)
    assert time.monotonic() - started < 0.5 + SLOW_S
    assert outcome.cause == "TaskTimeout"
    assert outcome.failure is not None
    fields = outcome.failure.fields
    assert (fields["limit_name"], fields["limit"]) == ("timeout_s", 0.5)
    assert 0.5 <= fields["observed"] < 0.5 + SLOW_S


CRASHES: dict[str, tuple[str, dict[str, Any]]] = {
    "segfault": ("import ctypes\ndef task(g): ctypes.string_at(0)", {"signal": "SIGSEGV"}),
    "exit code": ("import os\ndef task(g): os._exit(3)", {"exit_code": 3}),
    "exit code of success": ("import os\ndef task(g): os._exit(0)", {"exit_code": 0}),
    "killed by itself": ("import os, signal\ndef task(g): os.kill(os.getpid(), signal.SIGKILL)", {"signal": "SIGKILL"}),
    "abort": ("import os\ndef task(g): os.abort()", {"signal": "SIGABRT"}),
    "terminated": ("import os, signal\ndef task(g): os.kill(os.getpid(), signal.SIGTERM)", {"signal": "SIGTERM"}),
    "at the top level": ("import os\nos._exit(7)\ndef task(g): return 1", {"exit_code": 7}),
    "stack overflow": (
        "def task(g):\n    x = None\n    for _ in range(10**6): x = (x,)\n    return hash(x)",
        {"signal": "SIGSEGV"},
    ),
    "half a message on its channel": ("import os\ndef task(g): os.write(4, b'x' * 100); os._exit(0)", {}),
    "an answer by hand": (
        "import os\ndef task(g):\n    os.write(4, b'\\0\\0\\0\\2{}')\n    import time; time.sleep(1000)",
        {},
    ),
}


@pytest.mark.claim(19)
@pytest.mark.parametrize(("code", "fields"), CRASHES.values(), ids=CRASHES)
def test_a_crash_is_named(rig: Rig, source: DatasetSource, code: str, fields: dict[str, Any]) -> None:
    outcome = rig.run(source, code)
    assert outcome.cause == "TaskCrashed"
    assert outcome.failure is not None
    assert outcome.failure.fields.items() >= fields.items()
    assert answer(rig.run(source, "def task(g): return len(g._edges)")) == 3


HOGS = {
    "bytes": "def task(g): return len(bytearray(10 * 2**30))",
    "numpy": """
        import numpy as np
        def task(g): return float(np.ones(10 * 2**27).sum())
    """,
    "bit by bit": """
        def task(g):
            kept = []
            while True: kept.append(bytearray(2**20))
    """,
    "objects": """
        def task(g):
            kept = []
            while True: kept.append([object() for _ in range(1000)])
    """,
    "a frame": """
        import pandas as pd
        def task(g):
            frame = g._edges
            while True: frame = pd.concat([frame, frame], ignore_index=True)
    """,
    "caught and tried again": """
        def task(g):
            kept = []
            while len(kept) < 1000:
                try: kept.append(bytearray(2**24))
                except MemoryError: kept.append(b"")
            raise MemoryError
    """,
}


@pytest.mark.claim(7)
@pytest.mark.parametrize("code", HOGS.values(), ids=HOGS)
def test_memory_beyond_the_limit_is_refused_by_name(rig: Rig, source: DatasetSource, code: str) -> None:
    outcome = rig.run(source, code, memory_bytes=100 * MIB)
    assert outcome.cause == "TaskMemoryExceeded"
    assert outcome.failure is not None
    assert outcome.failure.fields.items() >= {"limit_name": "memory_bytes", "limit": 100 * MIB}.items()
    assert answer(rig.run(source, "def task(g): return len(g._edges)")) == 3


SCRATCH: dict[str, tuple[str, dict[str, int], str]] = {
    "one file": ("open('big', 'wb').write(bytes(5 * 2**20))", {"scratch_bytes": MIB}, "scratch_bytes"),
    "a file that grows": (
        "f = open('big', 'ab')\n    while True: f.write(bytes(2**16)); f.flush(); time.sleep(0.001)",
        {"scratch_bytes": MIB},
        "scratch_bytes",
    ),
    "many files": ("for n in range(1100): open(str(n), 'w').close()", {}, "scratch_files"),
    "a tree": (
        "for n in range(600):\n        os.mkdir(str(n))\n        open(f'{n}/x', 'w').close()",
        {},
        "scratch_files",
    ),
    "more files than the run asked for": (
        "for n in range(50): open(str(n), 'w')",
        {"scratch_files": 10},
        "scratch_files",
    ),
}


@pytest.mark.claim(10)
@pytest.mark.parametrize(("fill", "limits", "limit_name"), SCRATCH.values(), ids=SCRATCH)
def test_the_scratch_directory_has_its_limit(
    rig: Rig, source: DatasetSource, fill: str, limits: dict[str, int], limit_name: str
) -> None:
    code = f"import os, time\ndef task(g):\n    {fill}\n    time.sleep(1000)"
    outcome = rig.run(source, code, **{"scratch_bytes": 64 * MIB, **limits})
    assert outcome.cause == "TaskScratchExceeded"
    assert outcome.failure is not None
    fields = outcome.failure.fields
    assert fields["limit_name"] == limit_name
    assert fields.get("observed", math.inf) > fields["limit"]  # it is not known if the kernel refused a write


RESULTS: dict[str, tuple[str, dict[str, Any]]] = {
    "text": ("'x' * 5000", {}),
    "json": ("list(range(5000))", {"accepts_text": False}),
    "csv": ("pd.DataFrame({'x': range(5000)})", {"output_type": "table", "format": "csv"}),
    "zip": ("g.edges(pd.DataFrame({'s': range(9000), 'd': range(9000)}))", {"output_type": "all", "format": "parquet"}),
}


@pytest.mark.claim(9)
@pytest.mark.parametrize(("returned", "fields"), RESULTS.values(), ids=RESULTS)
def test_a_result_beyond_its_limit_is_refused(
    rig: Rig, source: DatasetSource, returned: str, fields: dict[str, Any]
) -> None:
    code = f"import pandas as pd\ndef task(g): return {returned}"
    outcome = rig.run(source, code, result_bytes=4000, **fields)
    assert outcome.cause == "ResultTooLarge"
    assert outcome.failure is not None
    told = outcome.failure.fields
    assert (told["limit_name"], told["limit"]) == ("result_bytes", 4000)
    assert told["observed"] > 4000


FAILURES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "exit": ("def task(g): raise SystemExit(2)", "TaskError", {"exception_type": "SystemExit"}),
    "an exception": ("def task(g): return 1 / 0", "TaskError", {"exception_type": "ZeroDivisionError"}),
    "no Python": ("def task(g) return 1", "InvalidSource", {"line": 1}),
    "no task": ("x = 1", "InvalidSource", {}),
    "a result without a form": ("def task(g): return object()", "ResultNotSerializable", {}),
}


@pytest.mark.parametrize(("code", "cause", "fields"), FAILURES.values(), ids=FAILURES)
def test_a_failure_is_named(rig: Rig, source: DatasetSource, code: str, cause: str, fields: dict[str, Any]) -> None:
    outcome = rig.run(source, code)
    assert outcome.cause == cause
    assert outcome.failure is not None
    assert outcome.failure.fields.items() >= fields.items()
    assert answer(rig.run(source, "def task(g): return len(g._edges)")) == 3
