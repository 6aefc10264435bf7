"""Move the replica's gRPC port to loopback, because no option of Serve does.

Serve opens the port on all interfaces unless the node's address is loopback. The port asks for Ray's token, but only
after it has parsed a message of up to 1 GiB, so on a one-machine server it belongs on loopback like all other ports.
A replica calls this from its constructor; Serve opens the port afterwards.
"""

import logging
import os
from typing import Any  # Serve's gRPC server, which grpc does not type

from deployments.replica.flags import ONE_MACHINE

_ALONE = ONE_MACHINE[0]


def keep_replica_port_local() -> bool:
    """Make Serve open this replica's gRPC port on loopback if the server is on one machine. Return whether it will."""
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
