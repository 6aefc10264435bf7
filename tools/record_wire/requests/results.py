"""What runs return: every output type in every format, and every kind of value."""

from typing import Any, Final

from tools.record_wire.cast import NOWHERE, Cast
from tools.record_wire.wire import Wire

RUN: Final = "/api/v2/datasets/{dataset_id}/python"
_ETL: Final = "/api/v2/etl/datasets/{dataset_id}/python"
_TYPES: Final = ("json", "all", "nodes", "edges", "table", "shape")
_FORMATS: Final = ("json", "csv", "parquet")
_RETURNED: Final = {
    "a graph": "g",
    "a frame": "g._edges",
    "a dict": "{'nodes': g._nodes, 'edges': g._edges.to_dict(orient='records')}",
    "nothing": "None",
    "no rows": "g.edges(g._edges[:0]).nodes(g._nodes[:0])",
    "no columns": "pd.DataFrame()",
}
_VALUES: Final = {
    "a number": "3",
    "a float": "2.5",
    "a flag": "True",
    "nothing": "None",
    "a list": "[1, 'x', None, (1, 2)]",
    "an object": "{'a': {'b': []}, 'error': 'mine'}",
    "no numbers": "[float('nan'), np.float32('inf'), pd.NaT, pd.NA, np.datetime64('NaT'), decimal.Decimal('NaN')]",
    "large integers": "[2**53 + 1, 2**64, -(2**80)]",
    "numpy": "[np.int8(1), np.bool_(True), np.str_('x'), np.float32(0.1), np.array([[1, 2], [3, 4]]), np.array(1.5)]",
    "masked": "np.ma.masked_array([1, 2], mask=[False, True])",
    "structured": "np.array([(1, 2.5)], dtype=[('a', 'i4'), ('b', 'f8')])",
    "times": "[dt.date(2024, 5, 1), dt.time(1, 2, 3), pd.Timestamp('2024-05-01', tz='Asia/Kolkata')]",
    "fractions of a second": "[np.datetime64(1, 'us'), np.datetime64(1, 'ns'), dt.datetime(2024, 5, 1, 12)]",
    "durations": "[dt.timedelta(days=1, seconds=90), dt.timedelta(seconds=-0.5)]",
    "periods": "[pd.Period('2024-05', freq='M'), pd.Interval(0, 1)]",
    "decimals": "[decimal.Decimal('1.10')]",
    "bytes": "[b'\\xff\\x00', bytearray(b'x'), memoryview(b'y')]",
    "identifiers": "[uuid.UUID(int=1), pathlib.PurePosixPath('a/b'), enum.Enum('Colour', {'RED': 'red'}).RED]",
    "collections": "[collections.Counter('aab'), {3, 1, 2}, range(2), {'a': 1}.items()]",
    "mappings": "[collections.ChainMap({'a': 1}), collections.OrderedDict(b=1), collections.defaultdict(int, c=2)]",
    "dataclass": "dataclasses.make_dataclass('Point', ['x', '_y'])(1, 2)",
    "series": "[pd.Series([1, None], dtype='Int64'), pd.Series(['b', None], dtype='category')]",
    "frames": "{'top': pd.DataFrame({'a': [1, 2]}, index=[7, 8]), 'graph': g}",
    "surrogates": "['\\ud83d\\ude00', 'a\\udc80']",
    "keys": "{7: 0, 2.5: 0, None: 0, True: 0, dt.date(2024, 5, 1): 0}",
    "arrow": "pa.table({'x': [1, 2]})",
    "levels": "pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([('a', 'b'), ('a', 'c')]))",
}
_REFUSED: Final = {
    "complex numbers": ("[1j]", "json", "json"),
    "iterators": ("map(str, [1])", "json", "json"),
    "functions": ("{'f': len}", "json", "json"),
    "objects": ("{'a': object()}", "json", "json"),
    "keys": ("{(1, 2): 3}", "json", "json"),
    "keys that collide": ("{1: 0, '1': 0}", "json", "json"),
    "depth": ("functools.reduce(lambda inner, _: [inner], range(255), [])", "json", "json"),
    "itself": ("(lambda box: box.append(box) or box)([])", "json", "json"),
    "digits": ("10**4300", "json", "json"),
    "no table": ("None", "table", "json"),
    "a graph as a table": ("g", "table", "parquet"),
    "other keys": ("{'a': 1}", "all", "json"),
    "a number as a graph": ("7", "all", "parquet"),
    "a text as nodes": ("'text'", "nodes", "csv"),
    "a series as a table": ("g._edges['w']", "table", "parquet"),
    "columns of one name": ("g._edges.set_axis(['a', 'a', 'b', 'c'], axis=1)", "table", "parquet"),
    "mixed column": ("g._edges.assign(o=[1, 'x', object()])", "table", "parquet"),
}
_IMPORTS: Final = (
    "import collections, dataclasses, datetime as dt, decimal, enum, functools, pathlib, uuid\n"
    "import numpy as np\nimport pandas as pd\nimport pyarrow as pa\n"
)
_CELLS: Final = (
    "pd.DataFrame({'t': pd.to_datetime(['2024-05-01 12:00', None]), 'z': pd.to_datetime(['2024-05-01', '2024-05-02'],"
    " utc=True), 'b': [b'\\xff', None], 'l': [[1, 2], [3]], 'd': pd.to_timedelta([1, 2], unit='D'), 'f': [1.0,"
    " float('inf')], 'q': ['a,\"b\"', 'line\\nend'], 'c': pd.Categorical(['x', 'y']),"
    " 'i': pd.array([1, None], 'Int64')})"
)
_ACCEPTS: Final = (
    "*/*",
    "text/plain",
    "text/html, */*;q=0.8",
    "application/json",
    "application/json, text/plain;q=0.5",
)


def ask(wire: Wire, cast: Cast) -> None:
    """On ``people`` and ``lone``."""
    wire.section = "results"
    people, lone = {"dataset_id": cast.people}, {"dataset_id": cast.lone}
    for output_type in _TYPES:
        for form in _FORMATS:
            for name, returned in _RETURNED.items():
                told = f"{name} as {output_type}, {form}"
                _run(wire, cast, told, returned, people, output_type=output_type, format=form)
            told = f"a graph without nodes as {output_type}, {form}"
            _run(wire, cast, told, "g", lone, output_type=output_type, format=form)
    for form in _FORMATS:
        _run(wire, cast, f"all kinds of cells as {form}", _CELLS, people, output_type="table", format=form)
    for name, returned in _VALUES.items():
        _run(wire, cast, f"value: {name}", returned, people)
    for name, (returned, output_type, form) in _REFUSED.items():
        _run(wire, cast, f"refused: {name}", returned, people, output_type=output_type, format=form)
    _texts(wire, cast)
    wire.ask("etl path", "POST", _ETL, cast.ann, {"execute": "def task(g): return 1"}, at=people)
    wire.ask("etl path/", "POST", f"{_ETL}/", cast.ann, {"execute": "def task(g): return 1"}, at=people)
    for name, source in (
        ("raises", "def task(g): return 1 / 0"),
        ("does not compile", "def task(g"),
        ("is nothing", None),
    ):
        wire.ask(f"etl path, {name}", "POST", _ETL, cast.ann, {"execute": source}, at=people)
    wire.ask(
        "etl path, unknown dataset",
        "POST",
        _ETL,
        cast.ann,
        {"execute": "def task(g): return 1"},
        at={"dataset_id": NOWHERE},
    )
    wire.ask("path/", "POST", f"{RUN}/", cast.ann, {"execute": "def task(g): return 1"}, at=people)
    _run(wire, cast, "many megabytes", "'abcdefgh' * (5 * 2**18)", people)
    _run(wire, cast, "many rows", "pd.DataFrame({'x': range(50000)})", people, output_type="table", format="csv")


def _run(wire: Wire, cast: Cast, name: str, returned: str, at: dict[str, str], **fields: str) -> None:
    body: dict[str, Any] = {"execute": f"{_IMPORTS}def task(g): return {returned}", **fields}
    wire.ask(name, "POST", RUN, cast.ann, body, at=at)


def _texts(wire: Wire, cast: Cast) -> None:
    """A text is sent as such to those who read text."""
    at = {"dataset_id": cast.people}
    for engine in (None, "pandas"):
        body = {"execute": "def task(g): return 'héllo \"you\"'", **({} if engine is None else {"engine": engine})}
        for accept in _ACCEPTS:
            told = f"text for {accept}, engine {engine or 'not named'}"
            wire.ask(told, "POST", RUN, cast.ann, body, at=at, headers={"Accept": accept})
