"""Probes, and what every answer has whatever was asked."""

from typing import Final

from tools.record_wire.cast import Cast
from tools.record_wire.wire import Wire

_PROBES: Final = ("/healthz", "/ht", "/healthcheck", "/caddy/health", "/readyz")
_TRACE: Final = {
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "tracestate": "x=1",
    "baggage": "a=b",
}
_PREFLIGHT: Final = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
_REQUEST_IDS: Final = {
    "short and plain": "trace-1.a_b",
    "with a blank": "trace 1",
    "with a quote": 'trace"1',
    "65 characters": "x" * 65,
    "empty": "",
}


def ask(wire: Wire, cast: Cast) -> None:
    """Everybody may."""
    del cast
    wire.section = "health"
    for path in _PROBES:
        wire.ask(f"{path}", "GET", path)
        wire.ask(f"{path}/", "GET", f"{path}/")
    wire.ask("HEAD", "HEAD", "/healthz")
    wire.ask("POST", "POST", "/healthz")
    wire.ask("with a query", "GET", "/healthz", query="x=1&x=2")
    wire.ask("with trace headers", "GET", "/healthz", headers=_TRACE)
    wire.ask("from another origin", "GET", "/healthz", headers={"Origin": "https://elsewhere.example"})
    wire.ask("preflight of another origin", "OPTIONS", "/healthz", headers=_PREFLIGHT)
    wire.ask("gzip accepted", "GET", "/healthz", headers={"Accept-Encoding": "gzip, br"})
    for name, value in _REQUEST_IDS.items():
        wire.ask(f"request id: {name}", "GET", "/healthz", headers={"X-Request-Id": value})
        wire.ask(f"request id of a 404: {name}", "GET", "/no/such/page", headers={"X-Request-Id": value})
    for path in ("/-/healthz", "/-/routes", "/-/nothing"):
        wire.ask(path, "GET", path)
    for path in ("/nowhere", "/favicon.ico", "/robots.txt", "/api", "/api/", "/api/v2/", "/healthz//"):
        wire.ask(f"no page: {path}", "GET", path)
    wire.ask("no page, for a browser", "GET", "/nowhere", headers={"Accept": "text/html"})
    for method in ("POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"):
        wire.ask(f"no page: {method}", method, "/nowhere")
    wire.ask("a method that nobody knows", "BREW", "/healthz")
    for control in ("X-Request-Timeout-Seconds", "X-Session-Id", "Serve-Multiplexed-Model-Id", "X-Graphside-Peer"):
        wire.ask(f"control header {control}", "GET", "/healthz", headers={control: "0"})
