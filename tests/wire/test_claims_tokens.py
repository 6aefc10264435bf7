"""Claims about tokens and keys that reviewers ask for by number (25 to 27), each shown over HTTP.

Against the live server, where one replica of each kind runs; against the app itself, on a catalog of its own, where a
claim needs another configuration. Forgeries are signed with the server's real key, so that what is
wrong with them is one thing only.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from auth.signing_key import SigningKey
from auth.tokens import LEEWAY_S
from tests.conftest import PASSWORD, LiveServer, Person
from tests.unit.auth import foreign_tokens as foreign
from tests.unit.auth.forged_tokens import sealed
from tests.unit.http.site import Site

pytestmark = pytest.mark.e2e

RUN = {"execute": "def task(g): return 1"}
DAY_S = 86400


def encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def decoded(part: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


class Forger:
    """Somebody who has the server's key, and a good token to change."""

    def __init__(self, server: LiveServer, person: Person) -> None:
        self.key = (server.data / "keys/jwt.key").read_text().strip()
        head, body, _ = person.token.split(".")
        self.header, self.claims = decoded(head), decoded(body)
        assert self.header["kid"] == SigningKey(self.key).id

    def __call__(self, header: Any = None, secret: Any = "", **claims: Any) -> str:
        """A token with another header, other claims (... removes one) or another key."""
        said = {name: value for name, value in {**self.claims, **claims}.items() if value is not ...}
        head = {name: value for name, value in {**self.header, **(header or {})}.items() if value is not ...}
        parts = encoded(json.dumps(head).encode()), encoded(json.dumps(said).encode())
        return sealed(*parts, secret or self.key)

    def doubled(self) -> str:
        """The user's id stands twice in it."""
        body = json.dumps(self.claims).replace('"user_id":', '"user_id": 1, "user_id":', 1)
        return sealed(encoded(json.dumps(self.header).encode()), encoded(body.encode()), self.key)


@pytest.fixture(scope="module")
def forge(server: LiveServer, alice: Person) -> Forger:
    return Forger(server, alice)


def ask(server: LiveServer, token: str, path: str = "/api/v2/datasets/") -> int:
    return httpx.get(server.url + path, headers={"Authorization": f"Bearer {token}"}, trust_env=False).status_code


FORGERIES: dict[str, Callable[[Forger], str]] = {
    "alg none": lambda forge: forge({"alg": "none"}).rpartition(".")[0] + ".",
    "alg none, signed": lambda forge: forge({"alg": "none"}),
    "HS256 called RS256": lambda forge: forge({"alg": "RS256"}),
    "HS256 called HS512": lambda forge: forge({"alg": "HS512"}),
    "typ of an access token": lambda forge: forge({"typ": "at+jwt"}),
    "no typ": lambda forge: forge({"typ": ...}),
    "an unknown kid": lambda forge: forge({"kid": "0" * 16}),
    "a kid that is a path": lambda forge: forge({"kid": "../../../dev/null"}),
    "no kid": lambda forge: forge({"kid": ...}),
    "jku": lambda forge: forge({"jku": "http://127.0.0.1:9/keys"}),
    "x5u": lambda forge: forge({"x5u": "http://127.0.0.1:9/cert"}),
    "jwk": lambda forge: forge({"jwk": {"kty": "oct", "k": "AAAA"}}),
    "another key": lambda forge: forge(secret="f" * 48),
    "a claim twice": lambda forge: forge.doubled(),
    "empty": lambda _: "",
    "8 KB": lambda forge: forge(note="x" * 6000),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_claim_25_tokens_that_are_not_ours_are_401_and_reach_no_replica(
    server: LiveServer, forge: Forger, people: str, name: str
) -> None:
    assert ask(server, forge()) == 200  # or the forgeries would prove nothing
    headers = {"Authorization": f"Bearer {FORGERIES[name](forge)}".rstrip()}
    for path in (f"/api/v2/datasets/{people}/python", "/api/v2/files/"):
        answer = httpx.post(server.url + path, json=RUN, headers=headers, trust_env=False)
        assert (answer.status_code, answer.json()["type"]) == (401, "Unauthenticated")
        assert answer.headers["www-authenticate"] == "Bearer"
        assert not {"x-run-id", "server-timing"} & set(answer.headers)  # no runner has heard of it


@pytest.mark.parametrize("name", [name for name in FORGERIES if name != "empty"])
def test_claim_25_they_are_neither_verified_nor_refreshed(server: LiveServer, forge: Forger, name: str) -> None:
    body = {"token": FORGERIES[name](forge)}
    assert httpx.post(f"{server.url}/api/v2/auth/token/refresh", json=body, trust_env=False).status_code == 401
    assert httpx.post(f"{server.url}/api-token-verify/", json=body, trust_env=False).status_code == 400


def test_claim_25_a_megabyte_is_refused_before_it_is_looked_at(server: LiveServer, forge: Forger) -> None:
    """In a header it is HAProxy that refuses, as it does any head over 16 KiB (400); in a body it is we."""
    huge = forge(note="x" * 1_000_000)
    assert ask(server, huge) == 400
    assert httpx.post(f"{server.url}/api-token-refresh/", json={"token": huge}, trust_env=False).status_code in (
        401,
        413,
    )


def test_claim_25_a_public_key_is_no_secret(tmp_path: Path) -> None:
    """HS256 with the bytes of a foreign issuer's public key, against an app that knows that key."""
    key_file = tmp_path / "public.pem"
    key_file.write_bytes(foreign.public_pem(foreign.RSA))
    site = open_site(tmp_path, key_file=key_file)
    assert site.browser().get("/api/v2/datasets/", headers=bearer(foreign.token(None))).status_code == 200
    for token in (foreign.hmac_with_public_key(), foreign.FORGERIES["alg none"]()):
        assert site.browser().get("/api/v2/datasets/", headers=bearer(token)).status_code == 401
    site.close()


def open_site(folder: Path, **issuer: Any) -> Site:
    """An app that takes tokens of another issuer, whoever they name."""
    told = {"issuer": foreign.ISSUER, "audience": foreign.AUDIENCE, "auto_create": True, **issuer}
    return Site.open(folder / "data", foreign_tokens=told)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_claim_26_exp_nbf_and_iat_are_enforced_with_at_most_30_s_of_leeway(server: LiveServer, forge: Forger) -> None:
    assert LEEWAY_S <= 30
    for claim, sign in (("exp", -1), ("nbf", 1), ("iat", 1)):
        now = int(time.time())
        assert ask(server, forge(**{claim: now + sign * (LEEWAY_S + 2)})) == 401, claim
        assert ask(server, forge(**{claim: now + sign * (LEEWAY_S - 3)})) == 200, claim
        assert ask(server, forge(**{claim: now + sign * 31})) == 401, claim


def test_claim_26_a_token_is_refreshed_before_it_expires_and_within_a_day_of_its_log_in(
    server: LiveServer, forge: Forger
) -> None:
    def refreshed(**claims: Any) -> httpx.Response:
        return httpx.post(f"{server.url}/api/v2/auth/token/refresh", json={"token": forge(**claims)}, trust_env=False)

    now = int(time.time())
    dying = {"exp": now - 2}  # nothing of its life remains but the leeway, so a new one is made
    new = refreshed(**dying).json()["token"]
    assert (ask(server, new), new == forge(**dying)) == (200, False)
    for over in ({"exp": now - LEEWAY_S - 2}, {**dying, "orig_iat": now - DAY_S - LEEWAY_S - 60}):
        answer = refreshed(**over)
        assert (answer.status_code, answer.json()["non_field_errors"]) == (401, ["Token has expired."])


@pytest.mark.parametrize("change", [{"iss": "https://other.example"}, {"iss": ...}, {"aud": "other"}, {"aud": ...}])
def test_claim_26_issuer_and_audience_are_required_where_they_are_configured(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    key_file = tmp_path / "public.pem"
    key_file.write_bytes(foreign.public_pem(foreign.RSA))
    site = open_site(tmp_path, key_file=key_file)
    assert site.browser().get("/api/v2/datasets/", headers=bearer(foreign.token(None))).status_code == 200
    assert site.browser().get("/api/v2/datasets/", headers=bearer(foreign.token(None, **change))).status_code == 401
    site.close()


def test_claim_26_our_own_tokens_name_us(server: LiveServer, forge: Forger) -> None:
    assert [ask(server, forge(iss=issuer)) for issuer in ("other", ...)] == [401, 401]


def test_claim_27_a_key_of_less_than_256_bits_starts_no_server(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GRAPHSIDE_", "RAY_"))}
    environment |= {"GRAPHSIDE_DATA": str(tmp_path / "data"), "GRAPHSIDE_JWT_SECRET": "x" * 31}
    ended = subprocess.run(
        [sys.executable, "-m", "deployments.launch"], env=environment, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode != 0
    assert "256 bits" in ended.stderr
    assert "x" * 31 not in ended.stdout + ended.stderr


def test_claim_27_two_keys_are_accepted_while_one_replaces_the_other(tmp_path: Path) -> None:
    """What an operator does, with a restart after each step; the third one deletes the old key."""

    def start() -> Site:
        return Site.open(tmp_path / "data")

    def statuses(site: Site, *tokens: str) -> list[int]:
        return [site.browser().get("/api/v2/datasets/", headers=bearer(token)).status_code for token in tokens]

    def log_in(site: Site) -> str:
        answer = site.browser().post("/api-token-auth/", json={"username": "ann", "password": PASSWORD})
        return str(answer.json()["token"])

    site = start()
    site.user("ann")
    old = log_in(site)
    site.close()
    key = tmp_path / "data/keys/jwt.key"
    key.rename(key.with_name("jwt.previous.key"))

    site = start()
    new = log_in(site)
    assert new.split(".")[0] != old.split(".")[0]  # another kid
    assert statuses(site, old, new) == [200, 200]
    site.close()
    key.with_name("jwt.previous.key").unlink()

    site = start()
    assert statuses(site, old, new) == [401, 200]
    site.close()


def test_claim_27_no_key_is_a_constant(server: LiveServer, tmp_path: Path) -> None:
    keys = [(server.data / "keys/jwt.key").read_bytes()]
    for name in ("one", "two"):
        site = Site.open(tmp_path / name)
        keys.append((tmp_path / name / "keys/jwt.key").read_bytes())
        site.close()
    assert len(set(keys)) == 3
    assert min(map(len, keys)) >= 32
