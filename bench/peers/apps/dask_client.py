"""``python -m bench.peers.apps.dask_client PORT``: calls are ``submit(run, text, edges).result()``."""

import functools
import sys

from distributed import Client

from bench.peers.apps.driver import Caller, main
from bench.peers.apps.task import graph, load, run_to_json

NAME = "edges"


def run(text: str, edges: object) -> str:
    """Run the text on a worker, which has the frame in memory."""
    return run_to_json(text, graph(edges))


@functools.cache
def client() -> Client:
    """Return one client for all threads, because it may be shared."""
    return Client(f"tcp://127.0.0.1:{sys.argv[1]}")


def prepare() -> None:
    """Give each worker the frame, which it keeps under a name."""
    client().publish_dataset(client().scatter(load()._edges, broadcast=True), name=NAME)


def connect(_: int) -> Caller:
    edges = client().get_dataset(NAME)

    def call(text: str) -> str:
        answer: str = client().submit(run, text, edges, pure=False).result()
        return answer

    return call


if __name__ == "__main__":
    main(connect, prepare)
