"""Errors of people's first tasks say what to do instead."""

import graphistry
import pandas as pd
import pytest

from runtime.advice import advice_for
from runtime.mistakes import MISSING, NO_FILE, NO_NODES, NO_VARIABLES, READ_ONLY, TABLES, UNKNOWN_NAME
from runtime.source import load_task

EDGES = pd.DataFrame({"s": ["a", "b"], "d": ["b", "c"], "n": pd.array([1, None], dtype="Int64"), "w": [0.5, 1.5]})


def advice(body: str) -> str | None:
    """What is said beside the error of a task with this body."""
    graph = graphistry.bind().edges(EDGES, "s", "d")  # type: ignore[attr-defined]  # exported at run time only
    try:
        load_task(f"def task(g):\n    {body}").task(graph)
    except Exception as error:
        return advice_for(error)
    raise AssertionError("nothing was raised")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return g._nodes.head()", NO_NODES),
        ("nodes = g._nodes; return nodes['id']", NO_NODES),
        ("return len(g._nodes)", NO_NODES),
        ("return g['s']", TABLES),
        ("return len(g)", TABLES),
        ("return [row for row in g]", TABLES),
        ("return g.edges_df", TABLES),
        ("return g.nodes()", TABLES),
        ("return g.edges.head()", TABLES),
        ("return g.nodes['id']", TABLES),
        ("return len(g.edges)", TABLES),
        ("return [row for row in g.edges]", TABLES),
        ("return open('data.csv')", NO_FILE),
        ("import pandas; return pandas.read_parquet('/home/me/data.parquet')", NO_FILE),
        ("return pd.DataFrame()", UNKNOWN_NAME),
        ("return my_threshold", UNKNOWN_NAME),
        ("import os; return os.environ['TOKEN']", NO_VARIABLES),
        ("g._edges['w'].to_numpy()[0] = 1", READ_ONLY),
        ("return [n for n in g._edges['n'] if n > 0]", MISSING),
        ("return list(map(int, g._edges['n']))", MISSING),
        ("return g._edges['src']", "the columns of this table are 's', 'd', 'n', 'w'"),
        ("return g._edges[['s', 'dst']]", "the columns of this table are 's', 'd', 'n', 'w'"),
        ("return g._edges.weight", "the columns of this table are 's', 'd', 'n', 'w'"),
        ("return g._edges.groupby('src').size()", "the columns of this table are 's', 'd', 'n', 'w'"),
        ("return g._edges.append(g._edges)", "pandas has no append any more: use pd.concat([a, b])"),
        ("return g._edges['s'].iteritems()", "pandas has no iteritems any more: use .items()"),
    ],
)
def test_a_first_task_is_helped(body: str, said: str) -> None:
    assert advice(body) == said


@pytest.mark.parametrize(
    ("error", "library"),
    [
        (ValueError("No UMAP engine available: 'No module named 'cuml'' AND 'No module named 'umap''"), "umap-learn"),
        (ValueError('Engine expected to be "auto" with cuml/sklearn installed, "sklearn", or "cuml"'), "scikit-learn"),
        (ImportError("compute_networkx() requires the optional 'networkx' dependency; install it."), "networkx"),
        (ImportError("`Import tabulate` failed.  Use pip or conda to install the tabulate package."), "tabulate"),
        (ImportError("Missing optional dependency 'lxml'.  Use pip or conda to install lxml."), "lxml"),
        (ImportError('matplotlib is required for plotting when the default backend "matplotlib" is'), "matplotlib"),
    ],
    ids=lambda case: case if isinstance(case, str) else "",
)
def test_a_library_that_is_missing_is_named(error: Exception, library: str) -> None:
    assert advice_for(error) == f"this server has no library {library}; its operator can install it"


def test_a_wide_table_names_its_first_columns() -> None:
    said = advice("import pandas; return pandas.DataFrame([[0] * 50])['x' * 9000]")
    assert said is not None
    assert said.endswith("18, 19 and 30 more")


@pytest.mark.parametrize(
    "body",
    [
        "return {}['key']",
        "return g._edges.loc[99]",
        "x = None; return x.head()",
        "raise ValueError('mine')",
        "return g._edges['w'].nothing",
        "total = total + 1",
        "return int('x')",
    ],
)
def test_errors_that_say_enough_get_no_advice(body: str) -> None:
    assert advice(body) is None


def test_an_error_that_was_handled_before_counts_for_nothing() -> None:
    assert advice("import contextlib\n    try: open('data.csv')\n    except OSError: raise ValueError('mine')") is None
