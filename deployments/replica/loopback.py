"""The one port of Serve that no option moves: gRPC between replicas, on all interfaces wherever the node's address is.

It asks for Ray's token, but only after it has parsed a message of up to 1 GiB, so on a machine of its own it belongs on
loopback like the rest. A replica calls this from its constructor; Serve opens the port after that.
"""

import logging
import os
from typing import Any  # Serve's gRPC server, which grpc does not type

from deployments.launch.flags import ONE_MACHINE

_ALONE = ONE_MACHINE[0]


def keep_replica_port_local() -> bool:
    """Makes Serve open this replica's gRPC port on loopback, if this server is alone. Returns whether it does."""
    if os.environ.get(_ALONE.name) != _ALONE.value:
        return False
    from ray.serve._private import replica

    original = getattr(replica, "add_port_to_grpc_server", None)
    if original is None:
        logging.getLogger("ray.serve").warning("port.open what=replica-grpc reason=unknown-release-of-serve")
        return False

    def on_loopback(server: Any, address: str) -> int:
        return int(original(server, address.replace("[::]:", "127.0.0.1:")))

    replica.add_port_to_grpc_server = on_loopback  # type: ignore[attr-defined]
    return True
