"""What the front tells the replicas behind it, in headers of its own: that it is the front, and who called.

Every user of the machine can connect to a replica's port. So the front sends a secret, and replicas answer nobody else.
The secret is made from a file that only the server's user can read and that ``SECRET_FILE`` names: on one machine a
file of random bits, new at each start; on a cluster the file of Ray's token, which every node has anyway. The header
has a keyed hash of the file, so that it does not give Ray's token away.

HAProxy's wrapper imports this without any package: standard library only.
"""

import hmac
from collections.abc import Mapping
from pathlib import Path
from typing import Final

FRONT_HEADER: Final = "x-graphside-front"
"""On every request that passed the front: the secret."""

PEER_HEADER: Final = "x-graphside-peer"
"""On every request that passed the front: the address that the connection came from."""

SECRET_FILE: Final = "GRAPHSIDE_FRONT_SECRET_FILE"  # noqa: S105  (the name of a variable)
"""The variable that names the file."""

_PURPOSE: Final = b"graphside: the front's secret"
_SHORTEST: Final = 32


def front_secret(environ: Mapping[str, str]) -> str | None:
    """Return the secret, or None if ``SECRET_FILE`` is not set.

    Raises ``OSError`` if the file cannot be read, ``ValueError`` if it is too short for a secret.
    """
    path = environ.get(SECRET_FILE)
    if not path:
        return None
    key = Path(path).read_bytes().strip()
    if len(key) < _SHORTEST:
        raise ValueError(f"{SECRET_FILE}={path}: the file has fewer than {_SHORTEST} bytes, which is no secret")
    return hmac.new(key, _PURPOSE, "sha256").hexdigest()
