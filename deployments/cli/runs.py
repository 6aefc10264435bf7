"""``runs list``, ``runs show``, ``runs cancel``."""

import sys
from enum import StrEnum
from typing import Annotated, Any  # Any: JSON values

import typer

from deployments.cli.connection import connect, segment
from deployments.cli.options import AsJson, Most, Url
from deployments.cli.pages import listed
from deployments.cli.sizes import size
from deployments.cli.terminal import moment, printable, printable_lines, show_fields, show_json, show_rows

app = typer.Typer(help="List, show and cancel your runs.")

_PATH = "/api/v2/runs"

RunId = Annotated[str, typer.Argument(metavar="RUN", help="The id of the run.")]


class State(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    ENDED = "ended"


@app.command("list")
def list_runs(
    state: Annotated[
        State | None, typer.Option(metavar="queued|running|ended", help="Only runs in this state.")
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="Only runs on the dataset with this id.")] = None,
    label: Annotated[str | None, typer.Option(help="Only runs with this label.")] = None,
    most: Most = 100,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """List your runs: id, state, cause of the end, dataset, label, time of the request, seconds that the task took."""
    found = listed(connect(url), _PATH, most, {"state": state, "dataset_id": dataset, "run_label": label})
    if as_json:
        return show_json(found)
    rows = [
        (
            run.get("run_id"),
            run.get("state"),
            run.get("cause") or "",
            run.get("dataset_id"),
            run.get("run_label") or "",
            moment(run.get("created_at")),
            _seconds(run.get("run_s")),
        )
        for run in found
    ]
    show_rows(("run", "state", "cause", "dataset", "label", "created", "seconds"), rows)


@app.command()
def show(run: RunId, as_json: AsJson = False, url: Url = None) -> None:
    """Show a run: how it ended, its times and sizes, what the task printed."""
    found = connect(url).send("GET", f"{_PATH}/{segment(run)}")
    if as_json:
        return show_json(found)
    show_fields(_fields(found))
    for name in ("stdout", "stderr", "source"):
        text = found.get(name)
        if not isinstance(text, str) or not text:
            continue
        if sys.stdout.isatty():
            cut = " (the middle was dropped)" if found.get(f"{name}_truncated") is True else ""
            print(f"\n{name}{cut}:\n{printable_lines(text).rstrip()}")
        else:
            print(f"{name}\t{printable(text)}")


@app.command()
def cancel(run: RunId, url: Url = None) -> None:
    """Cancel a run. Its caller gets an error. A run that has ended stays as it is."""
    answer = connect(url).send("POST", f"{_PATH}/{segment(run)}/cancel")
    print(f"{printable(run)} is {printable(answer.get('state', 'cancelled'))}")


def _fields(run: dict[str, Any]) -> dict[str, object]:
    """Return the fields that fit on one line each, without the empty ones."""
    failure, versions = run.get("failure"), run.get("versions")
    shown: dict[str, object] = {
        "run": run.get("run_id"),
        "dataset": run.get("dataset_id"),
        "state": run.get("state"),
        "cause": run.get("cause"),
        "failure": failure.get("message") if isinstance(failure, dict) else None,
        "label": run.get("run_label"),
        "engine": run.get("engine"),
        "output type": run.get("output_type"),
        "format": run.get("format"),
        "created": moment(run.get("created_at")),
        "started": moment(run.get("started_at")),
        "ended": moment(run.get("ended_at")),
        "seconds": ", ".join(f"{phase} {_seconds(run.get(f'{phase}_s'))}" for phase in _phases(run)),
        "peak memory": _size(run.get("peak_memory_bytes")),
        "result": _size(run.get("result_bytes")),
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items())
        if isinstance(versions, dict)
        else None,
    }
    return {name: value for name, value in shown.items() if value not in (None, "")}


def _phases(run: dict[str, Any]) -> list[str]:
    return [phase for phase in ("queue", "seat", "run", "encode") if isinstance(run.get(f"{phase}_s"), int | float)]


def _seconds(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, int | float) else ""


def _size(value: object) -> str:
    return size(value) if isinstance(value, int | float) else ""
