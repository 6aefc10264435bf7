"""Runs that start and do not end well, in each way that has a name."""

from typing import Any, Final

from tools.record_wire.cast import Cast
from tools.record_wire.requests.results import RUN
from tools.record_wire.wire import Wire

_MIB: Final = 2**20
_LIMITED: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "time, in a loop": ("print('seen')\ndef task(g):\n    while True: pass", {"timeout_s": 0.5}),
    "time, asleep": ("import time\ndef task(g): time.sleep(1000)", {"timeout_s": 0.5}),
    "time, before the task": ("while True: pass\ndef task(g): return 1", {"timeout_s": 0.5}),
    "CPU": ("def task(g):\n    while True: pass", {"cpu_s": 0.5, "timeout_s": 20}),
    "memory at once": ("def task(g): return len(bytearray(10 * 2**30))", {"memory_bytes": 100 * _MIB}),
    "memory, numpy": (
        "import numpy as np\ndef task(g): return float(np.ones(10 * 2**27).sum())",
        {"memory_bytes": 100 * _MIB},
    ),
    "memory, raised": ("def task(g): raise MemoryError", {}),
    "scratch": ("def task(g):\n    open('big', 'wb').write(bytes(5 * 2**20))", {"scratch_bytes": _MIB}),
    "scratch, files": (
        "import time\ndef task(g):\n    for n in range(1100): open(str(n), 'w').close()\n    time.sleep(9)",
        {"timeout_s": 8},
    ),
    "result, text": ("def task(g): return 'x' * 5000", {"result_bytes": 4000}),
    "result, json": ("def task(g): return list(range(5000))", {"result_bytes": 4000, "engine": "pandas"}),
    "result, csv": (
        "import pandas as pd\ndef task(g): return pd.DataFrame({'x': range(5000)})",
        {"result_bytes": 4000, "output_type": "table", "format": "csv"},
    ),
    "result, parquet": (
        "import pandas as pd\ndef task(g): return pd.DataFrame({'x': range(9000)})",
        {"result_bytes": 4000, "output_type": "table", "format": "parquet"},
    ),
}
_CRASHES: Final = {
    "segfault": "import ctypes\ndef task(g): ctypes.string_at(0)",
    "exit": "import os\ndef task(g):\n    print('seen', flush=True)\n    os._exit(3)",
    "exit of success": "import os\ndef task(g): os._exit(0)",
    "killed": "import os, signal\ndef task(g): os.kill(os.getpid(), signal.SIGKILL)",
    "aborted": "import os\ndef task(g): os.abort()",
    "before the task": "import os\nos._exit(7)\ndef task(g): return 1",
}
_RAISES: Final = {
    "in a function": (
        "import sys\n\ndef share(part, whole):\n    return part / whole\n\ndef task(g):\n    print('so far')\n"
        "    print('so bad', file=sys.stderr)\n    return share(1, 0)\n"
    ),
    "indented": "    def task(g):\n        return g._edges['nope']\n",
    "before the task": "raise LookupError('top')\ndef task(g): return 1",
    "import": "import no_such_module\ndef task(g): return 1",
    "our own code": "import deployments\ndef task(g): return 1",
    "sys.exit": "import sys\ndef task(g): sys.exit(3)",
    "interrupt": "def task(g): raise KeyboardInterrupt",
    "own class": "class Odd(Exception): pass\ndef task(g): raise Odd('so')",
    "input": "def task(g): return input()",
    "group": "def task(g): raise ExceptionGroup('both', [ValueError('a'), KeyError('b')])",
    "no text": "class E(Exception):\n    def __str__(self): 1 / 0\ndef task(g): raise E",
    "with a cause": "def task(g):\n    try: 1 / 0\n    except ArithmeticError as e: raise ValueError('no') from e",
    "with a note": "def task(g):\n    e = ValueError('no')\n    e.add_note('look here')\n    raise e",
    "warning": "import warnings\ndef task(g):\n    warnings.simplefilter('error')\n    warnings.warn('w')",
    "network": "import socket\ndef task(g): socket.create_connection(('127.0.0.1', 1))",
    "process": "import subprocess\ndef task(g): subprocess.run(['true'])",
    "file": "def task(g): open('/etc/shadow')",
    "write": "def task(g): open('/tmp/x', 'w')",
    "long text": "def task(g): raise ValueError('x' * 100000)",
    "odd characters": "def task(g): raise ValueError('\\ud800 \\0 \\x1b[31m é')",
}
_OUTPUT: Final = {
    "both streams": "import sys\ndef task(g):\n    print('out')\n    print('err', file=sys.stderr)\n    return set",
    "much": "def task(g):\n    print('first')\n    print('x' * 2**21)\n    print('last')\n    raise ValueError('done')",
    "no text": "import os\ndef task(g):\n    os.write(1, b'\\xff\\n')\n    raise ValueError('done')",
}


def ask(wire: Wire, cast: Cast) -> None:
    """On ``people``."""
    wire.section = "failures"
    at = {"dataset_id": cast.people}
    for name, (source, fields) in _LIMITED.items():
        body = {"execute": source, **fields}
        wire.ask(f"limit of {name}", "POST", RUN, cast.ann, body, at=at, measured=("observed",))
    for name, source in _CRASHES.items():
        wire.ask(f"crash: {name}", "POST", RUN, cast.ann, {"execute": source}, at=at)
    for name, source in _RAISES.items():
        wire.ask(f"raised: {name}", "POST", RUN, cast.ann, {"execute": source}, at=at)
    for name, source in _OUTPUT.items():
        wire.ask(f"output: {name}", "POST", RUN, cast.ann, {"execute": source}, at=at)
    for output_type, form in (("all", "parquet"), ("nodes", "csv"), ("table", "json"), ("shape", "json")):
        body = {"execute": "def task(g): return missing", "output_type": output_type, "format": form}
        wire.ask(f"raised for {output_type} as {form}", "POST", RUN, cast.ann, body, at=at)
    accept = {"Accept": "text/html"}
    wire.ask("raised for a browser", "POST", RUN, cast.ann, {"execute": "1/0"}, at=at, headers=accept)
