"""Chooses the runner replica of a call: one that holds the dataset, else the one that the dataset's id hashes to.

Serve's own multiplexing counts models instead of bytes, and loads a cold model on every replica that a burst reaches.
This router keeps a dataset on one replica. When replicas join or leave, only their datasets move (rendezvous hashing).

A call goes to the first replica of the ranking that has room (``max_ongoing_requests``). That is more than a replica
queues, so a dataset in great demand is refused by its replica's full queue before it spills to the next replica.
"""

import hashlib
from functools import lru_cache
from typing import Any

from ray.serve.request_router import PendingRequest, RequestRouter, RunningReplica

REPLICA_PREFIX = "replica:"
"""Prefix of a session id that names a replica instead of a dataset, for fetching a large result."""


@lru_cache(maxsize=1024)
def owner_order(key: str, replica_ids: tuple[str, ...]) -> tuple[str, ...]:
    """Return the replica ids in the order in which they own ``key``. Every router computes the same order."""
    return tuple(sorted(replica_ids, key=lambda replica: hashlib.blake2b(f"{key}|{replica}".encode()).digest()))


class DatasetAffinityRouter(RequestRouter):
    """Ranks replicas for the dataset id in ``handle.options(session_id=...)``."""

    async def choose_replicas(
        self, candidate_replicas: list[RunningReplica], pending_request: PendingRequest | None = None
    ) -> list[list[RunningReplica]]:
        if pending_request is None or not candidate_replicas:
            return [candidate_replicas]
        pending_request.routing_context.should_backoff = True
        key = pending_request.metadata.session_id
        if not key or len(candidate_replicas) == 1:
            return [candidate_replicas]
        by_id: dict[str, Any] = {replica.replica_id.unique_id: replica for replica in candidate_replicas}
        if key.startswith(REPLICA_PREFIX):
            named = by_id.get(key.removeprefix(REPLICA_PREFIX))
            return [[named]] if named is not None else [candidate_replicas]
        holders = [
            replica for replica in candidate_replicas if key in (replica.routing_stats or {}).get("datasets", ())
        ]
        others = [by_id[replica_id] for replica_id in owner_order(key, tuple(by_id))]
        return [*([holders] if holders else []), *([replica] for replica in others if replica not in holders)]
