"""Receipts of runs and lists of them; runs that are cancelled or left."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import httpx

from tools.record_wire.cast import NOWHERE, Cast
from tools.record_wire.requests.results import RUN
from tools.record_wire.wire import Wire, request_of

_RUNS: Final = "/api/v2/runs"
_ONE: Final = f"{_RUNS}/{{run_id}}"
_CANCEL: Final = f"{_ONE}/cancel"
_SPINS: Final = "def task(g):\n    print('begun', flush=True)\n    while True: pass"


def ask(wire: Wire, cast: Cast) -> None:
    """On a dataset of bob's, whose first runs these are."""
    wire.section = "runs"
    bob = cast.bob
    made = wire.send_ok("POST", "/api/v2/upload/datasets", bob, {"name": "for runs"})["data"]["dataset_id"]
    at = {"dataset_id": str(made)}
    requests: dict[str, dict[str, Any]] = {
        "good": {"execute": "def task(g):\n    print('hello')\n    return 1", "run_label": "nightly"},
        "bad": {"execute": "def task(g):\n    print('so far')\n    return g.nothing", "run_label": "nightly"},
        "table": {"execute": "def task(g): return [{'a': 1}]", "output_type": "table", "format": "csv"},
        "no engine": {"execute": "def task(g): return 1", "engine": "cudf"},
        "no source": {"execute": "def task(g: return 1"},
        "long label": {"execute": "def task(g): return 1", "run_label": "x" * 1100},
        "limit": {"execute": "def task(g): return 'x' * 5000", "result_bytes": 1000},
    }
    for name, fields in requests.items():
        answer = wire.ask(f"run: {name}", "POST", RUN, bob, fields, at=at)
        run = {"run_id": answer.headers.get("X-Run-Id", NOWHERE)}
        wire.ask(f"receipt: {name}", "GET", _ONE, bob, at=run)
        cast.run = cast.run or run["run_id"]
    own = {"run_id": cast.run}
    wire.ask("receipt/", "GET", f"{_ONE}/", bob, at=own)
    for caller in (cast.ann, cast.admin):
        wire.ask(f"receipt as {caller.name}", "GET", _ONE, caller, at=own)
        wire.ask(f"cancel as {caller.name}", "POST", _CANCEL, caller, at=own)
    for name, other in (("unknown", NOWHERE), ("no id", "x"), ("NUL", "\0"), ("capitals", "A" * 32)):
        wire.ask(f"receipt: {name} run", "GET", _ONE, bob, at={"run_id": other})
        wire.ask(f"cancel: {name} run", "POST", _CANCEL, bob, at={"run_id": other})
    wire.ask("cancel what has ended", "POST", _CANCEL, bob, at=own)
    wire.ask("cancel/ again", "POST", f"{_CANCEL}/", bob, {"reason": "x"}, at=own)
    for query in (
        "", "limit=2", "limit=2&offset=2", "state=ended", "state=running", "state=queued", "run_label=nightly&limit=1",
        "state=lost", "limit=x", f"dataset_id={NOWHERE}", "dataset_id=x&run_label=y&state=ended", "state=",
    ):  # fmt: skip
        wire.ask(f"list, {query}", "GET", _RUNS, bob, query=query)
    wire.ask("list/ of one dataset", "GET", f"{_RUNS}/", bob, query=f"dataset_id={made}&limit=1")
    wire.ask("list of another", "GET", _RUNS, cast.cid)


def ask_concurrently(wire: Wire, cast: Cast) -> None:
    """Runs that are ended while they run. What audit holds of them comes in no certain order."""
    wire.section = "runs that are ended"
    at = {"dataset_id": cast.people}
    run_id = "fedcba9876543210" * 2
    body: dict[str, Any] = {"execute": _SPINS, "run_id": run_id, "timeout_s": 40}
    request = request_of("POST", RUN, cast.ann, body, at=at)
    one = request_of("GET", _ONE, cast.ann, at={"run_id": run_id})
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(wire.send_alone, request)
        wire.until(one, lambda answer: answer.status_code == 200 and answer.json()["state"] == "running")
        wire.ask("receipt while it runs", "GET", _ONE, cast.ann, at={"run_id": run_id})
        wire.ask("list of what runs", "GET", _RUNS, cast.ann, query="state=running")
        wire.ask("list of what waits", "GET", _RUNS, cast.ann, query="state=queued")
        wire.ask("cancel as another", "POST", _CANCEL, cast.bob, at={"run_id": run_id})
        wire.ask("cancel", "POST", _CANCEL, cast.ann, at={"run_id": run_id})
        wire.keep("the run that was cancelled", request, run.result())
    wire.until(one, lambda answer: bool(answer.json()["state"] == "ended"))
    wire.ask("receipt of what was cancelled", "GET", _ONE, cast.ann, at={"run_id": run_id})
    _left(wire, cast)


def _left(wire: Wire, cast: Cast) -> None:
    run_id = "fedcba9876543211" * 2
    body: dict[str, Any] = {"execute": _SPINS, "run_id": run_id, "timeout_s": 40}
    try:
        wire.send_alone(request_of("POST", RUN, cast.ann, body, at={"dataset_id": cast.people}), timeout_s=1.0)
    except httpx.TimeoutException:
        pass
    one = request_of("GET", _ONE, cast.ann, at={"run_id": run_id})
    wire.until(one, lambda answer: answer.status_code == 200 and answer.json()["state"] == "ended")
    wire.ask("receipt of what nobody waited for", "GET", _ONE, cast.ann, at={"run_id": run_id})
