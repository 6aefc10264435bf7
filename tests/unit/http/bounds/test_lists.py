"""Lists leave out what is long, and pages are bounded in bytes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deployments.ingress import paging, snapshot
from deployments.ingress.fields import OPTIONS_BYTES
from runtime.datasets.records import LISTED_BYTES
from runtime.receipts import NewRun, RunEnd
from tests.unit.http.test_files import Desk

LONG_OPTIONS = {"dtype": {f"column{number}": "str" for number in range(400)}}
LONG_METADATA = {"agent": "x", "notes": "n" * 50_000}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    made = Desk(tmp_path_factory.mktemp("lists") / "data")
    yield made
    made.site.close()


def listed(desk: Desk, path: str, **query: Any) -> dict[str, Any]:
    answer = desk.ann.get(path, params=query)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def test_a_list_of_datasets_leaves_long_descriptions_out(desk: Desk) -> None:
    short = desk.create(metadata={"agent": "x"}, description="d" * 1000).json()["data"]["dataset_id"]
    long = desk.create(metadata=LONG_METADATA, description="d" * 10_000).json()["data"]["dataset_id"]
    items = {item["dataset_id"]: item for item in listed(desk, "/api/v2/datasets/")["results"]}
    assert (items[short]["metadata"], items[short]["agent_name"]) == ({"agent": "x"}, "x")
    assert (items[long]["metadata"], items[long]["edge_encodings"], items[long]["agent_name"]) == (None, None, None)
    assert {len(item["description"]) for item in (items[short], items[long])} == {1000}
    whole = desk.ann.get(f"/api/v2/datasets/{long}").json()
    assert (whole["metadata"], len(whole["description"])) == (LONG_METADATA, 10_000)
    assert desk.ann.get(f"/api/v2/upload/datasets/{long}").json()["data"]["metadata"] == LONG_METADATA


def test_a_list_of_files_leaves_long_options_dtypes_and_errors_out(desk: Desk) -> None:
    desk.runners.columns = tuple(f"column{number}{'x' * 100}" for number in range(100))
    short, long = desk.file(parser_options={"sep": ";"}), desk.file(parser_options=LONG_OPTIONS)
    desk.upload(long)
    desk.runners.columns = ("a",)
    desk.upload(short)
    failed = desk.file()
    desk.site.services.files.failed(failed, ["e" * 5000] * 50)
    items = {item["file_id"]: item for item in listed(desk, "/api/v2/files/")["results"]}
    assert (items[short]["parser_options"], items[short]["tables_schemas"][0]["dtypes"]) == (
        {"sep": ";"},
        {"a": "int64"},
    )
    assert (items[long]["parser_options"], items[long]["tables_schemas"][0]["dtypes"]) == (None, None)
    assert items[failed]["errors"] is None
    whole = desk.ann.get(f"/api/v2/files/{long}").json()
    assert (whole["parser_options"], len(whole["tables_schemas"][0]["dtypes"])) == (LONG_OPTIONS, 100)
    assert [len(error) for error in desk.ann.get(f"/api/v2/files/{failed}").json()["errors"]] == [1000] * 10


def test_a_page_ends_where_it_would_be_too_long_and_the_next_one_goes_on(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert paging.PAGE_BYTES <= 4 * 1024 * 1024
    monkeypatch.setattr(paging, "PAGE_BYTES", 50_000)
    services, owner = desk.site.services, desk.site.services.users.get("bob").user_id
    text = "😀" * 1000
    for number in range(12):
        services.datasets.create(owner, f"{number:02}{text}"[:1000], text, {}, {})
    names: list[str] = []
    path, pages = "/api/v2/datasets/?limit=1000", 0
    while path:
        answer = desk.bob.get(path)
        assert len(answer.content) < 51_000
        names += [item["name"][:2] for item in answer.json()["results"]]
        assert answer.json()["count"] == 12
        path, pages = answer.json()["next"], pages + 1
    assert pages == 3
    assert names == [f"{number:02}" for number in reversed(range(12))]


def test_a_list_of_runs_shows_the_beginning_of_a_message_and_a_receipt_keeps_no_more_than_it_may(desk: Desk) -> None:
    receipts, owner = desk.site.services.receipts, desk.site.services.users.get("ann").user_id
    failure = {
        "type": "TaskError",
        "message": "m" * 1_000_000,
        "fields": {
            "traceback": "t" * 1_000_000,
            "frames": [{"line": 1, "function": "f" * 10_000, "source": "s" * 10_000}] * 1000,
            "k" * 1000: {"a": [["deep" * 1000] * 1000] * 1000},
        },
    }
    run = NewRun("1" * 32, owner, "0" * 32, "pandas", "json", "json")
    receipts.begin(run)
    receipts.end(run, RunEnd("TaskError", failure=failure, versions={"v" * 1000: "1" * 1000}))
    item = listed(desk, "/api/v2/runs/")["results"][0]
    assert (item["failure"]["type"], len(item["failure"]["message"])) == ("TaskError", 1000)
    told = desk.ann.get(f"/api/v2/runs/{'1' * 32}")
    assert len(told.content) < 70_000
    assert "traceback" in told.json()["failure"]["fields"]
    assert told.json()["failure"]["message"].startswith("mmm")


def test_an_ingress_remembers_few_long_descriptions(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A description is read once for each version of the catalog; without a bound, many would fill the memory."""
    monkeypatch.setattr(snapshot, "MOST_BYTES", 200_000)
    made = [desk.create(metadata=LONG_METADATA).json()["data"]["dataset_id"] for _ in range(10)]
    for dataset_id in made:
        assert desk.ann.get(f"/api/v2/datasets/{dataset_id}").status_code == 200
    held = [key for key in desk.site.services.snapshot._answers if isinstance(key, tuple) and key[0] == "dataset"]
    assert 1 <= len(held) <= 4


def test_long_descriptions_and_options_count_as_stored_bytes(tmp_path: Path) -> None:
    desk = Desk(tmp_path, user_stored_bytes=150_000)
    try:
        assert desk.create(metadata={"a": "x"}).status_code == 201
        assert desk.stored()["used"] == 0
        assert desk.create(metadata=LONG_METADATA).status_code == 201
        assert 50_000 < desk.stored()["used"] < 51_000
        options = {"names": ["x" * 60_000]}
        assert desk.ann.post("/api/v2/files/", json={"file_type": "csv", "parser_options": options}).status_code == 201
        refused = desk.ann.post("/api/v2/files/", json={"file_type": "csv", "parser_options": options})
        assert (refused.status_code, refused.json()["limit_name"]) == (507, "stored_bytes")
        file_id = desk.file()
        assert desk.ann.patch(f"/api/v2/files/{file_id}", json={"parser_options": options}).status_code == 507
        assert desk.create(metadata=LONG_METADATA).status_code == 507
    finally:
        desk.site.close()


@pytest.mark.parametrize("excess", [0, 1])
def test_what_lists_and_parsers_load_is_small_at_entry(desk: Desk, excess: int) -> None:
    assert LISTED_BYTES < OPTIONS_BYTES
    value = {"k": "v" * (OPTIONS_BYTES - len('{"k":""}') + excess)}
    file = desk.ann.post("/api/v2/files/", json={"file_type": "csv", "parser_options": value})
    dataset = desk.create(metadata=value)
    assert [file.status_code, dataset.status_code] == ([400, 400] if excess else [201, 201])


def test_a_number_that_is_too_large_is_called_too_large(desk: Desk) -> None:
    for name in ("limit", "offset"):
        assert "must be at most" in desk.ann.get(f"/api/v2/files/?{name}=100000000000").json()["error"]
        assert "must be a whole number" in desk.ann.get(f"/api/v2/files/?{name}=-1").json()["error"]
        assert desk.ann.get(f"/api/v2/files/?{name}=99999999999").status_code == 200
