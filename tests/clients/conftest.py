"""Clients other than the current PyGraphistry: where they are, and how to run them.

``make install-clients`` brings them. Where they are not, tests are skipped and say so; in CI they fail.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from tests.waiting import WITHIN_S

if TYPE_CHECKING:
    from tests.conftest import Person

ROOT = Path(__file__).parents[2]


def absent(what: str) -> None:
    """Skip, loudly; fail where everything must have been installed."""
    reason = f"{what} is not installed: run make install-clients"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def run_client(command: list[str], told: dict[str, Any], **environment: str) -> Any:
    """What a client prints as its last line, as JSON. ``told`` is its standard input; else it knows nothing of us."""
    ended = subprocess.run(
        command, input=json.dumps(told), capture_output=True, text=True, timeout=WITHIN_S, cwd="/",
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "NO_PROXY": "*", **environment},
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout[-5000:] + ended.stderr[-5000:]
    return json.loads(ended.stdout.splitlines()[-1])


@pytest.fixture(scope="session")
def erin(make_user: Callable[..., Person]) -> Iterator[Person]:
    """A user who may run Python."""
    person = make_user(f"erin-{uuid4().hex[:8]}")
    yield person
    person.http.close()


@pytest.fixture(scope="session")
def frank(make_user: Callable[..., Person]) -> Iterator[Person]:
    """Another one."""
    person = make_user(f"frank-{uuid4().hex[:8]}")
    yield person
    person.http.close()


@pytest.fixture(scope="session")
def key(erin: Person) -> dict[str, str]:
    """A personal key of erin's."""
    made: dict[str, str] = erin.http.post("/api/v2/auth/pkey/", json={"name": "clients"}).json()
    return made


@pytest.fixture(scope="session")
def guild(admin: Person, erin: Person) -> str:
    """An organization that erin is in and frank is not."""
    slug = f"guild-{uuid4().hex[:8]}"
    assert admin.http.post("/api/v2/admin/organizations/", json={"slug": slug}).status_code == 201
    assert admin.http.put(f"/api/v2/o/{slug}/members/{erin.username}/", json={"role": "member"}).is_success
    return slug
