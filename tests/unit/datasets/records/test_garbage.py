"""When a stored table becomes garbage."""

import uuid

import pytest

from runtime.datasets.records import Datasets, Files
from tests.unit.datasets.records.conftest import a_table, an_uploaded_file


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

    def test_an_unreferenced_table_is_forgotten_once(self, files: Files, datasets: Datasets, ann: int) -> None:
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
