"""``runs list``, ``runs show``, ``runs cancel``."""

import json
from typing import Any

import pytest

from tests.terminal import Terminal
from tests.unit.cli.conftest import Cli, SmallServer, complaint, query

RUNS = "/api/v2/runs"
RECEIPT: dict[str, Any] = {
    "run_id": "77",
    "dataset_id": "0123",
    "state": "ended",
    "cause": "TaskError",
    "run_label": "nightly\x1b[2J",
    "engine": "pandas",
    "output_type": "json",
    "format": "json",
    "created_at": "2026-01-02T03:04:05.1+00:00",
    "started_at": "2026-01-02T03:04:06+00:00",
    "ended_at": "2026-01-02T03:04:07+00:00",
    "queue_s": 0.0015,
    "seat_s": 0.002,
    "run_s": 1.25,
    "encode_s": None,
    "peak_memory_bytes": 3 * 1024 * 1024,
    "result_bytes": None,
    "failure": {"type": "TaskError", "message": "KeyError: 'nothing'", "fields": {}},
    "versions": {"pandas": "3.0.6", "pyarrow": "26.0.1"},
}
WRITTEN = {"stdout": "one\ntwo\x1b[2J\n", "stderr": "", "stdout_truncated": True, "stderr_truncated": False}


def test_list_shows_how_each_ended(cli: Cli, signed_in: SmallServer) -> None:
    waiting = {"run_id": "78", "dataset_id": "0123", "state": "queued", "cause": None, "run_s": None}
    signed_in.on("GET", RUNS, body={"count": 2, "results": [waiting, RECEIPT]})
    assert cli("runs", "list").stdout.splitlines() == [
        "78\tqueued\t\t0123\t\t\t",
        "77\tended\tTaskError\t0123\tnightly [2J\t2026-01-02T03:04:05Z\t1.250",
    ]
    assert json.loads(cli("runs", "list", "--json").stdout) == [waiting, RECEIPT]


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        ((), {}),
        (("--state", "running"), {"state": ["running"]}),
        (("--dataset", "0123", "--label", "a b&c"), {"dataset_id": ["0123"], "run_label": ["a b&c"]}),
    ],
)
def test_list_is_narrowed_at_the_server(
    cli: Cli, signed_in: SmallServer, options: tuple[str, ...], asked: dict[str, list[str]]
) -> None:
    signed_in.on("GET", RUNS, body={"count": 0, "results": []})
    assert cli("runs", "list", *options).exit_code == 0
    assert query(signed_in.calls[0].path) == {"limit": ["100"], "offset": ["0"], **asked}


def test_show_has_a_line_for_each_thing_that_is_known(cli: Cli, signed_in: SmallServer) -> None:
    signed_in.on("GET", f"{RUNS}/77", body={**RECEIPT, **WRITTEN})
    assert cli("runs", "show", "77").stdout.splitlines() == [
        "run\t77",
        "dataset\t0123",
        "state\tended",
        "cause\tTaskError",
        "failure\tKeyError: 'nothing'",
        "label\tnightly [2J",
        "engine\tpandas",
        "output type\tjson",
        "format\tjson",
        "created\t2026-01-02T03:04:05Z",
        "started\t2026-01-02T03:04:06Z",
        "ended\t2026-01-02T03:04:07Z",
        "seconds\tqueue 0.002, seat 0.002, run 1.250",
        "peak memory\t3.0 MiB",
        "versions\tpandas 3.0.6, pyarrow 26.0.1",
        "stdout\tone two [2J",
    ]
    assert json.loads(cli("runs", "show", "77", "--json").stdout) == {**RECEIPT, **WRITTEN}


def test_on_a_terminal_show_keeps_the_lines_of_what_was_printed(signed_in: SmallServer) -> None:
    signed_in.on("GET", f"{RUNS}/77", body={**RECEIPT, **WRITTEN})
    with Terminal("runs", "show", "77") as terminal:
        assert terminal.end() == 0
    assert "failure      KeyError: 'nothing'\n" in terminal.text
    assert terminal.text.endswith("\nstdout (the middle was dropped):\none\ntwo\ufffd[2J\n")


@pytest.mark.parametrize("state", ["ended", "running"])
def test_cancel_says_how_far_the_run_is(cli: Cli, signed_in: SmallServer, state: str) -> None:
    signed_in.on("POST", f"{RUNS}/77/cancel", body={"success": True, "run_id": "77", "state": state})
    assert cli("runs", "cancel", "77").stdout == f"77 is {state}\n"


@pytest.mark.parametrize(
    ("command", "method", "path"),
    [("show", "GET", f"{RUNS}/a%2Fb"), ("cancel", "POST", f"{RUNS}/a%2Fb/cancel")],
)
def test_a_run_of_somebody_else_is_not_found(
    cli: Cli, signed_in: SmallServer, command: str, method: str, path: str
) -> None:
    signed_in.on(method, path, 404, {"error": "run a/b not found"})
    assert complaint(cli("runs", command, "a/b")) == "run a/b not found"


def test_an_unknown_state_is_not_sent(cli: Cli, signed_in: SmallServer) -> None:
    assert "'lost' is not one of" in complaint(cli("runs", "list", "--state", "lost"))
    assert signed_in.calls == []
