"""Print the environment flags that Ray and Serve must start under, each with its reason, for a shell to source.

    python -m deployments.launch.flags > graphside.env

``make serve`` needs no such file. The flags themselves are data in ``deployments/replica/flags.py``.
"""

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from ipaddress import ip_network
from pathlib import Path

from deployments.launch.errors import LaunchError
from deployments.launch.front import write_wrapper
from deployments.launch.haproxy_config import CONNECTIONS_PER_ADDRESS, MOST_CONNECTIONS_PER_ADDRESS, TRUSTED_FORWARDERS
from deployments.launch.machine.folders import folder_parent, runs_programs
from deployments.launch.secret_files import load_or_make_token
from deployments.replica.flags import EVERYWHERE, ONE_MACHINE
from deployments.replica.front_headers import SECRET_FILE


def front_flags(
    folder: Path,
    wrapper: Path,
    secret_file: Path,
    connections_per_address: int = MOST_CONNECTIONS_PER_ADDRESS,
    trusted_forwarders: Sequence[str] = (),
) -> dict[str, str]:
    """Return the flags of the front: its private folder, its wrapper and secret, and what an address may take of it."""
    return {
        "RAY_SERVE_HAPROXY_BINARY_PATH": str(wrapper),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "admin"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(folder / "metrics"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "state"),
        SECRET_FILE: str(secret_file),
        CONNECTIONS_PER_ADDRESS: str(connections_per_address),
        TRUSTED_FORWARDERS: ",".join(trusted_forwarders),
    }


def main(arguments: list[str]) -> int:
    """Print ``export`` lines for a shell to source, and make the folder and the wrapper that they name."""
    parser = argparse.ArgumentParser(prog="python -m deployments.launch.flags", description=main.__doc__)
    parser.add_argument("--folder", type=Path, help="private folder of HAProxy (default: in the temporary directory)")
    parser.add_argument("--token-file", type=Path, default=Path.home() / ".graphside-ray-token")
    parser.add_argument("--host", help="address that HAProxy listens on (default: http_options.host)")
    parser.add_argument(
        "--cluster", action="store_true", help="leave out the loopback flags, for more than one machine"
    )
    parser.add_argument(
        "--connections-per-address",
        type=int,
        default=MOST_CONNECTIONS_PER_ADDRESS,
        metavar="N",
        help="the most connections of one address to HAProxy; 0: no limit (default: %(default)s)",
    )
    parser.add_argument(
        "--trusted-forwarders",
        default=[],
        type=lambda text: [str(ip_network(each.strip(), strict=False)) for each in text.split(",") if each.strip()],
        metavar="CIDR,…",
        help="proxies for whose connections there is no limit; the same as the setting of this name",
    )
    options = parser.parse_args(arguments)
    folder = (options.folder or folder_parent() / f"graphside-front-{os.getuid()}").absolute()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not runs_programs(folder):
        print(f"graphside: {folder} is mounted with noexec, but HAProxy's wrapper must run there", file=sys.stderr)
        return 1
    if folder.stat().st_uid != os.getuid() or folder.stat().st_mode & 0o077:
        print(f"graphside: {folder} must belong to you and be closed to others (chmod 700)", file=sys.stderr)
        return 1
    token_file = options.token_file.absolute()
    load_or_make_token(token_file)
    for flag in EVERYWHERE if options.cluster else (*EVERYWHERE, *ONE_MACHINE):
        print(f"# {flag.why}\nexport {flag.name}={shlex.quote(flag.value)}")
    print("# Ray's token: the same file on every node, readable by its owner only")
    print(f"export RAY_AUTH_TOKEN_PATH={shlex.quote(str(token_file))}")
    print("# HAProxy keeps its files in a private folder; its statistics and metrics ports are on loopback")
    print("# Replicas answer HAProxy only, which knows a secret that is made from Ray's token")
    front = front_flags(
        folder,
        write_wrapper(folder, options.host),
        token_file,
        options.connections_per_address,
        options.trusted_forwarders,
    )
    for name, value in front.items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


if __name__ == "__main__":
    try:
        status = main(sys.argv[1:])
        sys.stdout.flush()
    except LaunchError as error:
        sys.exit(f"graphside: {error}")
    except BrokenPipeError:  # the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    sys.exit(status)
