"""Browser sessions: signing in and out, cookies, CSRF, and pages as those see them who are signed in."""

from http.cookies import SimpleCookie
from typing import Final

import httpx

from tools.record_wire.asking import Body, Caller, as_form
from tools.record_wire.cast import NOWHERE, WORDS, Cast
from tools.record_wire.wire import Wire

_PLAIN: Final = "abcdefghijklmnopqrstuvwxyzABCDEF"
_HTML: Final = {"Accept": "text/html"}
_RIGHT: Final = {"username": "ann", "password": WORDS}


def ask(wire: Wire, cast: Cast) -> None:
    """``browser`` is ann's afterwards."""
    wire.section = "sessions"
    _signing_in(wire)
    answer = wire.ask("sign in", "POST", "/login", body=_RIGHT)
    session, secret = cookies_of(answer)
    bare = Caller("ann's cookies alone", {"Cookie": f"graphistry_jwt={session}; csrftoken={secret}"})
    cast.browser = Caller("ann's browser", {**bare.headers, "X-CSRFToken": secret})
    _csrf(wire, cast, bare, session)
    _pages(wire, cast, bare)
    _signing_out(wire)


def cookies_of(answer: httpx.Response) -> tuple[str, str]:
    """Session and CSRF secret that an answer sets."""
    jar: SimpleCookie = SimpleCookie()
    for header in answer.headers.get_list("set-cookie"):
        jar.load(header)
    return jar["graphistry_jwt"].value, jar["csrftoken"].value


def _signing_in(wire: Wire) -> None:
    form = as_form(**_RIGHT, next="/docs?a=b")
    wire.ask("a form", "POST", "/login", body=form)
    wire.ask("a form of a browser", "POST", "/login", body=form, headers={**_HTML, "Origin": wire.server.url})
    wire.ask("a form, slash, on to elsewhere", "POST", "/login/", body=as_form(**_RIGHT, next="//evil.example"))
    for told, headers in (("", {}), (", for a browser", _HTML)):
        for name, body in (
            ("wrong", as_form(**{**_RIGHT, "password": "no", "next": "/docs"})),
            ("wrong, script as a name", as_form(**{**_RIGHT, "username": '"><script>'})),
            ("no password", as_form(username="ann")),
            ("no form", Body(b"x", "text/plain")),
            ("no JSON", Body(b"{", "application/json")),
            ("a list", Body(b"[]", "application/json")),
            ("large", Body(b"username=" + b"x" * 70_000, "application/x-www-form-urlencoded")),
            ("large JSON", Body(b'"' + b"x" * 70_000 + b'"', "application/json")),
        ):
            wire.ask(f"{name}{told}", "POST", "/login", body=body, headers=headers)
        foreign = {**headers, "Origin": "http://evil.example"}
        wire.ask(f"from another origin{told}", "POST", "/login", body=form, headers=foreign)
        cross = {**headers, "Sec-Fetch-Site": "cross-site"}
        wire.ask(f"from another site{told}", "POST", "/login", body=form, headers=cross)


def _csrf(wire: Wire, cast: Cast, bare: Caller, session: str) -> None:
    path, body = "/api/v2/files", {"file_type": "csv", "name": "of a browser"}
    wire.ask("post", "POST", path, cast.browser, body)
    wire.ask("post without the token", "POST", path, bare, body)
    token = str(wire.ask("masked token", "GET", "/api/v1/csrfmiddlewaretoken", bare).json()["csrfmiddlewaretoken"])
    for name, sent in (("masked", token), ("wrong", _PLAIN), ("short", _PLAIN[1:]), ("odd", _PLAIN[1:] + "-")):
        wire.ask(f"post with a token that is {name}", "POST", path, bare, body, headers={"X-CSRFToken": sent})
    headers = {"Cookie": f"graphistry_jwt={session}", "X-CSRFToken": _PLAIN}
    wire.ask("post without the CSRF cookie", "POST", path, body=body, headers=headers)
    twice = {"Cookie": f"graphistry_jwt={session}; csrftoken={_PLAIN}; csrftoken={_PLAIN[::-1]}", "X-CSRFToken": _PLAIN}
    wire.ask("post with two CSRF cookies", "POST", path, body=body, headers=twice)
    for name, origin in (("own", wire.server.url), ("foreign", "http://evil.example"), ("null", "null")):
        wire.ask(f"post of {name} origin", "POST", path, cast.browser, body, headers={"Origin": origin})
    for site in ("same-origin", "same-site", "cross-site", "none"):
        wire.ask(f"post, site {site}", "POST", path, cast.browser, body, headers={"Sec-Fetch-Site": site})
    wire.ask("delete without the token", "DELETE", f"{path}/{{file_id}}", bare, at={"file_id": NOWHERE})
    wire.ask(
        "two sessions", "GET", "/api/v2/users/me", headers={"Cookie": f"graphistry_jwt={session}; graphistry_jwt=x"}
    )
    wire.ask(
        "a token beside the session", "GET", "/api/v2/users/me", Caller("both", {**bare.headers, **cast.bob.headers})
    )
    bad = Caller("both, token bad", {**bare.headers, "Authorization": "Bearer a.b.c"})
    wire.ask("a bad token beside the session", "GET", "/api/v2/users/me", bad)
    basic = Caller("both, Basic", {**bare.headers, "Authorization": "Basic YTpi"})
    wire.ask("another scheme beside the session", "GET", "/api/v2/users/me", basic)
    wire.ask("an administrator's GET with a cookie", "GET", "/api/v2/logout-user/username/{username}",
             _cookie_of(cast.admin), at={"username": "eve"})  # fmt: skip


def _cookie_of(caller: Caller) -> Caller:
    return Caller(f"{caller.name}, by cookie", {"Cookie": f"graphistry_jwt={caller.token}"})


def _pages(wire: Wire, cast: Cast, bare: Caller) -> None:
    for path in ("/", "/login", "/docs", "/graph/graph.html"):
        wire.ask(f"{path} signed in", "GET", path, bare, headers=_HTML)
        wire.ask(f"{path} with a token", "GET", path, cast.ann, headers=_HTML)
    wire.ask("/login signed in, on to /docs", "GET", "/login", bare, query="next=/docs")
    for name, dataset in (("people", cast.people), ("lone", cast.lone), ("none", NOWHERE)):
        for told, caller, headers in (
            ("signed in", bare, _HTML),
            ("with a token", cast.ann, {}),
            ("framed", bare, {**_HTML, "Sec-Fetch-Dest": "iframe"}),
        ):
            query = f"dataset={dataset}"
            wire.ask(f"viewer of {name}, {told}", "GET", "/graph/graph.html", caller, query=query, headers=headers)
    wire.ask("viewer of another's", "GET", "/graph/graph.html", cast.bob, query=f"dataset={cast.people}")
    wire.ask("viewer of a stranger", "GET", "/graph/graph.html", query=f"dataset={cast.people}&play=0", headers=_HTML)
    run = {"execute": "def task(g): return len(g._edges)"}
    path = "/api/v2/datasets/{dataset_id}/python"
    wire.ask("run", "POST", path, cast.browser, run, at={"dataset_id": cast.people})
    wire.ask("run without the token", "POST", path, bare, run, at={"dataset_id": cast.people})


def _signing_out(wire: Wire) -> None:
    wire.ask("sign out as nobody", "POST", "/logout")
    wire.ask("sign out as nobody, for a browser", "POST", "/logout/", headers=_HTML)
    wire.ask("sign out with another scheme", "POST", "/logout", headers={"Authorization": "Basic YTpi"})
    wire.ask("sign out from another origin", "POST", "/logout", headers={"Origin": "http://evil.example"})
    for told, headers in (("", {}), (", for a browser", _HTML)):
        session, secret = cookies_of(wire.ask(f"sign in again{told}", "POST", "/login", body=_RIGHT))
        bare = Caller("ann's other cookies", {"Cookie": f"graphistry_jwt={session}; csrftoken={secret}"})
        wire.ask(f"sign out without the token{told}", "POST", "/logout", bare, headers=headers)
        form = as_form(csrfmiddlewaretoken=secret)
        wire.ask(f"sign out with a form{told}", "POST", "/logout", bare, form, headers=headers)
        wire.ask(f"signed out{told}: me", "GET", "/api/v2/users/me", bare)
        wire.ask(f"sign out again{told}", "POST", "/logout", bare, form, headers=headers)
    other = wire.send_ok("POST", "/api-token-auth", body=_RIGHT)["token"]
    caller = Caller.bearing("ann, another token", str(other))
    wire.ask("sign a token out", "POST", "/logout", caller)
    wire.ask("token that was signed out: me", "GET", "/api/v2/users/me", caller)
    session, secret = cookies_of(wire.ask("sign in a last time", "POST", "/login", body=_RIGHT))
    ended = {"Cookie": f"graphistry_jwt={session}; csrftoken={secret}", "X-CSRFToken": secret}
    wire.ask("API log-out with cookies", "POST", "/api/v2/auth/logout", Caller("ann's last cookies", ended))
