# mypy: disable-error-code="no-untyped-def, no-untyped-call"
# The functions below travel as source text, where an annotation would need its import.
"""PyGraphistry's demo notebook for remote Python, a test a cell (protocol 10.1).

If a cell names no engine, the client picks the engine of its frames: pandas.
"""

from __future__ import annotations

import shutil
from typing import Any

import pandas as pd
import pytest
from graphistry.compute.exceptions import GFQLRemoteError

pytestmark = pytest.mark.e2e

PANDAS_TYPES = {"edges": "<class 'pandas.DataFrame'>", "nodes": "<class 'pandas.DataFrame'>"}
NODES = pd.DataFrame({"id": ["a", "b", "c", "d"]})


@pytest.fixture(scope="module")
def edges() -> pd.DataFrame:
    return pd.DataFrame({"s": ["a", "b", "c"], "d": ["b", "c", "d"], "v": ["x", "y", "z"], "u": [2, 4, 6]})


@pytest.fixture(scope="module")
def uploaded(client: Any, edges: pd.DataFrame) -> Any:
    return client.edges(edges, "s", "d").upload()


def fill_in_nodes(g):
    return g.materialize_nodes()


def node_table(g):
    return g.materialize_nodes()._nodes


def counts(g):
    """Numbers of edges and of nodes."""
    return {"num_edges": len(g._edges), "num_nodes": len(g.materialize_nodes()._nodes)}


def report_types(g):
    return {"edges": str(type(g._edges)), "nodes": str(type(g.materialize_nodes()._nodes))}


def test_upload_gives_a_dataset_id_and_the_id_of_the_edges_file(uploaded: Any) -> None:
    assert len(uploaded._dataset_id) == len(uploaded._edges_file_id) == 32
    assert uploaded._nodes_file_id is None


@pytest.mark.protocol("4.6")
def test_source_text_returns_a_graph(uploaded: Any, edges: pd.DataFrame) -> None:
    graph = uploaded.python_remote_g("""

from graphistry import Plottable

def task(g: Plottable) -> Plottable:
  '''
  The graph, with a node table made of its edges
  '''

  return g.materialize_nodes()

""")
    pd.testing.assert_frame_equal(graph._edges, edges)
    pd.testing.assert_frame_equal(graph._nodes, NODES)


def test_a_function_of_another_name_returns_a_graph(uploaded: Any) -> None:
    pd.testing.assert_frame_equal(uploaded.python_remote_g(fill_in_nodes)._nodes, NODES)


def test_source_text_returns_a_table(uploaded: Any) -> None:
    table = uploaded.python_remote_table("""

import shutil

import pandas as pd
from graphistry import Plottable

def task(g: Plottable) -> pd.DataFrame:
  '''
  The node table, made of the edges
  '''

  return g.materialize_nodes()._nodes

""")
    pd.testing.assert_frame_equal(table, NODES)


def test_a_function_returns_a_table(uploaded: Any) -> None:
    pd.testing.assert_frame_equal(uploaded.python_remote_table(node_table), NODES)


def test_source_text_returns_json(uploaded: Any) -> None:
    shape = uploaded.python_remote_json("""

from typing import Dict
from graphistry import Plottable

def task(g: Plottable) -> Dict[str, int]:
  '''
  Numbers of edges and of nodes
  '''

  return {'num_edges': len(g._edges), 'num_nodes': len(g.materialize_nodes()._nodes)}
""")
    assert (shape["num_nodes"], shape["num_edges"]) == (4, 3)


def test_a_function_with_a_docstring_returns_json(uploaded: Any) -> None:
    assert uploaded.python_remote_json(counts) == {"num_edges": 3, "num_nodes": 4}


@pytest.mark.parametrize("engine", ["auto", "pandas"])
def test_the_frames_of_a_pandas_client_are_those_of_pandas(uploaded: Any, engine: str) -> None:
    # pandas 3 shortened the name that the notebook shows (pandas.core.frame.DataFrame).
    assert uploaded.python_remote_json(report_types, engine=engine) == PANDAS_TYPES


@pytest.mark.skipif(shutil.which("nvidia-smi") is not None, reason="there is a GPU here")
def test_cudf_without_a_gpu_is_refused_with_advice(uploaded: Any) -> None:
    with pytest.raises(GFQLRemoteError, match=r"422\): engine 'cudf' is not available.*engine=\"pandas\""):
        uploaded.python_remote_json(report_types, engine="cudf")
