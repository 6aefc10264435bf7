"""Correct the HAProxy configuration that Serve writes: what Serve leaves open is closed, and the front gets our rules.

HAProxy's wrapper imports this without any package: standard library only, and little of that.
"""

import re
from collections.abc import Mapping
from ipaddress import ip_network
from typing import NamedTuple, Self

from deployments.replica.front_headers import FRONT_HEADER, PEER_HEADER

SECRET = "GRAPHSIDE_FRONT_SECRET"  # noqa: S105  (the name of a variable)
"""The variable of HAProxy's environment that has the front's secret, so that no file has it."""

CONNECTIONS_PER_ADDRESS = "GRAPHSIDE_CONNECTIONS_PER_ADDRESS"
TRUSTED_FORWARDERS = "GRAPHSIDE_TRUSTED_FORWARDERS"
"""Variables that the wrapper reads: a number (0: no limit), and CIDRs that the limit does not count, by commas."""

MOST_CONNECTIONS_PER_ADDRESS = 500
"""The default. A server that only few machines use may do with less; see docs/operating.md."""

METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")

_HEAD_WITHIN = "30s"
_BODY_WITHIN = "15s"
_IDLE = "120s"
"""A client that neither sends nor takes a byte for so long is gone. Waiting for an answer does not count."""

_BODY_BEGINS = 16 * 1024
_LARGEST_AWAITED = 1024**3
_HEAD_BYTES = 16 * 1024
_URL_BYTES = 8 * 1024
_HEADERS = 100
_BUFFER_BYTES = 72 * 1024
"""Larger than what HAProxy may pass on, so that it can read a head that is too large, and refuse it in our words."""

_MOST_CONNECTIONS = 20_000
_DESCRIPTORS_A_CONNECTION = 3  # both ends, and half a pipe: HAProxy splices bodies
_SPARE_DESCRIPTORS = 256
_SHARE_OF_ADDRESS = 4
"""One address has at most this part of all connections, however few the limit of open files allows."""

_SHARE_IF_CROWDED = 64
"""The same, while three quarters of all connections are taken."""


def _answer(error: str, kind: str, headers: str = "") -> str:
    """Return the end of a rule that answers with an error in our shape. The text has neither ``'`` nor ``%``.

    The front does not look at paths, so it adds the keys of all families (``ingress/error_answers.py``).
    """
    sentences = "".join(f', "{key}": "{error}"' for key in ("message", "detail"))
    lists = "".join(f', "{key}": ["{error}"]' for key in ("non_field_errors", "errors"))
    refusals = "".join(f', "{key}": false' for key in ("success", "is_valid", "is_uploaded"))
    keys = f'{sentences}{lists}{refusals}, "status": "Failed", "data": {{}}'
    return (
        "content-type application/json lf-string "
        f"""'{{"error": "{error}", "type": "{kind}", "request_id": "%[unique-id]"{keys}}}' """
        f"hdr Cache-Control no-store{headers}"
    )


_BAD_REQUEST = "the request is not valid HTTP; check its method, path, headers and the length of its body"
_SLOW = "the rest of the request did not arrive in time; send it again, without pauses"
_UNAVAILABLE = _answer(
    "the server is starting, or one of its processes is being replaced; try again in a moment",
    "Overloaded",
    " hdr Retry-After 1",
)
_LOST = _answer("the process that handled this call ended before it answered", "InternalError")

_OWN_ERRORS = (
    ("400", _answer(_BAD_REQUEST, "InvalidRequest")),
    ("408", _answer(_SLOW, "BodyTooSlow")),
    ("500", _answer("the front of the server failed on this request; try again", "InternalError")),
)
"""What HAProxy answers by itself to a request that it has begun to handle, beside 502, 503 and 504."""

_OTHERS_ERRORS = (
    ("400", _answer(_BAD_REQUEST, "InvalidRequest")),
    ("408", _answer(_SLOW, "BodyTooSlow")),
    ("500", _LOST),
    ("503", _UNAVAILABLE),
)
"""What stands for plain text from below: it is Serve's or its HTTP server's, because our app sends none with errors."""

_REFUSED = (
    (
        f"unless {{ method -m str {' '.join(METHODS)} }}",
        "405",
        _answer(
            f"the method of this request is unknown; the server takes {', '.join(METHODS)}",
            "MethodNotAllowed",
            f' hdr Allow "{", ".join(METHODS)}"',
        ),
    ),
    (
        "unless { path -m beg / }",  # such as ``OPTIONS *``
        "400",
        _answer("the path of the request must begin with a slash", "InvalidRequest"),
    ),
    (
        f"if {{ url,length gt {_URL_BYTES} }}",
        "414",
        _answer(
            f"the URL is longer than {_URL_BYTES} bytes; send long values in the body instead",
            "UrlTooLong",
        ),
    ),
    (
        f"if {{ req.hdrs,length gt {_HEAD_BYTES} }} or {{ req.fhdr_cnt() gt {_HEADERS} }}",
        "431",
        _answer(
            f"the headers are longer than {_HEAD_BYTES} bytes, or more than {_HEADERS}; send fewer cookies and headers",
            "InvalidRequest",
        ),
    ),
    (
        # HAProxy counts lengths modulo 2**64. Whatever it can count, the app refuses by its own limits.
        "if { req.hdr(content-length) -m reg ^0*[1-9][0-9]{17,} }",
        "413",
        _answer("the announced body is larger than any limit of this server; send several smaller ones", "TooLarge"),
    ),
)
"""What the front refuses before anything else: a condition, a status, an answer."""

_BROWSERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'",
}
"""Headers of answers that the app does not make. (The app has ``ingress/middleware/security_headers.py``.)"""

_FRONT = r"^frontend http_frontend\n(?P<indent>\s+)bind (?P<host>\S*):(?P<port>\d+)[^\n]*$"
_OPEN_BIND = r"^(?P<indent>\s*bind )(?:\*|0\.0\.0\.0|\[::\]|::)?:(?P<port>\d+)"
_OPEN_CONTROL_SOCKET = r"mode 666"
_DEFAULTS = r"^defaults\n    mode http\n"
_SERVES_CLIENT_TIMEOUT = r"^(?P<indent> *)timeout client 3600s$"
_SERVES_MAXCONN = r"^(?P<indent> *)maxconn 4096$"
_SERVES_BUFFER = r"^(?P<indent> *)tune\.bufsize 16384$"
_APP = r"^ *use_backend "
_REUSE = r"^(?P<indent> *)http-reuse always$"
_SYSLOG = r"^ *log 127\.0\.0\.1:514 [^\n]*\n"
_ERROR_FILE = r"^(?P<indent> *)errorfile {} [^\n]*$"
_NO_APP = r"^(?P<indent> *)http-request return status 404 content-type text/plain lf-string[^\n]*$"
_ADDRESSES = "graphside_addresses"


class FrontOptions(NamedTuple):
    """What the operator and the machine say. ``host`` is None if the front listens where Serve says."""

    host: str | None = None
    has_secret: bool = False
    connections_per_address: int = 0
    trusted_forwarders: tuple[str, ...] = ()
    descriptors: int = 1024

    @classmethod
    def read(cls, environ: Mapping[str, str], host: str | None, has_secret: bool, descriptors: int) -> Self:
        """Read the variables. Raises ``ValueError`` if one is wrong, because it becomes part of the configuration."""
        number = environ.get(CONNECTIONS_PER_ADDRESS) or "0"
        if not (number.isascii() and number.isdecimal()):
            raise ValueError(f"{CONNECTIONS_PER_ADDRESS}={number} is not a number of connections")
        networks = [each.strip() for each in environ.get(TRUSTED_FORWARDERS, "").split(",") if each.strip()]
        return cls(
            host, has_secret, int(number), tuple(str(ip_network(each, strict=False)) for each in networks), descriptors
        )

    @property
    def most_connections(self) -> int:
        """The most connections that the limit of open files allows HAProxy."""
        return min(_MOST_CONNECTIONS, max(64, (self.descriptors - _SPARE_DESCRIPTORS) // _DESCRIPTORS_A_CONNECTION))

    @property
    def most_of_address(self) -> int:
        """The most connections of one address; 0: any. Twice as many are accepted, so half of all is left to others."""
        return min(self.connections_per_address, self.most_connections // _SHARE_OF_ADDRESS)


def corrected(configuration: str, options: FrontOptions = FrontOptions()) -> str:  # noqa: B008  (immutable)
    """Return Serve's configuration with the front where ``options`` say and every other port on loopback.

    The control socket becomes its owner's only. The front speaks HTTP/1 only, refuses what no route takes, hands a
    request on when its body has begun to arrive, and gives up on clients that stop sending or reading. HAProxy's own
    answers are JSON in the shape of our errors, with our headers for browsers, unless the bytes are not HTTP at all:
    such answers are fixed in HAProxy. Nothing is sent to a syslog that nobody configured. ``PEER_HEADER`` carries the
    peer's address, and ``FRONT_HEADER`` the secret if there is one.

    Raises ``ValueError`` if the configuration lacks anything that these edits expect: better no front than an open one.
    """
    front = re.search(_FRONT, configuration, re.MULTILINE)
    if front is None:
        raise _unknown_shape(_FRONT)
    before = _replace(configuration[: front.start()], _OPEN_BIND, r"\g<indent>127.0.0.1:\g<port>")  # metrics
    after = _replace(configuration[front.end() :], _OPEN_BIND, r"\g<indent>127.0.0.1:\g<port>")  # statistics
    text = before + _front(front, options) + after
    text = _replace(text, _OPEN_CONTROL_SOCKET, "mode 600")
    errors = "".join(f"    http-error status {status} {answer}\n" for status, answer in _OWN_ERRORS)
    text = _replace(text, _DEFAULTS, rf"\g<0>    timeout http-request {_HEAD_WITHIN}\n{errors}")
    # Values that an operator chose by Serve's own variables stay.
    text = _replace(text, _SERVES_CLIENT_TIMEOUT, rf"\g<indent>timeout client {_IDLE}", least=0)
    text = _replace(text, _SERVES_MAXCONN, rf"\g<indent>maxconn {options.most_connections}", least=0)
    tuned = rf"\g<indent>tune.bufsize {_BUFFER_BYTES}\n\g<indent>tune.http.maxhdr {10 * _HEADERS}"
    text = _replace(text, _SERVES_BUFFER, tuned, least=0)
    # A request that fails on a connection shared among clients ends in silence; on its own connection, in our 500.
    has_app = re.search(_APP, text, re.MULTILINE) is not None
    text = _replace(text, _REUSE, r"\g<indent>http-reuse never", least=int(has_app))
    text = _replace(text, _SYSLOG, "", least=0)  # an operator may have named another one
    for status, answer in (("502", _LOST), ("503", _UNAVAILABLE), ("504", _LOST)):
        text = _replace(text, _ERROR_FILE.format(status), rf"\g<indent>http-error status {status} {answer}")
    text = _replace(text, _NO_APP, rf"\g<indent>http-request return status 503 {_UNAVAILABLE}")
    return f"{text.rstrip()}\nbackend {_ADDRESSES}\n    stick-table type ipv6 size 100k expire 10m store conn_cur\n"


def _front(found: re.Match[str], options: FrontOptions) -> str:
    """Return the head of the front's section, with our rules for every request and answer."""
    host = options.host
    address = found["host"] if host is None else (f"[{host}]" if ":" in host else host)
    lines = [
        f"bind {address}:{found['port']} proto h1",
        *_limit_of_addresses(options),
        # The API's document promises an id for every answer, so HAProxy's own answers have one, too.
        "unique-id-format %[uuid()]",
        *(f"http-request return status {status} {answer} {condition}" for condition, status, answer in _REFUSED),
        # A client's own copies are replaced. The proof is the last: what comes after it is no header of a client's
        # (``serve_controls.py``).
        f"http-request set-header {PEER_HEADER} %[src]",
        f'http-request set-header {FRONT_HEADER} "${{{SECRET}}}"'
        if options.has_secret
        else f"http-request del-header {FRONT_HEADER}",
        # Many clients send the body after the head. Until it has the body, HAProxy would not notice that a client left,
        # and a request whose body never comes would take a place at a replica. Two kinds are handed on at once: one
        # that waits for "100 Continue" before it sends much, and one that the app will refuse for its size.
        f"http-request wait-for-body time {_BODY_WITHIN} at-least {_BODY_BEGINS} "
        f"if {{ req.body_size le {_BODY_BEGINS} }}",
        f"http-request wait-for-body time {_BODY_WITHIN} at-least {_BODY_BEGINS} "
        f"if {{ req.body_size le {_LARGEST_AWAITED} }} !{{ req.hdr(expect) -m found }}",
        *(
            f"http-response return status {status} {answer} "
            f"if {{ status {status} }} {{ res.hdr(content-type) -m beg text/plain }}"
            for status, answer in _OTHERS_ERRORS
        ),
    ]
    for name, value in _BROWSERS.items():
        lines.append(f'http-after-response set-header {name} "{value}" unless {{ res.hdr({name}) -m found }}')
    lines += [
        "http-after-response set-header X-Request-Id %[unique-id] unless { res.hdr(X-Request-Id) -m found }",
        # The app answers with neither status: they say that HAProxy got no answer from it.
        'http-after-response set-status 500 reason "Internal Server Error" if { status 502 504 }',
    ]
    return "\n".join(["frontend http_frontend", *(found["indent"] + line for line in lines)])


def _limit_of_addresses(options: FrontOptions) -> list[str]:
    """Return the rules for one address's connections (IPv6: those of a site, as ``auth/addresses.py`` says).

    Past the limit a request is answered 429 and its connection closed; past twice the limit nothing is accepted. The
    last quarter of all connections is for addresses that have few.
    """
    most = options.most_of_address
    if most == 0:
        return []
    counted = f" unless {{ src {' '.join(options.trusted_forwarders)} }}" if options.trusted_forwarders else ""
    answer = _answer(
        f"there are more than {most} connections from this address; close some, or reuse them",
        "TooManyRequests",
        " hdr Retry-After 1",
    )
    crowded = options.most_connections * 3 // 4
    few = max(1, min(most, options.most_connections // _SHARE_IF_CROWDED))
    return [
        f"tcp-request connection track-sc0 src,ipmask(32,48) table {_ADDRESSES}{counted}",
        f"tcp-request connection reject if {{ sc0_conn_cur gt {2 * most} }}",
        f"tcp-request connection reject if {{ fe_conn gt {crowded} }} {{ sc0_conn_cur gt {few} }}",
        f"http-request return status 429 {answer} if {{ sc0_conn_cur gt {most} }}",
    ]


def _replace(text: str, pattern: str, by: str, least: int = 1) -> str:
    """Replace every match. Raises ``ValueError`` if there are fewer than ``least``."""
    replaced, count = re.subn(pattern, by, text, flags=re.MULTILINE)
    if count < least:
        raise _unknown_shape(pattern)
    return replaced


def _unknown_shape(pattern: str) -> ValueError:
    return ValueError(f"the HAProxy configuration that Serve wrote is of an unknown shape: nothing matches {pattern}")
