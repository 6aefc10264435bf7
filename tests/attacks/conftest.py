"""One server under attack at a time, in each mode that this machine offers; at the end the table of what happened."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from pathlib import Path
from uuid import uuid4

import pytest

from tests.attacks.arena import Arena
from tests.attacks.modes import Mode, all_modes, folder_for_all
from tests.attacks.report import COLUMNS, Ended, Table, summaries
from tests.conftest import ADMIN, PASSWORD, LiveServer, Person, free_port
from tests.unit.standing_walls import walls

REPORT_FILE = "GRAPHSIDE_ATTACKS_REPORT"
"""Names a file that takes the tables as Markdown."""

_ENDED = pytest.StashKey[list[Ended]]()
NOTICED = pytest.StashKey[list[tuple[str, str]]]()
SOAKED = pytest.StashKey[list[tuple[str, str]]]()


@cache
def modes() -> list[Mode]:
    return all_modes()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_ENDED] = []
    config.stash[NOTICED] = []
    config.stash[SOAKED] = []


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test of an arena is one of each mode; all but those of the best mode are for the soak.

    Those marked ``best_mode`` are in no other. All those of a rewound arena are for the soak.
    """
    if "rewound_arena" in metafunc.fixturenames:
        each = [pytest.param(mode, id=mode.name, marks=_skips(mode)) for mode in modes()]
        metafunc.parametrize("rewound_arena", each, indirect=True, scope="package")
    if "arena" not in metafunc.fixturenames:
        return
    best = next((mode for mode in modes() if not mode.missing), None)
    parameters = []
    for mode in modes():
        if mode is not best and metafunc.definition.get_closest_marker("best_mode"):
            continue
        marks = [pytest.mark.attack] if mode is best else [pytest.mark.soak]
        parameters.append(pytest.param(mode, id=mode.name, marks=[*marks, *_skips(mode)]))
    metafunc.parametrize("arena", parameters, indirect=True, scope="package")


def _skips(mode: Mode) -> list[pytest.MarkDecorator]:
    return [pytest.mark.skip(reason=f"mode {mode.name}: {mode.missing}")] if mode.missing else []


@pytest.fixture(scope="package")
def arena(request: pytest.FixtureRequest) -> Iterator[Arena]:
    """A server in a mode, with a canary in its environment and in a file of its own. All of its seats are forked."""
    yield from _opened(request, rewound=False)


@pytest.fixture(scope="package")
def rewound_arena(request: pytest.FixtureRequest) -> Iterator[Arena]:
    """The same with one rewound seat, on which each attack comes after another run."""
    if not walls().rewind:
        pytest.skip("this machine cannot rewind seats")
    yield from _opened(request, rewound=True)


def _opened(request: pytest.FixtureRequest, *, rewound: bool) -> Iterator[Arena]:
    mode: Mode = request.param
    folder = folder_for_all(mode.uid)
    canary = f"canary-{uuid4().hex}"
    environment = {"SERVER_CANARY": canary, "HOME": str(folder), "GRAPHSIDE_REWOUND_SEATS": str(int(rewound))}
    server = LiveServer(_data(folder, mode), free_port(), environment, command=mode.command(folder)).start()
    try:
        with closing(server.log_in().http) as http:
            opened = Arena.open(server, Person(ADMIN, PASSWORD, http), mode, canary, folder, rewound=rewound)
            yield opened
            opened.close()
            request.config.stash[_ENDED] += opened.table
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _data(folder: Path, mode: Mode) -> Path:
    data = folder / "data"
    data.mkdir(mode=0o700)
    if mode.uid != os.geteuid():
        os.chown(data, mode.uid, mode.uid)
    return data


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    ended: list[Ended] = config.stash[_ENDED]
    noticed: list[tuple[str, str]] = config.stash[NOTICED]
    soaked: list[tuple[str, str]] = config.stash[SOAKED]
    tables = [
        Table("attacks: how each ended", COLUMNS, [one.cells() for one in ended]),
        Table("walls left out, and what then gets through", ("left out", "noticed by"), [*noticed]),
        Table("soak", ("what", "measured"), [*soaked]),
    ]
    for table in tables:
        if table.rows:
            terminalreporter.section(table.title)
            for line in table.as_lines():
                terminalreporter.write_line(line)
    for line in summaries(ended):
        terminalreporter.write_line(line)
    if path := os.environ.get(REPORT_FILE):
        page = [table.as_markdown() for table in tables if table.rows]
        Path(path).write_text("\n\n".join([*page, *summaries(ended)]) + "\n", encoding="utf-8")
