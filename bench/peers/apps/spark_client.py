"""``python -m bench.peers.apps.spark_client PORT``: calls are ``mapInPandas`` over a cached table of one partition."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from pyspark.sql import SparkSession

from bench.peers.apps.driver import Caller, main
from bench.peers.apps.task import EDGES_FILE, graph, run_to_json

VIEW = "global_temp.edges"


def session() -> Any:
    return SparkSession.builder.remote(
        f"sc://localhost:{sys.argv[1]}"
    ).create()  # by that name it sends its token unencrypted


def prepare() -> None:
    """Cache the edges in Spark's memory for all sessions, as one partition, so that a task sees all edges at once."""
    spark = session()
    parquet = Path.home() / "edges.parquet"
    pd.read_feather(os.environ[EDGES_FILE]).to_parquet(parquet, index=False)
    spark.read.parquet(str(parquet)).coalesce(1).createOrReplaceGlobalTempView("edges")
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
