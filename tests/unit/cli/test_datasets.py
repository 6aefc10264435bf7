"""``dataset list``, ``dataset show``, ``dataset rm``."""

import json

import pytest

from tests.terminal import Terminal
from tests.unit.cli.conftest import Cli, SmallServer, complaint, query

DATASETS = "/api/v2/datasets/"
ONE = {
    "dataset_id": "0123",
    "name": "friends\x1b[2J",
    "description": "who knows whom",
    "node_count": 4,
    "edge_count": 3,
    "edge_encodings": {"bindings": {"source": "s", "destination": "d"}},
    "node_encodings": {"bindings": {"node": "id"}},
    "created_at": "2026-01-02T03:04:05+00:00",
    "updated_at": "2026-01-02T03:04:06+00:00",
}


def test_list_shows_ids_names_and_counts(cli: Cli, signed_in: SmallServer) -> None:
    signed_in.on("GET", DATASETS, body={"count": 1, "results": [ONE]})
    assert cli("dataset", "list").stdout == "0123\tfriends [2J\t4\t3\t2026-01-02T03:04:05Z\n"
    assert json.loads(cli("dataset", "list", "--json").stdout) == [ONE]


def test_list_searches_at_the_server(cli: Cli, signed_in: SmallServer) -> None:
    signed_in.on("GET", DATASETS, body={"count": 0, "results": []})
    result = cli("dataset", "list", "--search", "a&b", "--limit", "7")
    assert (result.exit_code, result.stdout) == (0, "")
    assert query(signed_in.calls[0].path) == {"search": ["a&b"], "limit": ["7"], "offset": ["0"]}


def test_a_list_longer_than_a_page_is_fetched_page_by_page(cli: Cli, signed_in: SmallServer) -> None:
    pages = {0: 1000, 1000: 1000, 2000: 500}
    for offset, count in pages.items():
        rows = [{**ONE, "dataset_id": str(offset + index)} for index in range(count)]
        path = f"{DATASETS}?limit={min(1000, 2500 - offset)}&offset={offset}"
        signed_in.on("GET", path, body={"count": 3000, "results": rows})
    result = cli("dataset", "list", "--limit", "2500")
    ids = [line.split("\t")[0] for line in result.stdout.splitlines()]
    assert ids == [str(number) for number in range(2500)]
    assert result.stderr == "graphside: 2500 of 3000 are shown; --limit 3000 shows all\n"


def test_a_list_that_shrinks_meanwhile_ends(cli: Cli, signed_in: SmallServer) -> None:
    signed_in.on("GET", f"{DATASETS}?limit=100&offset=0", body={"count": 9, "results": [ONE]})
    signed_in.on("GET", f"{DATASETS}?limit=99&offset=1", body={"count": 1, "results": []})
    assert cli("dataset", "list").stdout.count("\n") == 1


def test_show_names_what_is_bound(cli: Cli, signed_in: SmallServer) -> None:
    signed_in.on("GET", f"{DATASETS}0123/", body=ONE)
    lines = dict(line.split("\t") for line in cli("dataset", "show", "0123").stdout.splitlines())
    assert lines == {
        "id": "0123",
        "name": "friends [2J",
        "description": "who knows whom",
        "nodes": "4",
        "edges": "3",
        "source": "s",
        "destination": "d",
        "node": "id",
        "created": "2026-01-02T03:04:05Z",
        "updated": "2026-01-02T03:04:06Z",
    }
    assert json.loads(cli("dataset", "show", "0123", "--json").stdout) == ONE


class TestRm:
    def test_with_yes_it_deletes_all_that_were_named(self, cli: Cli, signed_in: SmallServer) -> None:
        for name in ("a", "b"):
            signed_in.on("DELETE", f"{DATASETS}{name}/", 204)
        assert cli("dataset", "rm", "--yes", "a", "b").stdout == "deleted a\ndeleted b\n"

    def test_what_was_deleted_is_told_before_what_was_not(self, cli: Cli, signed_in: SmallServer) -> None:
        signed_in.on("DELETE", f"{DATASETS}a/", 204)
        signed_in.on("DELETE", f"{DATASETS}b/", 404, {"error": "dataset b not found"})
        result = cli("dataset", "rm", "--yes", "a", "b")
        assert result.stdout == "deleted a\n"
        assert complaint(result) == "dataset b not found"

    def test_without_a_terminal_it_deletes_nothing_unasked(self, cli: Cli, signed_in: SmallServer) -> None:
        assert complaint(cli("dataset", "rm", "a", typed="y\n")).endswith("use --yes")
        assert signed_in.calls == []

    def test_an_id_that_cannot_be_one_stops_it_before_the_first(self, cli: Cli, signed_in: SmallServer) -> None:
        assert complaint(cli("dataset", "rm", "--yes", "a", "..")) == "'..' cannot be part of a URL"
        assert signed_in.calls == []

    @pytest.mark.parametrize(
        ("typed", "deleted", "status"), [("y\n", 1, 0), ("yes\n", 1, 0), ("\n", 0, 1), ("no\n", 0, 1), ("\x04", 0, 1)]
    )
    def test_on_a_terminal_it_asks(self, signed_in: SmallServer, typed: str, deleted: int, status: int) -> None:
        signed_in.on("DELETE", f"{DATASETS}a/", 204)
        with Terminal("dataset", "rm", "a") as terminal:
            terminal.until("delete a for good? [y/N] ")
            terminal.type(typed)
            assert terminal.end() == status
        assert len(signed_in.calls) == deleted
        assert ("nothing was changed" in terminal.text) is (status == 1)
