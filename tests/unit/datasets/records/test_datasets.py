"""The catalog's records of datasets."""

import json

import pytest
import sqlalchemy as sa

from catalog.engine import Catalog
from catalog.tables import datasets as table
from runtime.datasets.records import Access, Datasets, Files, Reader, RecordGone
from tests.unit.datasets.records.conftest import BAD_IDS, a_table, an_uploaded_file


class TestDatasets:
    def test_a_dataset_keeps_the_fields_that_it_was_created_with(
        self, files: Files, datasets: Datasets, ann: int
    ) -> None:
        record, edges = an_uploaded_file(files, ann)
        text = '{"node_encodings": {"bindings": {}}, "edge_files": ["x"], "a": {"z": 1, "y": [null, 1.5]}}'
        made = datasets.create(ann, "n", "d", json.loads(text), {"edges": edges.id})
        assert (made.owner_id, made.name, made.description) == (ann, "n", "d")
        assert json.dumps(made.payload) == text
        assert made.tables == {"edges": edges}
        assert datasets.get(made.id) == made
        assert made.id != record.id

    def test_a_dataset_can_bring_tables_of_its_own(self, datasets: Datasets, ann: int) -> None:
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

    def test_nothing_long_is_kept_of_a_deleted_dataset(self, datasets: Datasets, catalog: Catalog, ann: int) -> None:
        made = datasets.create(ann, "name", "x" * 10_000, {"metadata": "x" * 10_000}, {"edges": a_table()})
        datasets.delete(made.id)
        with catalog.read() as connection:
            row = connection.execute(sa.select(table).where(table.c.id == made.id)).one()
        assert (row.name, row.description, row.payload, row.payload_bytes) == ("", "", {}, 0)
        assert (row.owner_id, row.deleted_at is None) == (ann, False)

    @pytest.mark.parametrize("dataset_id", BAD_IDS)
    def test_invalid_ids_are_not_found(self, datasets: Datasets, ann: int, dataset_id: str) -> None:
        assert datasets.get(dataset_id) is None
        assert not datasets.delete(dataset_id)
        with pytest.raises(RecordGone):
            datasets.create(ann, "", "", {}, {"edges": dataset_id})
        with pytest.raises(RecordGone):
            datasets.attach(dataset_id, "edges", a_table())

    def test_pages_hold_the_owners_own_newest_first_with_their_tables(
        self, datasets: Datasets, ann: int, bob: int
    ) -> None:
        made = [datasets.create(ann, str(number), "", {}, {"edges": a_table(dtypes={})}) for number in range(5)]
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
