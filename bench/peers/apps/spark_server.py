"""``python -m bench.peers.apps.spark_server PORT CORES``: run a Spark Connect server until a signal comes."""

import sys

from pyspark.sql import SparkSession

from bench.peers.apps.signals import wait_for_end
from bench.peers.apps.task import limit_s

if __name__ == "__main__":
    session = (
        SparkSession.builder.remote(f"local[{sys.argv[2]}]")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.connect.grpc.binding.address", "127.0.0.1")
        .config("spark.connect.grpc.binding.port", sys.argv[1])
        .config("spark.ui.enabled", "false")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", "0")
        .config("spark.sql.execution.pyspark.udf.idleTimeoutSeconds", str(int(limit_s())))
        .config("spark.sql.execution.pyspark.udf.killOnIdleTimeout", "true")
        .getOrCreate()
    )
    wait_for_end()
    session.stop()
