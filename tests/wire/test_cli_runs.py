"""``runs`` and ``dataset share`` on the command line against the live server; Ctrl-C on ``run``."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.conftest import SMALL_EDGES, LiveServer, Person
from tests.terminal import Terminal
from tests.waiting import SLOW_S, WITHIN_S
from tests.wire.conftest import Command, variables_of

pytestmark = pytest.mark.e2e

SLEEPING = "def task(g):\n    import time\n    time.sleep(60)\n"
COUNT = "def task(g): return len(g._edges)"


@pytest.fixture
def label() -> str:
    """A label that no other run has."""
    return f"cli-{uuid4().hex}"


class TestReceipts:
    def test_a_run_that_went_well_can_be_looked_at(self, as_alice: Command, people: str, label: str) -> None:
        task = "def task(g):\n    print('one')\n    return len(g._edges)\n"
        assert as_alice("run", "-", "--dataset", people, "--label", label, typed=task).stdout == "3"
        (row,) = as_alice("runs", "list", "--label", label).stdout.splitlines()
        run_id, state, cause, dataset, shown_label, _, seconds = row.split("\t")
        assert (state, cause, dataset, shown_label) == ("ended", "ok", people, label)
        assert float(seconds) < SLOW_S

        shown = dict(line.split("\t") for line in as_alice("runs", "show", run_id).stdout.splitlines())
        wanted = {"run": run_id, "cause": "ok", "engine": "pandas", "output type": "json", "stdout": "one"}
        assert {**shown, **wanted} == shown
        assert "pandas 3" in shown["versions"]
        assert json.loads(as_alice("runs", "show", run_id, "--json").stdout)["stdout"] == "one\n"

    def test_a_failed_run_says_why(self, as_alice: Command, people: str, label: str) -> None:
        failed = as_alice("run", "-", "--dataset", people, "--label", label, typed="def task(g): return 1 / 0")
        run_id = failed.stderr.rpartition("(run ")[2].strip(")\n")
        shown = as_alice("runs", "show", run_id).stdout
        assert "cause\tTaskError\n" in shown
        assert "failure\tZeroDivisionError: division by zero\n" in shown

    def test_a_list_is_narrowed_and_counted(self, as_alice: Command, people: str, label: str) -> None:
        for _ in range(2):
            as_alice("run", "-", "--dataset", people, "--label", label, typed=COUNT)
        assert as_alice("runs", "list", "--label", label).stdout.count("\n") == 2
        assert as_alice("runs", "list", "--label", label, "--state", "running").stdout == ""
        assert as_alice("runs", "list", "--label", label, "--dataset", "0" * 32).stdout == ""
        first = as_alice("runs", "list", "--label", label, "--limit", "1")
        assert first.stdout.count("\n") == 1
        assert first.stderr == "graphside: 1 of 2 are shown; --limit 2 shows all\n"

    def test_a_run_of_somebody_else_is_not_found(
        self, as_alice: Command, as_bob: Command, people: str, label: str
    ) -> None:
        as_alice("run", "-", "--dataset", people, "--label", label, typed=COUNT)
        run_id = as_alice("runs", "list", "--label", label).stdout.partition("\t")[0]
        for command in ("show", "cancel"):
            assert as_bob("runs", command, run_id).stderr == f"graphside: run {run_id} not found\n"
        assert as_bob("runs", "list", "--label", label).stdout == ""


class TestCancelling:
    @pytest.fixture
    def running(
        self, server: LiveServer, alice: Person, people: str, label: str, tmp_path: Path, as_alice: Command
    ) -> Iterator[tuple[Terminal, str]]:
        """A run that sleeps, watched on a terminal, and its id."""
        task = tmp_path / "task.py"
        task.write_text(SLEEPING)
        command = ("run", str(task), "--dataset", people, "--label", label)
        with Terminal(*command, variables=variables_of(server, alice), columns=150) as terminal:
            deadline = time.monotonic() + WITHIN_S
            while not (rows := as_alice("runs", "list", "--label", label, "--state", "running").stdout):
                assert time.monotonic() < deadline, terminal.text
            yield terminal, rows.partition("\t")[0]

    def test_the_caller_sees_the_cancellation_and_a_second_one_changes_nothing(
        self, running: tuple[Terminal, str], as_alice: Command
    ) -> None:
        terminal, run_id = running
        assert as_alice("runs", "cancel", run_id).returncode == 0
        assert terminal.end() == 1
        assert f"(run {run_id})" in terminal.text
        assert "graphside: TaskCancelled: " in terminal.text
        assert as_alice("runs", "cancel", run_id).stdout == f"{run_id} is ended\n"
        assert "cause\tTaskCancelled\n" in as_alice("runs", "show", run_id).stdout

    def test_ctrl_c_ends_the_run_at_the_server(self, running: tuple[Terminal, str], as_alice: Command) -> None:
        terminal, run_id = running
        terminal.type("\x03")
        assert terminal.end() == 130
        assert terminal.text.endswith(f"graphside: run {run_id} is cancelled\n")
        shown = as_alice("runs", "show", run_id).stdout
        assert "state\tended\n" in shown
        assert "cause\tTaskCancelled\n" in shown


class TestSharing:
    @pytest.fixture
    def dataset(self, alice: Person) -> str:
        """A dataset of alice's that nobody else has."""
        return alice.upload(SMALL_EDGES)

    @pytest.fixture
    def guest(self, as_admin: Command, server: LiveServer) -> Iterator[Person]:
        """Somebody with an address who may run Python."""
        name = f"guest-{uuid4().hex[:8]}"
        added = as_admin("user", "add", name, "--email", f"{name}@example.org", "--python", "--generate-password")
        password = next(line[10:] for line in added.stdout.splitlines() if line.startswith("password: "))
        person = server.log_in(name, password)
        yield person
        person.http.close()

    def test_an_invited_user_may_run_until_the_invitation_is_taken_back(
        self, as_alice: Command, graphside: Command, server: LiveServer, guest: Person, dataset: str
    ) -> None:
        def try_it() -> int:
            return graphside("run", "-", "--dataset", dataset, typed=COUNT, **variables_of(server, guest)).returncode

        address = f"{guest.username}@example.org"
        assert try_it() == 1
        shared = as_alice("dataset", "share", dataset, "--mode", "private", "--invite", address)
        assert shared.stdout == f"its owner\teverything\n{address}\tview\n", shared.stderr
        assert as_alice("dataset", "share", dataset).stdout == shared.stdout
        assert try_it() == 0
        refused = graphside("dataset", "rm", "--yes", dataset, **variables_of(server, guest))
        assert refused.returncode == 1
        assert as_alice("dataset", "share", dataset, "--mode", "private").stdout == "its owner\teverything\n"
        assert try_it() == 1

    def test_members_may_use_a_dataset_shared_with_their_organization(
        self, as_admin: Command, as_alice: Command, as_bob: Command, alice: Person, bob: Person, tmp_path: Path
    ) -> None:
        slug = f"cli-{uuid4().hex[:8]}"
        as_admin("org", "add", slug)
        for person in (alice, bob):
            assert as_admin("org", "add-member", slug, person.username).returncode == 0
        (tmp_path / "edges.csv").write_text("s,d\na,b\n")
        bound = ("--source", "s", "--destination", "d", "--org", slug)
        dataset = as_alice("dataset", "put", str(tmp_path / "edges.csv"), *bound).stdout.strip()
        assert as_bob("run", "-", "--dataset", dataset, typed=COUNT).returncode == 1
        shared = as_alice("dataset", "share", dataset, "--mode", "organization", "--members-may", "edit")
        assert shared.stdout == f"its owner\teverything\norganization {slug}\tedit\n", shared.stderr
        assert as_bob("run", "-", "--dataset", dataset, typed=COUNT).stdout == "1"

    def test_everybody_who_has_the_id_may_use_a_public_dataset(
        self, as_alice: Command, as_bob: Command, dataset: str
    ) -> None:
        shared = as_alice("dataset", "share", dataset, "--mode", "public")
        assert shared.stdout == "its owner\teverything\neverybody who has the id\tview\n", shared.stderr
        assert as_bob("run", "-", "--dataset", dataset, typed=COUNT).stdout == "3"
        assert dataset not in as_bob("dataset", "list").stdout
