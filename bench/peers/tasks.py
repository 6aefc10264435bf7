"""The texts that every peer is sent."""

COUNT = "def task(g): return {'edges': len(g._edges), 'columns': list(g._edges.columns)}"
"""A trivial task that looks at the data."""

GROUP = """\
def task(g):
    heaviest = g._edges.groupby("s")["w"].sum().nlargest(3)
    return {"s": heaviest.index.tolist(), "w": heaviest.round(6).tolist()}
"""
"""A task that reads all of two columns."""

RUNAWAY = """\
def task(g):
    while True:
        pass
"""
