"""``python -m bench.peers.apps.spark_client PORT``: calls are ``mapInPandas`` over a cached table of one partition."""

import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
from pyspark.sql import SparkSession

from bench.peers.apps.driver import Caller, main
from bench.peers.apps.task import EDGES_FILE, graph, run_to_json

VIEW = "global_temp.edges"


def session() -> Any:
    return SparkSession.builder.remote(f"sc://127.0.0.1:{sys.argv[1]}").create()


def prepare() -> None:
    """One partition, so that a task sees all edges at once; in Spark's memory, for all sessions."""
    spark = session()
    table = pd.read_feather(os.environ[EDGES_FILE])
    spark.createDataFrame(table).coalesce(1).createOrReplaceGlobalTempView("edges")
    spark.sql(f"CACHE TABLE {VIEW}")
    spark.table(VIEW).count()


def task_over(text: str) -> Callable[[Iterator[pd.DataFrame]], Iterator[pd.DataFrame]]:
    def over(frames: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        edges = pd.concat(frames, ignore_index=True)
        yield pd.DataFrame({"answer": [run_to_json(text, graph(edges))]})

    return over


def connect(_: int) -> Caller:
    table = session().table(VIEW)

    def call(text: str) -> str:
        answer: str = table.mapInPandas(task_over(text), "answer string").collect()[0][0]
        return answer

    return call


if __name__ == "__main__":
    main(connect, prepare)
