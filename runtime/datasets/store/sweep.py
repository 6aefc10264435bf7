"""Garbage in the store: bytes whose row was never written, rows that nothing names, files of dead uploads.

The order is always the same: the row goes first, then the bytes, so that nothing can come to name bytes that are gone.
"""

import logging
from datetime import datetime
from itertools import islice
from typing import Final

from runtime.datasets.records import Datasets
from runtime.datasets.store.base import Store

log = logging.getLogger("graphside.store")

_BATCH: Final = 500


class StoreTaken(Exception):
    """The store's tables belong to another catalog."""


def claim(store: Store, datasets: Datasets, catalog_id: str) -> None:
    """Makes the store this catalog's.

    Raises ``StoreTaken`` where it is another's, or has tables of which this catalog knows none: here they would all be
    garbage.
    """
    owner = store.owner()
    if owner is None:
        some = [found.id for found in islice(store.stored(), _BATCH)]
        if some and not datasets.known_objects(some):
            raise StoreTaken
        store.set_owner(catalog_id)
    elif owner != catalog_id:
        raise StoreTaken


def forget_unreferenced(store: Store, datasets: Datasets) -> int:
    """Deletes tables that no file and no dataset names any more; how many. Harmless beside uploads and its like."""
    unreferenced = datasets.unreferenced_objects()
    forgotten = datasets.forget_objects(unreferenced) if unreferenced else []
    for object_id in forgotten:
        store.delete(object_id)
    return len(forgotten)


def sweep(store: Store, datasets: Datasets, catalog_id: str, stored_before: datetime) -> int:
    """Deletes both kinds, bytes without a row only where they were stored before then; how many tables went.

    A table is stored before its row is written: leave uploads in flight the time for that. Does nothing in a store
    that another catalog has claimed, whatever led there.
    """
    if store.owner() != catalog_id:
        log.error("store.foreign its tables belong to another catalog; nothing is deleted")
        return 0
    count = forget_unreferenced(store, datasets)
    old = (found.id for found in store.stored() if found.stored_at < stored_before)
    while batch := list(islice(old, _BATCH)):
        orphans = set(batch) - datasets.known_objects(batch)
        for object_id in orphans:
            store.delete(object_id)
        count += len(orphans)
    if count:
        log.info("store.swept tables=%d", count)
    return count
