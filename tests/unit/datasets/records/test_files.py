"""The catalog's records of files."""

import uuid
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from runtime.datasets.records import Datasets, Files, RecordGone
from tests.unit.datasets.records.conftest import BAD_IDS, a_table, an_uploaded_file


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

    def test_fields_that_were_not_given_are_empty(self, files: Files, ann: int) -> None:
        made = files.create(ann, file_type="arrow")
        assert (made.file_compression, made.parser_options) == ("", {})
        assert (made.name, made.description, made.sql_transforms, made.org_name) == (None, None, None, None)

    def test_an_upload_makes_a_file_valid(self, files: Files, ann: int) -> None:
        record, stored = an_uploaded_file(files, ann)
        assert (record.is_valid, record.is_uploaded, record.bytes_count) == (True, True, 9)
        assert record.object == stored
        assert record.object is not None
        assert list(record.object.dtypes) == ["src", "dst", "a\0b"]
        assert record.updated_at > record.created_at
        assert files.get(record.id, ann) == record

    def test_a_file_whose_bytes_were_bad_accepts_better_bytes(self, files: Files, ann: int) -> None:
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
    def test_invalid_ids_are_not_found(self, files: Files, ann: int, file_id: str) -> None:
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
