"""``python -m bench.peers.apps.dask_cluster PORT WORKERS``: run a scheduler and its workers until a signal comes."""

import sys

from distributed import LocalCluster

from bench.peers.apps.signals import wait_for_end

if __name__ == "__main__":
    cluster = LocalCluster(
        n_workers=int(sys.argv[2]), threads_per_worker=1, host="127.0.0.1", scheduler_port=int(sys.argv[1]),
        dashboard_address=None, memory_limit=0,
    )  # fmt: skip
    wait_for_end()
    cluster.close(timeout=3)
