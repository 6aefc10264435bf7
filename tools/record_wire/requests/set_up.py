"""What the operator's settings change: proxies, origins, quotas, limits, defaults, another issuer's tokens."""

import gzip
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from tools.record_wire.asking import Body, Caller, as_form
from tools.record_wire.cast import WORDS, Cast
from tools.record_wire.minting import AUDIENCE, ISSUER, OtherIssuer
from tools.record_wire.requests.results import RUN
from tools.record_wire.requests.sessions import cookies_of
from tools.record_wire.server import ADMIN, ADMIN_WORDS
from tools.record_wire.tables import ARROW, CSV
from tools.record_wire.wire import Wire, request_of

NOTEBOOKS: Final = "https://notebooks.example"
PUBLIC: Final = "https://graphs.example"
_ATTACH: Final = "/api/v2/upload/datasets/{dataset_id}/{role}/{file_type}"
_ADMIN: Final[dict[str, Any]] = {"username": ADMIN, "password": ADMIN_WORDS}
_PLAIN: Final[dict[str, Any]] = {"execute": "def task(g): return 1"}
_RUNS_A_MINUTE: Final = 12
_UPLOAD_BYTES: Final = 16_000_000
"""A parser gets six times as much memory, and needs some."""


def settings(folder: Path, issuer: OtherIssuer) -> dict[str, str]:
    """Of the server that these requests are for; ``folder`` takes a file of it."""
    key_file = folder / "issuer.pem"
    key_file.write_bytes(issuer.public_key)
    foreign = f'{{"issuer": "{ISSUER}", "audience": "{AUDIENCE}", "key_file": "{key_file}", "auto_create": true}}'
    limits = '{"timeout_s": 20, "cpu_s": 20, "memory_bytes": 500000000, "result_bytes": 100000}'
    return {
        "GRAPHSIDE_PUBLIC_URL": PUBLIC,
        "GRAPHSIDE_TRUSTED_FORWARDERS": "127.0.0.1/32",
        "GRAPHSIDE_CORS_ORIGINS": NOTEBOOKS,
        "GRAPHSIDE_FRAME_ANCESTORS": NOTEBOOKS,
        "GRAPHSIDE_FOREIGN_TOKENS": foreign,
        "GRAPHSIDE_TOKEN_LIFETIME_S": "600",
        "GRAPHSIDE_MAX_UPLOAD_BYTES": str(_UPLOAD_BYTES),
        "GRAPHSIDE_MAX_SOURCE_BYTES": "2000",
        "GRAPHSIDE_LIMITS": limits,
        "GRAPHSIDE_MAXIMUM": limits,
        "GRAPHSIDE_CUDF_FALLS_BACK_TO_PANDAS": "true",
        "GRAPHSIDE_DEFAULT_ACCESS": "organization",
        "GRAPHSIDE_PLOT_EXPIRY_S": "3600",
        "GRAPHSIDE_CACHE_BYTES": "150000",
        "GRAPHSIDE_USER_STORED_BYTES": "400000",
        "GRAPHSIDE_USER_RUNS": "1",
        "GRAPHSIDE_USER_RUNS_PER_MINUTE": str(_RUNS_A_MINUTE),
        "GRAPHSIDE_RECEIPT_OUTPUT_BYTES": "40",
        "GRAPHSIDE_KEEP_SOURCE": "true",
    }


def ask(wire: Wire, cast: Cast, issuer: OtherIssuer) -> None:
    """Everybody is new on this server."""
    wire.section = "settings"
    _people(wire, cast)
    _origins(wire, cast)
    _foreign(wire, cast, issuer)
    _stored(wire, cast)
    _runs(wire, cast)


def _people(wire: Wire, cast: Cast) -> None:
    body = _ADMIN
    cast.admin = Caller.bearing("admin", str(wire.ask("log-in", "POST", "/api-token-auth", body=body).json()["token"]))
    for name in ("ann", "bob"):
        user = {"username": name, "password": WORDS}
        wire.send_ok("POST", "/api/v2/admin/users", cast.admin, user)
        token = str(wire.send_ok("POST", "/api-token-auth", body=user)["token"])
        setattr(cast, name, Caller.bearing(name, token))
    flag = {"flag": "flag_python_endpoint_enabled_users"}
    wire.send_ok("PUT", "/api/v2/admin/flags/{flag}", cast.admin, {"value": True}, at=flag)
    wire.send_ok("POST", "/api/v2/admin/organizations", cast.admin, {"slug": "lab"})
    for name in ("ann", "bob"):
        at = {"slug": "lab", "username": name}
        wire.send_ok("PUT", "/api/v2/o/{slug}/members/{username}", cast.admin, {}, at=at)


def _origins(wire: Wire, cast: Cast) -> None:
    preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    for origin in (NOTEBOOKS, "https://elsewhere.example"):
        wire.ask(
            f"preflight of {origin}", "OPTIONS", RUN, headers={"Origin": origin, **preflight}, at={"dataset_id": "x"}
        )
        wire.ask(f"GET of {origin}", "GET", "/api/v2/users/me", cast.ann, headers={"Origin": origin})
        wire.ask(f"401 of {origin}", "GET", "/api/v2/users/me", headers={"Origin": origin})
        wire.ask(f"404 of {origin}", "GET", "/nowhere", headers={"Origin": origin})
    odd = {"Origin": NOTEBOOKS, "Access-Control-Request-Method": "BREW"}
    wire.ask("preflight of an odd method", "OPTIONS", "/healthz", headers=odd)
    for path in (
        "/",
        "/login",
        "/docs",
        "/graph/graph.html",
        "/healthz",
        "/nowhere",
        "/static/style.css",
        "/openapi.json",
    ):
        wire.ask(f"public {path}", "GET", path, headers={"Accept": "text/html"})
    form = as_form(username="ann", password=WORDS)
    wire.ask("sign in from the wrong origin", "POST", "/login", body=form, headers={"Origin": wire.server.url})
    answer = wire.ask("sign in", "POST", "/login", body=form, headers={"Origin": PUBLIC})
    session, secret = cookies_of(answer)
    browser = Caller(
        "ann's browser", {"Cookie": f"graphistry_jwt={session}; csrftoken={secret}", "X-CSRFToken": secret}
    )
    sources: dict[str, dict[str, str]] = {
        "no source": {},
        "a referer": {"Referer": f"{PUBLIC}/page"},
        "another referer": {"Referer": "https://evil.example/"},
        "an origin": {"Origin": PUBLIC},
        "plain http": {"Origin": PUBLIC.replace("https", "http")},
    }
    for name, headers in sources.items():
        wire.ask(f"post with {name}", "POST", "/api/v2/files", browser, {"file_type": "csv"}, headers=headers)
    wire.ask("pages of files", "GET", "/api/v2/files", cast.ann, query="limit=1")
    forwarded = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "evil.example"}
    wire.ask(
        "forwarded log-in", "POST", "/api-token-auth", body={"username": "ann", "password": "no"}, headers=forwarded
    )
    audit = request_of("GET", "/api/v2/admin/audit", cast.admin, query="action=log_in&limit=1")
    wire.until(audit, lambda answer: "203.0.113.9" in answer.text)
    wire.ask("audit of it", "GET", "/api/v2/admin/audit", cast.admin, query="action=log_in&limit=1")
    wire.ask("sign out", "POST", "/logout", browser, headers={"Origin": PUBLIC})


def _foreign(wire: Wire, cast: Cast, issuer: OtherIssuer) -> None:
    stranger = OtherIssuer()
    made = {
        "good": issuer.token(),
        "new user": issuer.token(sub="new", email="new@example.org", name="New"),
        "name that none can have": issuer.token(sub="a b"),
        "another audience": issuer.token(aud="others"),
        "another key": stranger.token(),
        "expired": issuer.token(exp=1),
        "without a name": issuer.token(sub=None),
    }
    for name, token in made.items():
        caller = Caller.bearing(f"token of another issuer, {name}", token)
        wire.ask(f"other issuer, {name}: me", "GET", "/api/v2/users/me", caller)
        wire.ask(f"other issuer, {name}: refresh", "POST", "/api-token-refresh", body={"token": token})
        wire.ask(f"other issuer, {name}: verify", "POST", "/api-token-verify", body={"token": token})
    caller = Caller.bearing("token of another issuer", made["good"])
    wire.ask("other issuer: key", "POST", "/api/v2/auth/pkey", caller, {})
    wire.ask("other issuer: log out", "POST", "/api/v2/auth/logout", caller)
    wire.ask("other issuer: me, logged out", "GET", "/api/v2/users/me", caller)
    wire.ask("users", "GET", "/api/v2/admin/users", cast.admin)


def _stored(wire: Wire, cast: Cast) -> None:
    ann = cast.ann
    make = "/api/v2/upload/datasets"
    made = wire.ask("make a dataset that expires", "POST", make, ann, {"name": "plot"}).json()["data"]["dataset_id"]
    at = {"dataset_id": str(made), "role": "edges", "file_type": "csv"}
    cast.people = str(made)
    wire.ask("attach", "POST", _ATTACH, ann, Body(CSV), at=at)
    wire.ask("show it", "GET", "/api/v2/datasets/{dataset_id}", ann, at={"dataset_id": cast.people})
    wire.ask(
        "show it to the organization", "GET", "/api/v2/datasets/{dataset_id}", cast.bob, at={"dataset_id": cast.people}
    )
    wire.ask("sharing of it", "GET", "/api/v2/share/link/{dataset_id}", ann, at={"dataset_id": cast.people})
    wire.ask("me", "GET", "/api/v2/users/me", ann)
    too_large = b"s,d\n" + b"a,b\n" * (_UPLOAD_BYTES // 4)
    wire.ask("upload that is too large", "POST", _ATTACH, ann, Body(too_large), at=at)
    wire.ask(
        "upload that is too large, in chunks", "POST", _ATTACH, ann, Body(too_large, in_chunks_of=1_000_000), at=at
    )
    large = gzip.compress(b"s,d\n" + b"aaaaaaaaaa,b\n" * 12_000, mtime=0)
    ids = []
    for number in range(3):
        body = {"file_type": "csv", "file_compression": "gzip", "name": str(number)}
        ids.append(str(wire.send_ok("POST", "/api/v2/files", ann, body)["file_id"]))
        wire.ask(
            f"large file {number}", "POST", "/api/v2/upload/files/{file_id}", ann, Body(large), at={"file_id": ids[-1]}
        )
    made = wire.ask("make of a large file", "POST", make, ann, {"edge_files": ids[:1]}).json()["data"]["dataset_id"]
    wire.ask("run on it", "POST", RUN, ann, _PLAIN, at={"dataset_id": str(made)}, measured=("observed",))
    wire.ask("me, with much stored", "GET", "/api/v2/users/me", ann)
    wire.ask("arrow, much stored", "POST", _ATTACH, ann, Body(ARROW), at={**at, "file_type": "arrow"})


def _runs(wire: Wire, cast: Cast) -> None:
    at = {"dataset_id": cast.people}
    bob = cast.bob
    fields: dict[str, dict[str, Any]] = {
        "cudf": {**_PLAIN, "engine": "cudf"},
        "output": {"execute": "def task(g):\n    print('x' * 100)\n    return 1", "engine": "pandas"},
        "time": {**_PLAIN, "timeout_s": 21},
        "memory": {**_PLAIN, "memory_bytes": 600_000_000},
        "source": {"execute": "#" * 2001},
        "body": {"execute": _PLAIN["execute"], "x": "#" * 20_000},
        "result": {"execute": "def task(g): return 'x' * 100001"},
    }
    for name, body in fields.items():
        answer = wire.ask(f"run: {name}", "POST", RUN, bob, body, at=at)
        if "X-Run-Id" in answer.headers:
            wire.ask(f"receipt: {name}", "GET", "/api/v2/runs/{run_id}", bob, at={"run_id": answer.headers["X-Run-Id"]})
    run_id = "fedcba9876543210" * 2
    body = {"execute": "import time\ndef task(g): time.sleep(15)", "run_id": run_id}
    one = request_of("GET", "/api/v2/runs/{run_id}", bob, at={"run_id": run_id})
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(wire.send_alone, request_of("POST", RUN, bob, body, at=at))
        wire.until(one, lambda answer: answer.status_code == 200 and answer.json()["state"] == "running")
        wire.ask("a run beside another", "POST", RUN, bob, _PLAIN, at=at)
        wire.send(request_of("POST", "/api/v2/runs/{run_id}/cancel", bob, at={"run_id": run_id}))
        run.result()
    for _ in range(4 * _RUNS_A_MINUTE):  # on a slow machine the first are forgotten meanwhile
        answer = wire.send(request_of("POST", RUN, bob, _PLAIN, at=at))
        if answer.status_code == 429:
            break
    wire.ask("a run too many within a minute", "POST", RUN, bob, _PLAIN, at=at)
