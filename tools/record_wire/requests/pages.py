"""Pages and their files, as strangers get them."""

import re
from typing import Final
from urllib.parse import urlencode

from tools.record_wire.asking import Request
from tools.record_wire.cast import NOWHERE, Cast
from tools.record_wire.wire import Wire

_HTML: Final = {"Accept": "text/html"}
_FRAME: Final = {"Sec-Fetch-Dest": "iframe", **_HTML}
_NEXTS: Final = (
    "/docs",
    "/graph/graph.html?dataset=x&a=b",
    "//evil.example",
    "https://evil.example/",
    "/\\evil.example",
    "/a b",
    "/ümlaut",
    "relative",
    "",
    '/"><script>',
    "/" + "x" * 2000,
)


def ask(wire: Wire, cast: Cast) -> None:
    """Nobody is signed in."""
    del cast
    wire.section = "pages"
    for path in ("/", "/login", "/docs", "/graph/graph.html"):
        wire.ask(path, "GET", path, headers=_HTML)
        wire.ask(f"{path}, HEAD", "HEAD", path, headers=_HTML)
        wire.ask(f"{path}, framed", "GET", path, headers=_FRAME)
        if path != "/":
            wire.ask(f"{path}/", "GET", f"{path}/", headers=_HTML)
    wire.ask("/ with a CSRF cookie", "GET", "/login", headers={"Cookie": "csrftoken=" + "a" * 32})
    wire.ask("/ with a useless CSRF cookie", "GET", "/login", headers={"Cookie": "csrftoken=short"})
    wire.ask("/ with a session that is none", "GET", "/", headers={"Cookie": "graphistry_jwt=a.b.c"})
    wire.ask("/ with a token that is none", "GET", "/", headers={"Authorization": "Bearer a.b.c"})
    for number, address in enumerate(_NEXTS):
        wire.ask(f"/login on to address {number}", "GET", "/login", query=urlencode({"next": address}))
    wire.ask("viewer of nothing", "GET", "/graph/graph.html", query=f"dataset={NOWHERE}", headers=_HTML)
    wire.ask("viewer of no id", "GET", "/graph/graph.html", query="dataset=../etc&play=0", headers=_HTML)
    wire.ask("viewer, framed", "GET", "/graph/graph.html", query=f"dataset={NOWHERE}", headers=_FRAME)
    _static(wire)
    wire.ask("openapi.json", "GET", "/openapi.json")
    wire.ask("openapi.json/", "GET", "/openapi.json/")
    wire.ask("a CSRF token", "GET", "/api/v1/csrfmiddlewaretoken")
    wire.ask("a CSRF token/", "GET", "/api/v1/csrfmiddlewaretoken/")
    wire.ask("a CSRF token again", "GET", "/api/v1/csrfmiddlewaretoken", headers={"Cookie": "csrftoken=" + "b" * 32})


def _static(wire: Wire) -> None:
    page = wire.send(Request("GET", "/"))
    for name in ("style.css", "icon.svg"):
        at = {"name": name}
        found = re.search(rf"/static/{name}\?(v=[0-9a-f]+)", page.text)
        wire.ask(f"static {name}", "GET", "/static/{name}", at=at)
        wire.ask(f"static {name}, HEAD", "HEAD", "/static/{name}", at=at)
        wire.ask(f"static {name} of its version", "GET", "/static/{name}", at=at, query=found[1] if found else "")
        wire.ask(f"static {name} of another version", "GET", "/static/{name}", at=at, query="v=0123456789abcdef")
        wire.ask(f"static {name}/", "GET", "/static/{name}/", at=at)
        wire.ask(f"static {name}, a part", "GET", "/static/{name}", at=at, headers={"Range": "bytes=0-9"})
    for name in ("nothing.css", "../app.py", "style.css.map", "Style.css"):
        wire.ask(f"static: no {name}", "GET", "/static/{name}", at={"name": name})
    wire.ask("static as a folder", "GET", "/static/")
