"""What a task may return (protocol 4.5), and what has no form and is refused by name."""

import orjson
import pandas as pd
import pytest
from graphistry import bind as plottable  # type: ignore[attr-defined]  # exported at run time only

from runtime.errors import ResultNotSerializable
from runtime.results.kinds import Format, OutputType
from tests.unit.results.conftest import encoded

EDGES = pd.DataFrame({"s": ["a", "b", "c"], "d": ["b", "c", "d"], "w": [1.5, 2.5, float("nan")]})
NODES = pd.DataFrame({"id": ["a", "b", "c", "d"], "age": [30, 41, 52, 63]})
GRAPH = plottable().edges(EDGES, "s", "d").nodes(NODES, "id")

RECORDS = [{"s": "a", "d": "b", "w": 1.5}, {"s": "b", "d": "c", "w": 2.5}, {"s": "c", "d": "d", "w": None}]
NODE_RECORDS = [{"id": "a", "age": 30}, {"id": "b", "age": 41}, {"id": "c", "age": 52}, {"id": "d", "age": 63}]
RETURNS: list[tuple[str, OutputType, object]] = [
    ("{'a': 1}", "json", {"a": 1}),
    ("[1, 'x', None]", "json", [1, "x", None]),
    ("3", "json", 3),
    ("2.5", "json", 2.5),
    ("True", "json", True),
    ("None", "json", None),
    ("(1, 2)", "json", [1, 2]),
    ("{'nan': float('nan'), 'inf': [float('inf'), -float('inf')]}", "json", {"nan": None, "inf": [None, None]}),
    ("g._edges['w'].sum()", "json", 4.0),
    ("len(g._nodes)", "json", 4),
    ("g._edges", "json", RECORDS),
    ("g", "json", {"nodes": NODE_RECORDS, "edges": RECORDS}),
    ("g", "all", {"nodes": NODE_RECORDS, "edges": RECORDS}),
    ("g", "nodes", NODE_RECORDS),
    ("g", "edges", RECORDS),
    ("g._edges", "edges", RECORDS),
    ("g._edges", "table", RECORDS),
    ("g._edges.to_dict(orient='records')", "table", RECORDS),
    ("{'nodes': None, 'edges': g._edges}", "all", {"nodes": [], "edges": RECORDS}),
    ("{'nodes': [], 'edges': []}", "all", {"nodes": [], "edges": []}),
    ("g", "shape", [{"kind": "nodes", "rows": 4, "cols": 2}, {"kind": "edges", "rows": 3, "cols": 3}]),
]


@pytest.mark.protocol("4.5")
@pytest.mark.parametrize(("returned", "output_type", "expected"), RETURNS)
def test_every_kind_of_return_has_its_json(returned: str, output_type: OutputType, expected: object) -> None:
    kind, data = encoded(eval(returned, {"g": GRAPH}), output_type, "json")
    assert (kind, orjson.loads(data)) == ("json", expected)


REFUSED: list[tuple[str, OutputType, Format, str]] = [
    ("object()", "json", "json", "type object"),
    ("lambda: 1", "json", "json", "type function"),
    ("{(1, 2): 3}", "json", "json", "a key of type tuple"),
    ("{1, 2} | {object()}", "json", "json", "type object"),
    ("None", "table", "json", "nothing (None)"),
    ("g", "table", "parquet", "return one of the graph's tables"),
    ("{'a': 1}", "all", "json", "other keys"),
    ("7", "all", "parquet", "type int"),
    ("'text'", "nodes", "csv", "type str"),
    ("g._edges['w']", "table", "parquet", ".to_frame()"),
    ("g._edges.set_axis(['a', 'a', 'b'], axis=1)", "table", "parquet", "several columns are named 'a'"),
    ("g._edges.assign(o=[1, 'x', object()])", "table", "parquet", "column 'o'"),
]


@pytest.mark.protocol("4.5")
@pytest.mark.parametrize(("returned", "output_type", "file_format", "said"), REFUSED)
def test_a_value_without_a_form_is_refused_by_name(
    returned: str, output_type: OutputType, file_format: Format, said: str
) -> None:
    with pytest.raises(ResultNotSerializable) as caught:
        encoded(eval(returned, {"g": GRAPH}), output_type, file_format)
    assert said in caught.value.message
