"""Every operation that changes something leaves a line of audit: the walk is over all operations of all routes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import pytest

from deployments.calls.messages import RunReply, refused
from deployments.calls.runner_client import RunnerClient
from deployments.ingress.callers.finishing import finished
from deployments.ingress.routing.routes import Operation
from deployments.ingress.web.csrf import SAFE_METHODS
from runtime.receipts import NewRun
from runtime.run_report import COST_KEYS, RunCost
from tests.unit.http.bounds.fields import operations
from tests.unit.http.site import PASSWORD, Site
from tests.waiting import WITHIN_S, eventually

CHANGES_NOTHING = {
    "POST /api/v2/auth/token/refresh": "a refreshed token is of the same log-in, and is not stored",
    "POST /api-token-refresh": "the same",
    "POST /api-token-verify": "it only looks",
    "POST /api/v2/o/{slug}/switch": "each request names its organization; only a refusal has a line",
}


READS = {
    "GET /api/v2/o/{slug}/members": "only a refusal has a line",
    "GET /api/v2/share/link/{dataset_id}": "the same",
}


class Runners:
    """Takes the place of the runners: a table is one byte, and a run returns 1."""

    def __init__(self, site: Site) -> None:
        self._store = site.services.store

    async def parse(self, request: dict[str, Any], user: str) -> dict[str, Any]:
        object_id = uuid4().hex
        path = self._store.incoming()
        path.write_bytes(b"x")
        self._store.commit(path, object_id)
        return {"id": object_id, "byte_count": 1, "row_count": 1, "column_count": 1, "dtypes": {"a": "int64"}}

    async def run(self, call: dict[str, Any]) -> RunReply:
        cost = cast(RunCost, dict.fromkeys(COST_KEYS, 0))
        return {**refused({}), "failure": None, "cost": cost, "kind": "json", "content": b"1"}

    async def evict(self, dataset_id: str) -> None:
        pass

    async def cancel(self, run_id: str) -> bool:
        return True

    gpu_running = False


class Scene:
    """A site with what every operation needs: ann, who asks, is an administrator."""

    def __init__(self, data_dir: Path) -> None:
        made = Site.open(data_dir)
        self.site = Site(replace(made.services, runners=cast(RunnerClient, Runners(made))))
        services = self.services = self.site.services
        services.store.prepare()
        self.ann = self.site.user("ann", admin=True)
        self.site.user("bob")
        services.flags.set_for_everyone("flag_python_endpoint_enabled_users", True)
        services.organizations.add("acme")
        services.organizations.set_member("acme", "bob", "member")
        self.count = 0
        self.browser = self.site.browser()

    def prepare(self) -> None:
        """Make what the last operation may have deleted."""
        self.count += 1
        services = self.services
        if "analysts" not in (group.name for group in services.groups.list()):
            services.groups.add("analysts")
        self.file_id = services.files.create(self.ann.user_id, file_type="csv").id
        self.dataset_id = services.datasets.create(self.ann.user_id, "g", "", {}, {}).id
        self.key = services.keys.create(self.ann.user_id, "k")
        self.run_id = uuid4().hex
        services.receipts.begin(NewRun(self.run_id, self.ann.user_id, self.dataset_id, "pandas", "json", "json"))

    def ask(self, operation: Operation) -> tuple[int, list[tuple[str, str]]]:
        """Return the status of the operation's answer and the action and outcome of each new line of audit."""
        self.prepare()
        browser = self.browser
        browser.headers["Authorization"] = f"Bearer {self.services.tokens.issue(self.ann)}"
        before = self._lines()
        body = BODIES.get(operation.handler.__module__.rpartition(".")[2] + "." + operation.handler.__name__)
        sent: dict[str, Any] = body(self) if body is not None else {}
        browser.cookies.clear()
        answer = browser.request(operation.method, self._path(operation), **sent)
        lines = self._lines()
        return answer.status_code, lines[len(before) :]

    def _path(self, operation: Operation) -> str:
        values = {
            "dataset_id": self.dataset_id, "file_id": self.file_id, "run_id": self.run_id, "key_id": self.key.key.id,
            "username": "bob", "slug": "acme", "group": "analysts", "role": "edges", "file_type": "csv",
            "flag": "flag_python_endpoint_enabled_users",
        }  # fmt: skip
        return operation.path.format(**values)

    def _lines(self) -> list[tuple[str, str]]:
        assert self.services.audit.flush()
        return [(line.action, line.outcome) for line in self.services.audit.list(1000, 0)[1]][::-1]


def _json(**body: Any) -> Callable[[Scene], dict[str, Any]]:
    return lambda _: {"json": body}


BODIES: dict[str, Callable[[Scene], dict[str, Any]]] = {
    "auth.log_in": _json(username="ann", password=PASSWORD),
    "auth.log_in_with_key": lambda scene: {
        "headers": {"Authorization": f"PersonalKey {scene.key.key.id}:{scene.key.secret}"}
    },
    "auth.refresh": lambda scene: {"json": {"token": scene.services.tokens.issue(scene.ann)}},
    "auth.verify": lambda scene: {"json": {"token": scene.services.tokens.issue(scene.ann)}},
    "keys.create": _json(name="k"),
    "files.create": _json(file_type="csv"),
    "files.change": _json(name="other"),
    "files.upload": lambda _: {"content": b"a\n1\n"},
    "datasets.create": _json(name="g"),
    "datasets.attach": lambda _: {"content": b"a\n1\n"},
    "shares.share": lambda scene: {"json": {"obj_pk": scene.dataset_id}},
    "python.run": _json(execute="def task(g): return 1"),
    "admin.add_user": lambda scene: {"json": {"username": f"cem{scene.count}", "password": PASSWORD}},
    "admin.set_password": _json(password=PASSWORD + "2"),
    "flags.set_flag": _json(value=True),
    "flags.add_group": lambda scene: {"json": {"name": f"others{scene.count}"}},
    "organizations.add": lambda scene: {"json": {"slug": f"lab{scene.count}"}},
    "organizations.set_member": _json(role="admin"),
    "pages.sign_in": _json(username="ann", password=PASSWORD),
}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    made = Scene(tmp_path_factory.mktemp("audit") / "data")
    yield made
    made.services.close()


def name_of(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


def test_every_operation_with_a_changing_method_says_which_lines_it_adds() -> None:
    silent = {name_of(operation) for operation in operations() if operation.method not in SAFE_METHODS}
    silent -= {name_of(operation) for operation in operations() if operation.audit}
    assert silent == CHANGES_NOTHING.keys() - {"POST /api/v2/o/{slug}/switch"}


def test_every_operation_that_changes_something_adds_its_line(scene: Scene) -> None:
    missing = {}
    for operation in operations():
        audit = operation.audit or ()
        only_refusals = name_of(operation) in CHANGES_NOTHING or name_of(operation) in READS
        if (operation.method in SAFE_METHODS and not audit) or only_refusals:
            continue
        status, lines = scene.ask(operation)
        if status >= 400 or not any((action, "ok") in lines for action in audit):
            missing[name_of(operation)] = (status, lines)
    assert missing == {}


def test_an_action_that_a_route_does_not_declare_is_a_failure_of_ours(scene: Scene) -> None:
    from deployments.ingress.callers.call import Call

    call: Call[None] = Call(cast(Any, None), scene.services, None, 0, scene.ann, ("user.add",), cast(Any, None))
    with pytest.raises(ValueError, match=r"user\.remove"):
        call.note("user.remove")


@pytest.mark.anyio
async def test_a_change_goes_on_to_its_line_when_its_caller_leaves() -> None:
    written, go_on = threading.Event(), threading.Event()
    lines: list[str] = []

    def write() -> None:
        written.set()
        go_on.wait(WITHIN_S)

    async def change() -> None:
        await asyncio.to_thread(write)
        lines.append("line")

    request = asyncio.create_task(finished(change()))
    await asyncio.to_thread(written.wait, WITHIN_S)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert lines == []
    go_on.set()
    await asyncio.sleep(0)
    assert await asyncio.to_thread(eventually, lambda: lines == ["line"])
