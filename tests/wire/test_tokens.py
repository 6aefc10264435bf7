"""Which tokens are accepted, for how long, and with which keys.

Against the live server, where one replica of each kind runs; against the app itself, on a catalog of its own, where a
test needs another configuration. Forgeries are signed with the server's real key, so that exactly one thing is wrong
with each.
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

from auth.tokens import LEEWAY_S
from tests.conftest import PASSWORD, LiveServer, Person
from tests.unit.auth import foreign_tokens as foreign
from tests.unit.http.site import Site
from tests.waiting import WITHIN_S
from tests.wire.tokens import Forger, ask, bearer

pytestmark = pytest.mark.e2e

RUN = {"execute": "def task(g): return 1"}


DAY_S = 86400


@pytest.mark.protocol("1.8")
def test_a_token_is_a_jwt_of_an_hour_that_names_its_user(client: Any, alice: Person) -> None:
    def part(text: str) -> Any:
        return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))

    client.refresh()
    header, claims = map(part, client.api_token().split(".")[:2])
    assert (header["alg"], header["typ"]) == ("HS256", "JWT")
    assert claims["username"] == alice.username
    assert isinstance(claims["user_id"], int)
    assert claims["exp"] - claims["iat"] == pytest.approx(3600, abs=1)
    # a refresh returns the same token while more than half of its life remains
    assert 1800 - 60 <= claims["exp"] - time.time() <= 3600 + 1


# Forgeries


@pytest.fixture(scope="module")
def forge(server: LiveServer, alice: Person) -> Forger:
    return Forger(server, alice)


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


@pytest.mark.claim(25)
@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_token_is_401_and_reaches_no_replica(
    server: LiveServer, forge: Forger, people: str, name: str
) -> None:
    assert ask(server, forge()) == 200  # or the forgeries would prove nothing
    headers = {"Authorization": f"Bearer {FORGERIES[name](forge)}".rstrip()}
    for path in (f"/api/v2/datasets/{people}/python", "/api/v2/files/"):
        answer = httpx.post(server.url + path, json=RUN, headers=headers, trust_env=False)
        assert (answer.status_code, answer.json()["type"]) == (401, "Unauthenticated")
        assert answer.headers["www-authenticate"] == "Bearer"
        assert not {"x-run-id", "server-timing"} & set(answer.headers)  # no runner has heard of it


@pytest.mark.claim(25)
@pytest.mark.parametrize("name", [name for name in FORGERIES if name != "empty"])
def test_a_forged_token_is_neither_verified_nor_refreshed(server: LiveServer, forge: Forger, name: str) -> None:
    body = {"token": FORGERIES[name](forge)}
    assert httpx.post(f"{server.url}/api/v2/auth/token/refresh", json=body, trust_env=False).status_code == 401
    assert httpx.post(f"{server.url}/api-token-verify/", json=body, trust_env=False).status_code == 400


@pytest.mark.claim(25)
def test_a_token_of_a_megabyte_is_refused_before_it_is_looked_at(server: LiveServer, forge: Forger) -> None:
    """In a header it is HAProxy that refuses, as it does any head over 16 KiB (400); in a body it is we."""
    huge = forge(note="x" * 1_000_000)
    assert ask(server, huge) == 400
    assert httpx.post(f"{server.url}/api-token-refresh/", json={"token": huge}, trust_env=False).status_code in (
        401,
        413,
    )


@pytest.mark.claim(25)
def test_a_public_key_is_no_secret(tmp_path: Path) -> None:
    """HS256 with the bytes of a foreign issuer's public key, against an app that knows that key."""
    key_file = tmp_path / "public.pem"
    key_file.write_bytes(foreign.public_pem(foreign.RSA))
    site = open_site(tmp_path, key_file=key_file)
    assert site.browser().get("/api/v2/datasets/", headers=bearer(foreign.token(None))).status_code == 200
    for token in (foreign.hmac_with_public_key(), foreign.FORGERIES["alg none"]()):
        assert site.browser().get("/api/v2/datasets/", headers=bearer(token)).status_code == 401
    site.close()


def open_site(folder: Path, **issuer: Any) -> Site:
    """Return an app that accepts tokens of another issuer for any user."""
    told = {"issuer": foreign.ISSUER, "audience": foreign.AUDIENCE, "auto_create": True, **issuer}
    return Site.open(folder / "data", foreign_tokens=told)


# Lifetime, issuer and audience


@pytest.mark.claim(26)
def test_exp_nbf_and_iat_are_enforced_with_at_most_30_s_of_leeway(server: LiveServer, forge: Forger) -> None:
    assert LEEWAY_S <= 30
    for claim, sign in (("exp", -1), ("nbf", 1), ("iat", 1)):
        now = int(time.time())
        assert ask(server, forge(**{claim: now + sign * (LEEWAY_S + 2)})) == 401, claim
        assert ask(server, forge(**{claim: now + sign * (LEEWAY_S - 3)})) == 200, claim
        assert ask(server, forge(**{claim: now + sign * 31})) == 401, claim


@pytest.mark.claim(26)
@pytest.mark.parametrize("change", [{"iss": "https://other.example"}, {"iss": ...}, {"aud": "other"}, {"aud": ...}])
def test_issuer_and_audience_are_required_if_configured(tmp_path: Path, change: dict[str, Any]) -> None:
    key_file = tmp_path / "public.pem"
    key_file.write_bytes(foreign.public_pem(foreign.RSA))
    site = open_site(tmp_path, key_file=key_file)
    assert site.browser().get("/api/v2/datasets/", headers=bearer(foreign.token(None))).status_code == 200
    assert site.browser().get("/api/v2/datasets/", headers=bearer(foreign.token(None, **change))).status_code == 401
    site.close()


@pytest.mark.claim(26)
def test_the_servers_own_tokens_name_it_as_issuer(server: LiveServer, forge: Forger) -> None:
    assert [ask(server, forge(iss=issuer)) for issuer in ("other", ...)] == [401, 401]


# Keys that sign


@pytest.mark.claim(27)
def test_a_key_of_less_than_256_bits_starts_no_server(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GRAPHSIDE_", "RAY_"))}
    environment |= {"GRAPHSIDE_DATA": str(tmp_path / "data"), "GRAPHSIDE_JWT_SECRET": "x" * 31}
    ended = subprocess.run(
        [sys.executable, "-m", "deployments.launch"], env=environment, capture_output=True, text=True, timeout=WITHIN_S
    )
    assert ended.returncode != 0
    assert "256 bits" in ended.stderr
    assert "x" * 31 not in ended.stdout + ended.stderr


@pytest.mark.claim(27)
def test_two_keys_are_accepted_while_one_replaces_the_other(tmp_path: Path) -> None:
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


@pytest.mark.claim(27)
def test_no_key_is_a_constant(server: LiveServer, tmp_path: Path) -> None:
    keys = [(server.data / "keys/jwt.key").read_bytes()]
    for name in ("one", "two"):
        site = Site.open(tmp_path / name)
        keys.append((tmp_path / name / "keys/jwt.key").read_bytes())
        site.close()
    assert len(set(keys)) == 3
    assert min(map(len, keys)) >= 32
