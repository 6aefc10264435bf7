"""Deletes garbage from the store: bytes without a row, and tables to which no file and no dataset refers.

The row is always deleted before the bytes, so that no record can refer to bytes that are gone.
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
    """Claim the store for this catalog.

    Raises ``StoreTaken`` if another catalog has claimed it, or if it has tables of which this catalog knows none: this
    catalog would delete them all as garbage.
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
    """Delete tables to which no file and no dataset refers; return their number. Safe while uploads run."""
    unreferenced = datasets.unreferenced_objects()
    forgotten = datasets.forget_objects(unreferenced) if unreferenced else []
    for object_id in forgotten:
        store.delete(object_id)
    return len(forgotten)


def sweep(store: Store, datasets: Datasets, catalog_id: str, stored_before: datetime) -> int:
    """Delete both kinds of garbage and return the number of tables.

    Bytes without a row are deleted only if they were stored before ``stored_before``: a table is stored before its
    row is written, and an upload in progress needs that time. Nothing is deleted from a store that another catalog has
    claimed.
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
