"""What tokens and accounts promise, each shown once from outside; most of it is numbered (tests/claims.py)."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from auth.errors import TokenExpired, TokenInvalid, Unauthenticated, WeakSecret
from auth.passwords import Passwords
from auth.principal import Principal
from auth.signing_key import SigningKey, load_or_make_key
from auth.tokens import LEEWAY_S, Tokens
from auth.users import Users
from deployments.calls.runner_client import RunnerClient
from deployments.ingress.credentials import Credentials
from deployments.ingress.services import Services
from deployments.ingress.snapshot import Snapshot
from tests.unit.auth import foreign_tokens as foreign
from tests.unit.auth import forged_tokens as ours
from tests.unit.http.site import PASSWORD, Browser, Site
from tests.waiting import WITHIN_S

RUN = f"/api/v2/datasets/{'0' * 32}/python"


class Runners:
    """Counts what reaches it."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        self.calls.append(name)
        raise AssertionError(f"a replica was asked to {name}")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    opened = Site.open(tmp_path / "data")
    for username in ("ann", "bob"):
        opened.user(username)
    yield opened
    opened.close()


def sign_in(client: Browser, username: str, password: str = PASSWORD) -> Any:
    return client.post("/api-token-auth/", json={"username": username, "password": password})


def headers_of(client: Browser, username: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {sign_in(client, username).json()['token']}"}


@pytest.mark.claim(25)
def test_bad_tokens_are_401_and_none_reaches_a_replica(tmp_path: Path) -> None:
    key_file = tmp_path / "jwt.key"
    key_file.write_text(ours.SECRET)
    key_file.chmod(0o600)
    site = Site.open(tmp_path / "data", jwt_key_file=key_file)
    runners = Runners()
    client = Site(replace(site.services, runners=cast(RunnerClient, runners))).browser()
    for name, forge in ours.FORGERIES.items():
        token = forge()
        if not token.isascii() or not token or token != token.strip():
            continue  # a header does not carry it so
        answer = client.post(
            RUN, json={"execute": "def task(g): return 1"}, headers={"Authorization": f"Bearer {token}"}
        )
        assert answer.status_code == 401, name
        assert answer.json()["error"] == "the token is not valid", name
        assert answer.headers["www-authenticate"] == "Bearer"
    assert runners.calls == []
    site.close()


@pytest.mark.claim(26)
def test_times_issuer_and_audience_are_enforced_and_refresh_ends() -> None:
    tokens = Tokens(SigningKey(ours.SECRET), "graphside", ours.LIFETIME_S)
    assert LEEWAY_S <= 30
    now = int(time.time())
    for claim, error in (("exp", TokenExpired), ("nbf", TokenInvalid), ("iat", TokenInvalid)):
        sign = -1 if claim == "exp" else 1
        beyond: dict[str, Any] = {claim: now + sign * (LEEWAY_S + 2)}
        with pytest.raises(error):
            tokens.verify(ours.signed(**beyond))
        within: dict[str, Any] = {claim: now + sign * (LEEWAY_S - 3)}
        tokens.verify(ours.signed(**within))
    wrongs: tuple[dict[str, Any], ...] = ({"iss": "other"}, {"iss": ...}, {"aud": "other"})
    for wrong in wrongs:
        with pytest.raises(TokenInvalid):
            tokens.verify(ours.signed(**wrong))
    for name in ("another issuer", "no issuer", "another audience", "no audience"):
        assert name in foreign.FORGERIES  # each refused there
    with pytest.raises(TokenExpired):
        tokens.refresh(ours.aged(ours.LIFETIME_S + 60), ours.ANN)
    with pytest.raises(TokenExpired):
        tokens.refresh(ours.aged(ours.LIFETIME_S / 2 + 30, orig_age_s=86400 + 60), ours.ANN)


@pytest.mark.claim(27)
def test_keys_have_256_bits_two_are_accepted_and_none_is_a_constant(tmp_path: Path) -> None:
    with pytest.raises(WeakSecret):
        SigningKey(b"x" * 31)
    made = [load_or_make_key(tmp_path / name / "jwt.key") for name in "ab"]
    assert made[0].reveal() != made[1].reveal()
    old = Tokens(made[0], "graphside", 60).issue(ours.ANN)
    assert Tokens(made[1], "graphside", 60, previous_key=made[0]).verify(old).user_id == ours.ANN.user_id
    with pytest.raises(TokenInvalid):
        Tokens(made[1], "graphside", 60).verify(old)


def log_out(services: Services, token: str) -> None:
    claims = services.tokens.verify(token)
    services.credentials.revocations.end(claims.session, services.tokens.last_of_session(claims))


ENDINGS: dict[str, Callable[[Services, str], object]] = {
    "disabled": lambda services, _: services.users.disable("ann"),
    "a new password": lambda services, _: services.users.set_password("ann", "another horse"),
    "logged out": log_out,
    "logged out by an administrator": lambda services, _: services.users.end_sessions("ann"),
}


@pytest.mark.claim(28)
@pytest.mark.anyio
@pytest.mark.parametrize("end", ENDINGS.values(), ids=ENDINGS.keys())
async def test_older_tokens_are_refused_within_5_s_on_every_replica(
    site: Site, end: Callable[[Services, str], object]
) -> None:
    services = site.services
    token = services.tokens.issue(services.users.get("ann"))
    snapshot = Snapshot(services.catalog, services.threads)
    replica: Credentials = replace(services.credentials, snapshot=snapshot)
    snapshot.start()
    assert (await replica.principal_of(token)).username == "ann"
    await asyncio.to_thread(end, services, token)  # as another process does: this replica is not told
    async with asyncio.timeout(WITHIN_S):
        with pytest.raises(Unauthenticated):
            while await replica.principal_of(token):
                await asyncio.sleep(0.01)


@pytest.mark.claim(29)
def test_refusals_have_the_right_status_and_help_nobody_guess(site: Site) -> None:
    client = site.browser()
    ann = headers_of(client, "ann")
    assert client.get("/api/v2/admin/users/").status_code == 401
    assert client.get("/api/v2/admin/users/", headers={"Authorization": "Bearer x.y.z"}).status_code == 401
    assert client.get("/api/v2/admin/users/", headers=ann).status_code == 403
    site.services.users.disable("bob")
    bodies = [sign_in(client, username, "wrong horse").json() for username in ("ann", "bob", "nobody", "a b")]
    assert all(body.pop("request_id") for body in bodies)
    assert bodies[1:] == bodies[:-1]
    assert bodies[0]["non_field_errors"] == ["Unable to log in with provided credentials."]


@pytest.mark.claim(29)
def test_unknown_user_and_wrong_password_take_the_same_time(site: Site) -> None:
    users = Users(site.services.catalog, Passwords(time_cost=3, memory_cost_kib=16 * 1024))
    users.set_password("ann", PASSWORD)

    def cpu_s(username: str) -> float:
        start = time.thread_time()
        with pytest.raises(Exception, match="Unable"):
            users.authenticate(username, "wrong horse")
        return time.thread_time() - start

    pairs = [(cpu_s("ann"), cpu_s("nobody")) for _ in range(5)]
    known, unknown = (min(times) for times in zip(*pairs, strict=True))  # what is left without others' noise
    assert unknown == pytest.approx(known, rel=0.5), "one of them is hashed and the other is not"


@pytest.mark.claim(35)
def test_anothers_key_is_as_absent_as_none(site: Site) -> None:
    client = site.browser()
    ann, bob = headers_of(client, "ann"), headers_of(client, "bob")
    key_id = client.post("/api/v2/auth/pkey/", json={}, headers=ann).json()["id"]
    answers = [client.delete(f"/api/v2/auth/pkey/{one}/", headers=bob) for one in (key_id, "0" * 32)]
    bodies = [answer.text.replace(key_id, "0" * 32) for answer in answers]
    ids = [answer.headers["x-request-id"] for answer in answers]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert bodies[0].replace(ids[0], "") == bodies[1].replace(ids[1], "")


@pytest.mark.claim(37)
@pytest.mark.anyio
async def test_hashing_leaves_the_event_loop_free_and_the_eleventh_failure_is_429(site: Site) -> None:
    users = Users(site.services.catalog, Passwords(time_cost=3, memory_cost_kib=32 * 1024))
    users.set_password("ann", PASSWORD)
    credentials = replace(site.services.credentials, users=users)
    failures, turns = [], 0
    for _ in range(11):
        log_in = asyncio.create_task(credentials.sign_in("ann", "wrong horse", "203.0.113.9"))
        while not log_in.done():
            turns += 1
            await asyncio.sleep(0.001)
        failures.append(type(log_in.exception()).__name__)
    assert failures == ["InvalidCredentials"] * 10 + ["TooManyAttempts"]
    assert turns > 50  # the loop went round all the while


@pytest.mark.claim(38)
def test_each_log_in_and_refusal_leaves_a_line_without_secrets(site: Site) -> None:
    client = site.browser()
    token = sign_in(client, "ann").json()["token"]
    sign_in(client, "ann\nlog_in ok root", "hunter2\n")
    sign_in(client, "ann", "hunter2")
    client.get("/api/v2/admin/users/", headers={"Authorization": f"Bearer {token}"})
    assert site.services.audit.flush()
    count, lines = site.services.audit.list(100, 0)
    assert count == 4
    assert [line.outcome for line in reversed(lines)] == ["ok", "refused", "refused", "refused"]
    for line in lines:
        assert line.at.utcoffset() is not None
        assert not {"\n", "hunter2", token} & {line.actor, line.target, line.address, str(line.detail)}
    assert token not in repr(lines)
    assert "hunter2" not in repr(lines)


def test_a_principal_shows_no_secret() -> None:
    assert set(Principal.__dataclass_fields__) == {"user_id", "username", "email", "name", "is_admin"}
