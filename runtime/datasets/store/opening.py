"""Opens the store that a server's settings name."""

from pathlib import Path

from runtime.datasets.store.base import Store
from runtime.datasets.store.local import LocalStore
from runtime.datasets.store.location import StoreOptions


def open_store(data_dir: Path, options: StoreOptions) -> Store:
    """Return the store for this process, without connecting yet. Raises ``ValueError`` for invalid options.

    Never call this in the template: clients of remote stores start threads.
    """
    if options.location is None:
        return LocalStore(data_dir)
    # Imported here, because these import pyarrow's file systems, which a local store does not need.
    from runtime.datasets.store.bucket import open_bucket
    from runtime.datasets.store.node_cache import NodeCache
    from runtime.datasets.store.remote import RemoteStore

    bucket = open_bucket(options.location, options.credentials_file)
    return RemoteStore(data_dir, bucket, NodeCache(options.cache_dir, options.cache_bytes))
