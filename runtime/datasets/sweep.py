"""What a crash may leave in the store: bytes whose row was never written, rows that nothing names."""

import logging

from runtime.datasets.records import Datasets
from runtime.datasets.store import LocalStore

log = logging.getLogger("graphside.store")


def sweep(store: LocalStore, datasets: Datasets) -> int:
    """Delete both; how many stored tables went. Only while nobody uploads: a table is stored before its row is."""
    datasets.forget_objects(datasets.unreferenced_objects())
    stored = store.object_ids()
    leftovers = set(stored) - datasets.known_objects(stored)
    for object_id in leftovers:
        store.delete(object_id)
    if leftovers:
        log.info("store.swept tables=%d", len(leftovers))
    return len(leftovers)
