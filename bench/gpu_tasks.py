"""Tasks that run on frames of either engine, and their data."""

from typing import Final

import numpy as np
import pyarrow as pa

TRIVIAL: Final = "def task(g):\n    return 1\n"

TASKS: Final = {
    "group-by": """
def task(g):
    sums = g._edges.groupby('s')['w'].sum()
    return [len(sums), round(float(sums.sum()), 3)]
""",
    "join": """
def task(g):
    edges = g._edges[['s', 'd']]
    sums = g._edges.groupby('s')['w'].sum().reset_index().rename(columns={'s': 'd'})
    return round(float(edges.merge(sums, on='d')['w'].sum()), 3)
""",
    "hop": """
def task(g):
    edges = g._edges[['s', 'd']]
    reached = edges['s'].head(1000).drop_duplicates()
    for _ in range(2):
        reached = edges[edges['s'].isin(reached)]['d'].drop_duplicates()
    return len(reached)
""",
    "pagerank-like": """
def task(g):
    edges = g._edges[['s', 'd']]
    out = edges.groupby('s')['d'].count().reset_index().rename(columns={'d': 'n'})
    rank = out[['s']].assign(r=1.0)
    for _ in range(5):
        share = rank.merge(out, on='s')
        share['x'] = share['r'] / share['n']
        moved = edges.merge(share[['s', 'x']], on='s').groupby('d')['x'].sum().reset_index()
        rank = moved.rename(columns={'d': 's', 'x': 'r'})
        rank['r'] = 0.15 + 0.85 * rank['r']
    return round(float(rank['r'].sum()), 3)
""",
}
"""Tasks by name. Their results are small, so that their work is timed."""

ENDLESS: Final = {
    "computing": """
def task(g):
    while True:
        g._edges.groupby('s')['w'].sum()
""",
    "spinning": """
def task(g):
    import cupy
    kernel = cupy.RawKernel('extern "C" __global__ void k(volatile int* p) { while (*p == 0); }', 'k')
    kernel((1,), (1,), (cupy.zeros(1, 'i4'),))
    cupy.cuda.runtime.deviceSynchronize()
""",
}
"""Runs that only their deadline ends."""


def edges(rows: int) -> pa.Table:
    """Return five columns: both ends (ten edges for each id), a weight, one of 100,000 short texts, and a kind."""
    random = np.random.default_rng(7)
    most = max(10, rows // 10)
    words = pa.array([f"t{number:07d}" for number in range(100_000)], pa.large_string())
    texts = pa.DictionaryArray.from_arrays(pa.array(random.integers(0, len(words), rows, "int32")), words)
    return pa.table(
        {
            "s": pa.array(random.integers(0, most, rows)),
            "d": pa.array(random.integers(0, most, rows)),
            "w": pa.array(random.random(rows)),
            "t": texts.cast(pa.large_string()),
            "k": pa.array(random.integers(0, 7, rows, "int32")),
        }
    )
