"""What the catalog keeps of files and datasets, and when stored tables become garbage."""

import json
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from catalog.engine import Catalog
from catalog.tables import users
from runtime.datasets.records import Access, Datasets, FileRecord, Files, ObjectRecord, Reader, RecordGone

BAD_IDS = [
    "",
    "x",
    "0" * 31,
    "0" * 33,
    "G" * 32,
    "0" * 31 + "\0",
    "A" * 32,
    str(uuid.UUID(int=1)),
    "\ud800" * 32,
    "0" * 32,
]


@pytest.fixture
def files(catalog: Catalog) -> Files:
    return Files(catalog)


@pytest.fixture
def datasets(catalog: Catalog) -> Datasets:
    return Datasets(catalog)


@pytest.fixture
def ann(catalog: Catalog) -> int:
    return add_user(catalog, "ann")


@pytest.fixture
def bob(catalog: Catalog) -> int:
    return add_user(catalog, "bob")


def add_user(catalog: Catalog, username: str) -> int:
    now = datetime.now(UTC)
    row = {
        "username": username,
        "email": "",
        "name": "",
        "password_hash": "-",
        "is_admin": False,
        "is_active": True,
    }
    with catalog.write() as connection:
        result = connection.execute(sa.insert(users).values(**row, created_at=now, tokens_valid_from=now))
        return int(result.inserted_primary_key[0])  # type: ignore[index]


def a_table(**changes: Any) -> ObjectRecord:
    fields: dict[str, Any] = {
        "id": uuid.uuid4().hex,
        "byte_count": 2**40,
        "row_count": 2**35,
        "column_count": 3,
        "dtypes": {"src": "int64", "dst": "int64", "a\0b": "object"},
    }
    return ObjectRecord(**(fields | changes))


def an_uploaded_file(files: Files, owner_id: int) -> tuple[FileRecord, ObjectRecord]:
    stored = a_table()
    return files.uploaded(files.create(owner_id, file_type="arrow").id, stored, 9), stored


class TestFiles:
    def test_a_new_file_has_what_it_was_given_and_no_bytes(self, files: Files, ann: int) -> None:
        given: dict[str, Any] = {
            "file_type": "csv",
            "file_compression": "gzip",
            "name": "my edges",
            "description": "",
            "parser_options": {"sep": "|", "names": ["b", "a"]},
            "sql_transforms": ["SELECT 1"],
            "agent_name": "pygraphistry",
            "agent_version": "0.61.2",
            "org_name": "ann",
        }
        made = files.create(ann, **given)
        assert {name: getattr(made, name) for name in given} == given
        assert (made.owner_id, made.object, made.bytes_count) == (ann, None, None)
        assert (made.is_valid, made.is_uploaded, made.errors) == (None, False, None)
        assert made.created_at == made.updated_at
        assert made.created_at.tzinfo is not None
        assert files.get(made.id, ann) == made
        assert uuid.UUID(hex=made.id).version == 4

    def test_what_was_not_given_is_empty(self, files: Files, ann: int) -> None:
        made = files.create(ann, file_type="arrow")
        assert (made.file_compression, made.parser_options) == ("", {})
        assert (made.name, made.description, made.sql_transforms, made.org_name) == (None, None, None, None)

    def test_bytes_make_it_valid(self, files: Files, ann: int) -> None:
        record, stored = an_uploaded_file(files, ann)
        assert (record.is_valid, record.is_uploaded, record.bytes_count) == (True, True, 9)
        assert record.object == stored
        assert record.object is not None
        assert list(record.object.dtypes) == ["src", "dst", "a\0b"]
        assert record.updated_at > record.created_at
        assert files.get(record.id, ann) == record

    def test_bad_bytes_leave_it_waiting_for_better_ones(self, files: Files, ann: int) -> None:
        record, _ = an_uploaded_file(files, ann)
        failed = files.failed(record.id, ["line 3 has 2 fields"])
        assert (failed.is_valid, failed.is_uploaded, failed.object) == (False, False, None)
        assert (failed.errors, failed.bytes_count) == (["line 3 has 2 fields"], None)
        again = files.uploaded(record.id, a_table(), 5)
        assert (again.is_valid, again.errors, again.bytes_count) == (True, None, 5)

    def test_others_files_do_not_exist(self, files: Files, ann: int, bob: int) -> None:
        record, _ = an_uploaded_file(files, ann)
        assert files.get(record.id, bob) is None
        assert files.page(bob, 10, 0) == (0, [])
        assert not files.delete(record.id, bob)
        assert files.get(record.id, ann) == record

    def test_a_deleted_file_is_gone(self, files: Files, ann: int) -> None:
        record, _ = an_uploaded_file(files, ann)
        assert files.delete(record.id, ann)
        assert not files.delete(record.id, ann)
        assert files.get(record.id, ann) is None

    def test_bytes_that_come_for_a_deleted_file_are_not_kept(self, files: Files, datasets: Datasets, ann: int) -> None:
        record = files.create(ann, file_type="arrow")
        files.delete(record.id, ann)
        stored = a_table()
        with pytest.raises(RecordGone) as raised:
            files.uploaded(record.id, stored, 1)
        assert (raised.value.kind, raised.value.record_id) == ("file", record.id)
        with pytest.raises(RecordGone):
            files.failed(record.id, ["x"])
        assert datasets.known_objects([stored.id]) == set()

    @pytest.mark.parametrize("file_id", BAD_IDS)
    def test_ids_that_are_none_are_not_found(self, files: Files, ann: int, file_id: str) -> None:
        assert files.get(file_id, ann) is None
        assert not files.delete(file_id, ann)
        with pytest.raises(RecordGone):
            files.uploaded(file_id, a_table(), 1)
        with pytest.raises(RecordGone):
            files.failed(file_id, [])

    def test_pages_run_from_the_newest_to_the_oldest(self, files: Files, ann: int, bob: int) -> None:
        made = [files.create(ann, file_type="csv", name=str(number)).id for number in range(5)]
        files.create(bob, file_type="csv")
        count, first = files.page(ann, limit=2, offset=0)
        _, rest = files.page(ann, limit=10, offset=2)
        assert count == 5
        assert [record.id for record in first + rest] == made[::-1]

    @pytest.mark.parametrize(
        ("limit", "offset", "length"), [(0, 0, 0), (-1, 0, 0), (10, -5, 1), (10, 10**30, 0), (10**30, 0, 1)]
    )
    def test_odd_windows_are_no_error(self, files: Files, ann: int, limit: int, offset: int, length: int) -> None:
        files.create(ann, file_type="csv")
        count, page = files.page(ann, limit, offset)
        assert (count, len(page)) == (1, length)

    def test_a_file_needs_an_owner(self, files: Files) -> None:
        with pytest.raises(IntegrityError):
            files.create(99, file_type="csv")


class TestDatasets:
    def test_a_dataset_is_what_it_was_given(self, files: Files, datasets: Datasets, ann: int) -> None:
        record, edges = an_uploaded_file(files, ann)
        text = '{"node_encodings": {"bindings": {}}, "edge_files": ["x"], "a": {"z": 1, "y": [null, 1.5]}}'
        made = datasets.create(ann, "n", "d", json.loads(text), {"edges": edges.id})
        assert (made.owner_id, made.name, made.description) == (ann, "n", "d")
        assert json.dumps(made.payload) == text
        assert made.tables == {"edges": edges}
        assert datasets.get(made.id) == made
        assert made.id != record.id

    def test_it_can_bring_a_table_of_its_own(self, datasets: Datasets, ann: int) -> None:
        edges, nodes = a_table(), a_table(dtypes={}, row_count=0)
        made = datasets.create(ann, "", "", {}, {"nodes": nodes, "edges": edges})
        assert made.tables == {"edges": edges, "nodes": nodes}

    def test_a_table_that_is_gone_makes_no_dataset(self, datasets: Datasets, ann: int) -> None:
        with pytest.raises(RecordGone) as raised:
            datasets.create(ann, "", "", {}, {"edges": a_table(), "nodes": "0" * 32})
        assert (raised.value.kind, raised.value.record_id) == ("object", "0" * 32)
        assert datasets.page(Reader(ann), 10, 0) == (0, [])

    def test_inline_tables_are_attached_and_replaced(self, datasets: Datasets, ann: int) -> None:
        made = datasets.create(ann, "", "", {}, {})
        assert made.tables == {}
        first, second, nodes = a_table(), a_table(), a_table()
        datasets.attach(made.id, "edges", first)
        datasets.attach(made.id, "nodes", nodes)
        replaced = datasets.attach(made.id, "edges", second)
        assert replaced.tables == {"edges": second, "nodes": nodes}
        assert replaced.updated_at > made.updated_at
        assert datasets.get(made.id) == replaced
        assert datasets.unreferenced_objects() == [first.id]

    def test_a_deleted_dataset_is_gone(self, datasets: Datasets, ann: int) -> None:
        made = datasets.create(ann, "", "", {}, {"edges": a_table()})
        assert datasets.delete(made.id)
        assert not datasets.delete(made.id)
        assert datasets.get(made.id) is None
        assert datasets.page(Reader(ann), 10, 0) == (0, [])
        late = a_table()
        with pytest.raises(RecordGone) as raised:
            datasets.attach(made.id, "edges", late)
        assert (raised.value.kind, raised.value.record_id) == ("dataset", made.id)
        assert datasets.known_objects([late.id]) == set()

    @pytest.mark.parametrize("dataset_id", BAD_IDS)
    def test_ids_that_are_none_are_not_found(self, datasets: Datasets, ann: int, dataset_id: str) -> None:
        assert datasets.get(dataset_id) is None
        assert not datasets.delete(dataset_id)
        with pytest.raises(RecordGone):
            datasets.create(ann, "", "", {}, {"edges": dataset_id})
        with pytest.raises(RecordGone):
            datasets.attach(dataset_id, "edges", a_table())

    def test_pages_hold_the_owners_own_newest_first_with_their_tables(
        self, datasets: Datasets, ann: int, bob: int
    ) -> None:
        made = [datasets.create(ann, str(number), "", {}, {"edges": a_table()}) for number in range(5)]
        datasets.create(bob, "", "", {}, {})
        count, first = datasets.page(Reader(ann), limit=2, offset=0)
        _, rest = datasets.page(Reader(ann), limit=10, offset=2)
        assert count == 5
        assert first + rest == [(record, Access.OWNER) for record in made[::-1]]

    @pytest.mark.parametrize(
        ("search", "names"),
        [
            (None, {"Fraud Ring", "50%", "plain"}),
            ("", {"Fraud Ring", "50%", "plain"}),
            ("fraud", {"Fraud Ring"}),
            ("RING", {"Fraud Ring"}),
            ("%", {"50%"}),
            ("_", set()),
            ("in a cellar", {"plain"}),
            ("'; DROP TABLE", set()),
            ("\0", set()),
            ("x" * 100_000, set()),
        ],
    )
    def test_search_looks_for_plain_text(
        self, datasets: Datasets, ann: int, search: str | None, names: set[str]
    ) -> None:
        for name, description in (("Fraud Ring", ""), ("50%", ""), ("plain", "found in a cellar")):
            datasets.create(ann, name, description, {}, {})
        count, page = datasets.page(Reader(ann), 10, 0, search)
        assert {record.name for record, _ in page} == names
        assert count == len(names)

    def test_search_finds_an_id(self, datasets: Datasets, ann: int) -> None:
        made = datasets.create(ann, "", "", {}, {})
        assert datasets.page(Reader(ann), 10, 0, made.id) == (1, [(made, Access.OWNER)])


class TestGarbage:
    def test_a_dataset_outlives_its_files(self, files: Files, datasets: Datasets, ann: int) -> None:
        record, edges = an_uploaded_file(files, ann)
        made = datasets.create(ann, "", "", {}, {"edges": edges.id})
        files.delete(record.id, ann)
        assert datasets.unreferenced_objects() == []
        assert datasets.forget_objects([edges.id]) == []
        assert datasets.get(made.id) == made

    def test_a_file_outlives_its_datasets(self, files: Files, datasets: Datasets, ann: int) -> None:
        record, edges = an_uploaded_file(files, ann)
        made = datasets.create(ann, "", "", {}, {"edges": edges.id})
        datasets.delete(made.id)
        assert datasets.unreferenced_objects() == []
        assert files.get(record.id, ann) == record

    def test_what_nobody_names_is_forgotten_once(self, files: Files, datasets: Datasets, ann: int) -> None:
        record, shared = an_uploaded_file(files, ann)
        doomed = [datasets.create(ann, "", "", {}, {"edges": shared.id, "nodes": a_table()}) for _ in range(2)]
        files.delete(record.id, ann)
        for dataset in doomed:
            datasets.delete(dataset.id)
        garbage = {shared.id} | {dataset.tables["nodes"].id for dataset in doomed}
        assert set(datasets.unreferenced_objects()) == garbage
        assert set(datasets.forget_objects([*garbage, "0" * 32])) == garbage
        assert datasets.forget_objects(garbage) == []
        assert datasets.unreferenced_objects() == []

    @pytest.mark.parametrize("change", ["failed", "uploaded"])
    def test_a_replaced_table_is_garbage(self, files: Files, datasets: Datasets, ann: int, change: str) -> None:
        record, first = an_uploaded_file(files, ann)
        if change == "failed":
            files.failed(record.id, ["bad"])
        else:
            files.uploaded(record.id, a_table(), 1)
        assert datasets.unreferenced_objects() == [first.id]

    def test_an_object_named_again_in_time_is_kept(self, files: Files, datasets: Datasets, ann: int) -> None:
        record, edges = an_uploaded_file(files, ann)
        files.delete(record.id, ann)
        garbage = datasets.unreferenced_objects()
        made = datasets.create(ann, "", "", {}, {"edges": edges.id})
        assert datasets.forget_objects(garbage) == []
        assert datasets.get(made.id) == made

    def test_many_objects_are_known_and_forgotten(self, datasets: Datasets, ann: int) -> None:
        made = datasets.create(ann, "", "", {}, {})
        ids = {datasets.attach(made.id, "edges", a_table()).tables["edges"].id for _ in range(20)}
        strangers = {uuid.uuid4().hex for _ in range(2000)}
        assert datasets.known_objects(ids | strangers) == ids
        assert len(datasets.forget_objects(ids | strangers)) == 19
