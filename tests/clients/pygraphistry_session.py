# mypy: disable-error-code="no-untyped-def, no-untyped-call, attr-defined, var-annotated"
"""What one person does with some release of PyGraphistry in an afternoon; told on standard input, reported as JSON.

It runs under another interpreter, with that release and libraries of its day, and shares no code with the tests.
"""

import json
import sys
import traceback

import graphistry
import pandas as pd

EDGES = pd.DataFrame({"src": ["a", "b", "c"], "dst": ["b", "c", "d"], "kind": ["x", "y", None], "w": [1, 2, 3]})
NODES = pd.DataFrame({"name": ["a", "b", "c", "d"], "size": [1.5, 2.5, None, 4.5]})
TIMES = pd.to_datetime(["2024-01-01T00:00", "2024-06-01T12:00", "NaT"])
HEAVY = "def task(g): return g._edges[g._edges['w'] > 1]"
WHOLE = "def task(g): return g"
COUNTS = "def task(g): return {'edges': len(g._edges), 'nodes': len(g._nodes), 'total': int(g._edges['w'].sum())}"


def table(frame):
    """A frame as JSON can hold it."""
    return {"records": json.loads(frame.to_json(orient="records")), "dtypes": frame.dtypes.astype(str).to_dict()}


def failure(call, *args, **kwargs):
    """What a call that must fail says."""
    try:
        call(*args, **kwargs)
    except Exception as error:
        return {"type": type(error).__name__, "text": str(error), "traceback": traceback.format_exc()[-2000:]}
    return None


class Afternoon:
    """The steps, each a method whose name is the key of its report."""

    def __init__(self, told):
        self.told = told
        self.address = {"api": 3, "protocol": "http", "server": told["server"]}
        self.password = {"username": told["username"], "password": told["password"]}

    def graph(self, **columns):
        return graphistry.edges(EDGES.assign(**columns), "src", "dst").nodes(NODES, "name").bind(edge_title="kind")

    def wrong_password(self):
        return failure(graphistry.register, **self.address, **{**self.password, "password": "wrong"})

    def foreign_organization(self):
        return failure(graphistry.register, **self.address, **self.password, org_name="others")

    def signed_in_with_password(self):
        graphistry.register(**self.address, **self.password)
        graphistry.refresh()
        return graphistry.api_token()

    def uploaded(self):
        self.dataset = self.graph(at=TIMES).name("afternoon").upload()
        return {"dataset": self.dataset._dataset_id, "edges": self.dataset._edges_file_id}

    def plotted_as_files(self):
        return self.graph(w=[4, 5, 6]).plot(render=False, as_files=True)

    def plotted_inline(self):
        return self.graph(w=[7, 8, 9]).plot(render=False, as_files=False)

    def graphs(self):
        found = {}
        for form in ("json", "csv", "parquet"):
            graph = self.dataset.python_remote_g(WHOLE, engine="pandas", format=form)
            found[form] = {"edges": table(graph._edges), "nodes": table(graph._nodes)}
        return found

    def tables(self):
        run = self.dataset.python_remote_table
        return {form: table(run(HEAVY, engine="pandas", format=form)) for form in ("json", "csv", "parquet")}

    def document(self):
        return self.dataset.python_remote_json(COUNTS, engine="pandas", run_label="afternoon")

    def failed_task(self):
        return failure(self.dataset.python_remote_json, "def task(g): return 1 / 0", engine="pandas")

    def missing_dataset(self):
        return failure(graphistry.bind(dataset_id="0" * 32).python_remote_json, COUNTS, engine="pandas")

    def heavy_at_home(self):
        names = {}
        exec(HEAVY, names)
        return table(names["task"](self.graph(at=TIMES)).reset_index(drop=True))  # no index travels

    def kept_private(self):
        graphistry.privacy(mode="private", notify=False)
        return self.graph(w=[10, 11, 12]).plot(render=False, as_files=True)

    def made_public(self):
        graphistry.privacy(mode="public", notify=False)
        return self.graph(w=[13, 14, 15]).plot(render=False, as_files=False)

    def signed_in_with_key(self):
        graphistry.register(
            **self.address, personal_key_id=self.told["key_id"], personal_key_secret=self.told["key_secret"]
        )
        return graphistry.bind(dataset_id=self.dataset._dataset_id).python_remote_json(COUNTS, engine="pandas")

    def signed_in_with_token(self):
        token = graphistry.api_token()
        graphistry.register(**self.address, token=token)
        return graphistry.bind(dataset_id=self.dataset._dataset_id).python_remote_json(COUNTS, engine="pandas")

    def switched(self):
        graphistry.register(**self.address, **self.password)
        before = graphistry.org_name()
        graphistry.org_name(self.told["organization"])
        return [before, failure(graphistry.org_name, "nowhere")]

    def signed_in_to_organization(self):
        graphistry.register(**self.address, **self.password, org_name=self.told["organization"])
        return graphistry.org_name()


STEPS = [name for name in vars(Afternoon) if not name.startswith("_") and name != "graph"]


def main():
    afternoon = Afternoon(json.load(sys.stdin))
    whole = {"edges": table(EDGES.assign(at=TIMES)), "nodes": table(NODES)}
    report = {"version": graphistry.__version__, "whole": whole}
    for name in STEPS:
        try:
            report[name] = getattr(afternoon, name)()
        except Exception:
            report[name] = {"broken": traceback.format_exc()}
    print()
    print(json.dumps(report))


if __name__ == "__main__":
    main()
