"""Frames in a task behave as ordinary pandas frames do, written to or not; the next run finds them untouched."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

if TYPE_CHECKING:
    from tests.conftest import Person

pytestmark = pytest.mark.e2e


def ordinary() -> pd.DataFrame:
    """The uploaded table as a frame that anybody might make at home."""
    return pd.DataFrame(
        {
            "s": ["a", "b", "c", "d"],
            "d": ["b", "c", "d", "a"],
            "w": [1.5, np.nan, 3.5, 4.5],
            "n": [10, 20, 30, 40],
            "f": [True, False, True, False],
            "t": pd.DatetimeIndex(["2024-01-01", "2024-01-02", None, "2024-01-04"]).as_unit("us"),
            "c": pd.Series(["x", "y", "x", None], dtype="category"),
        }
    )


# Each changes df in place, or tries to. What pandas refuses or ignores (copy-on-write), it refuses or ignores here too.
IDIOMS: dict[str, str] = {
    "loc": "df.loc[df['w'] > 2, 'w'] = 0",
    "loc rows": "df.loc[[0, 2]] = df.loc[[2, 0]].to_numpy()",
    "loc new row": "df.loc[4] = ['e', 'a', 5.5, 50, True, pd.Timestamp('2024-01-05'), 'y']",
    "loc new column": "df.loc[:, 'extra'] = 7",
    "loc wider dtype": "df.loc[0, 'w'] = 'text'",
    "iloc": "df.iloc[1:, 3] = -1",
    "iloc text": "df.iloc[0:2, 0] = 'z'",
    "at": "df.at[0, 'w'] = 9.5",
    "iat": "df.iat[0, 3] = 99",
    "iat text": "df.iat[0, 0] = 'a much longer text than before'",
    "column": "df['w'] = df['w'] * 2",
    "column in place": "df['n'] += 5",
    "column of bools": "df['f'] = ~df['f']",
    "new column": "df['total'] = df['n'] + df['w'].fillna(0)",
    "attribute": "df.n = df.n * 2",
    "chained": "df['n'][0] = -5",
    "chained mask": "df[df['n'] > 15]['w'] = 0",
    "chained inplace": "df['w'].fillna(0, inplace=True)",
    "fillna": "df.fillna({'w': 0.0}, inplace=True)",
    "replace": "df.replace({'n': {10: 11}}, inplace=True)",
    "where": "df['w'] = df['w'].where(df['f'], -1)",
    "mask inplace": "df[['n']].mask(df['f'], 0, inplace=True)",
    "clip inplace": "df[['n', 'w']].clip(upper=3, inplace=True)",
    "update": "df.update(pd.DataFrame({'n': [1, 2]}))",
    "drop column": "df.drop(columns='w', inplace=True)",
    "drop rows": "df.drop(index=[0, 1], inplace=True)",
    "dropna": "df.dropna(inplace=True)",
    "drop_duplicates": "df.drop_duplicates('f', inplace=True)",
    "del": "del df['w']",
    "pop": "df.pop('n')",
    "insert": "df.insert(0, 'first', range(4))",
    "rename": "df.rename(columns={'w': 'weight'}, inplace=True)",
    "sort": "df.sort_values('w', ascending=False, inplace=True)",
    "sort and number": "df.sort_values('n', ascending=False, inplace=True, ignore_index=True)",
    "set_index": "df.set_index('s', inplace=True)",
    "reset_index": "df.reset_index(inplace=True)",
    "eval": "df.eval('double = n * 2', inplace=True)",
    "query": "df.query('n > 15', inplace=True)",
    "new names": "df.columns = list('ABCDEFG')",
    "new labels": "df.index = [3, 2, 1, 0]",
    "category": "df['c'] = df['c'].cat.rename_categories(['p', 'q'])",
    "new category": "df.loc[0, 'c'] = 'not a category'",
    "time": "df.loc[0, 't'] = pd.Timestamp('2030-01-01')",
    "time shift": "df['t'] += pd.Timedelta(1, 'D')",
    "text": "df['s'] = df['s'].str.upper()",
    "to_numpy": "df['n'].to_numpy()[0] = 77",
    "values": "df['w'].values[0] = 77",
    "values of a block": "df[['n']].values[0, 0] = 77",
    "values sorted": "df['n'].values.sort()",
    "numpy out": "np.add(df['n'].values, 1, out=df['n'].values)",
    "array": "df['n'].array[0] = 77",
    "made writable": "v = df['n'].values; v.setflags(write=True); v[:] = 7",
    "view": "v = df[:]; v.loc[0, 'n'] = 77",
    "shallow copy": "v = df.copy(deep=False); v.loc[0, 'n'] = 77",
    "iterated": "for _, row in df.iterrows(): row['n'] = 0",
    "squeezed": "df.loc[0]['n'] = 77",
    "apply": "df.apply(lambda row: row.update({'n': 0}), axis=1)",
    "transposed": "df.T.loc['n', 0] = 77",
    "wrong column": "df.loc[0, 'w'] = df.missing",
    "wrong length": "df['w'] = [1, 2]",
}

TASK = """
import numpy as np, pandas as pd, warnings

def task(g):
    df = g._edges
    outcome = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            exec(IDIOM, {"df": df, "np": np, "pd": pd})
        except Exception as error:
            outcome = type(error).__name__
    return {"raised": outcome, "after": REPORT(df)}
"""

# The same lines describe a frame here and there.
REPORT_SOURCE = """
def REPORT(df):
    return {
        "columns": [str(name) for name in df.columns],
        "dtypes": [str(dtype) for dtype in df.dtypes],
        "index": [str(label) for label in df.index],
        "values": [[repr(value) for value in df.iloc[:, i].tolist()] for i in range(df.shape[1])],
    }
"""


def at_home(idiom: str) -> dict[str, Any]:
    """What the idiom does to an ordinary frame in this process."""
    namespace: dict[str, Any] = {"IDIOM": idiom}
    exec(REPORT_SOURCE + TASK, namespace)

    class Graph:
        _edges = ordinary()

    outcome: dict[str, Any] = namespace["task"](Graph)
    return outcome


@pytest.fixture(scope="module")
def frames(alice: Person) -> str:
    """Id of a dataset whose edges are ``ordinary()``."""
    return alice.upload(pa.Table.from_pandas(ordinary(), preserve_index=False))


@pytest.mark.parametrize("idiom", IDIOMS.values(), ids=IDIOMS)
def test_writing_to_a_frame_has_the_same_effect_as_locally(alice: Person, frames: str, idiom: str) -> None:
    answer = alice.run(frames, f"IDIOM = {idiom!r}\n{REPORT_SOURCE}{TASK}")
    assert answer.status_code == 200, answer.text
    assert answer.json() == at_home(idiom)
    # The next run finds what was uploaded.
    assert alice.run(frames, f"{REPORT_SOURCE}def task(g): return REPORT(g._edges)").json() == at_home("pass")["after"]


READS: dict[str, str] = {
    "flags": "(df['n'].to_numpy().flags.writeable, df['n'].values.flags.writeable)",
    "index": "[type(df.index).__name__, len(df.index)]",
    "memory": "int(df.memory_usage().sum()) > 0",
    "copy": "df.copy().equals(df)",
    "pickle": "len(__import__('pickle').loads(__import__('pickle').dumps(df)))",
    "attrs": "df.attrs",
    "dtypes": "[str(t) for t in df.dtypes]",
    "numpy": "float(np.nansum(df[['w', 'n']].to_numpy()))",
    "groups": "df.groupby('c', observed=True)['n'].sum().to_dict()",
    "merge": "len(df.merge(df, left_on='d', right_on='s'))",
    "pivot": "df.pivot_table(index='s', columns='f', values='n', aggfunc='sum').fillna(0).to_numpy().tolist()",
    "rolling": "df['n'].rolling(2).sum().fillna(0).tolist()",
    "sample": "len(df.sample(2))",
    "nlargest": "df.nlargest(2, 'w')['s'].tolist()",
    "contains": "df['s'].isin(['a', 'c']).tolist()",
    "string": "df['s'].str.cat(df['d'], sep='-').tolist()",
}


@pytest.mark.parametrize("expression", READS.values(), ids=READS)
def test_reading_a_frame_gives_the_same_values_as_locally(alice: Person, frames: str, expression: str) -> None:
    answer = alice.run(frames, f"import numpy as np\ndef task(g):\n    df = g._edges\n    return {expression}")
    assert answer.status_code == 200, answer.text
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = eval(expression, {"df": ordinary(), "np": np})
    assert answer.json() == (list(expected) if isinstance(expected, tuple) else expected)


@pytest.mark.claim(15)
def test_a_run_may_change_bindings_and_modules_without_the_next_one_seeing_it(alice: Person, frames: str) -> None:
    spoil = """
import builtins, pandas, sys, graphistry
def task(g):
    g._edges = None
    g._source = "nothing"
    builtins.sorted = None
    pandas.read_csv = None
    sys.modules["json"] = None
    type(g).materialize_nodes = None
    return "spoilt"
"""
    assert alice.run(frames, spoil).text == "spoilt"
    look = """
import json, pandas
def task(g):
    return [len(g._edges), g._source, len(g.materialize_nodes()._nodes), sorted("ba"), callable(pandas.read_csv)]
"""
    assert alice.run(frames, look).json() == [4, "s", 4, ["a", "b"], True]
