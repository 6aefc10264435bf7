"""Opens the store that a server's settings name."""

from pathlib import Path

from runtime.datasets.store.base import Store
from runtime.datasets.store.local import LocalStore
from runtime.datasets.store.location import StoreOptions


def open_store(data_dir: Path, options: StoreOptions) -> Store:
    """The store, for this process. Raises ``ValueError`` where its options are no good. Connects nowhere yet.

    Never call this in the template: clients of remote stores start threads.
    """
    if options.location is None:
        return LocalStore(data_dir)
    # Here, not above: these import pyarrow's file systems, which a local store does without.
    from runtime.datasets.store.bucket import open_bucket
    from runtime.datasets.store.node_cache import NodeCache
    from runtime.datasets.store.remote import RemoteStore

    bucket = open_bucket(options.location, options.credentials_file)
    return RemoteStore(data_dir, bucket, NodeCache(options.cache_dir, options.cache_bytes))
