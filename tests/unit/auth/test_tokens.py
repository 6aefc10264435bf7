"""A token counts only if we signed it, for this server, not long ago. All forgeries read alike."""

import base64
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest

from auth.errors import TokenExpired, TokenInvalid
from auth.principal import Principal
from auth.tokens import SigningKey, Tokens, bearer

SECRET = "0123456789abcdef0123456789abcdef"
ANN = Principal(user_id=7, username="ann", email="ann@example.com", name="Ann", is_admin=False)
BOB = Principal(user_id=8, username="bob", email="", name="", is_admin=True)
KID = SigningKey(SECRET).id
LIFETIME_S = 3600

Payload = dict[str, Any]


@pytest.fixture
def tokens() -> Tokens:
    return Tokens(SigningKey(SECRET), issuer="graphside", lifetime_s=LIFETIME_S)


def payload(**changes: object) -> Payload:
    """What a good token says, with changes; ... removes a claim."""
    now = int(time.time())
    claims: Payload = {
        "iss": "graphside",
        "user_id": 7,
        "username": "ann",
        "email": "ann@example.com",
        "iat": now,
        "orig_iat": now,
        "exp": now + LIFETIME_S,
        "jti": "1",
        "sid": "1",
    }
    return {name: value for name, value in (claims | changes).items() if value is not ...}


def signed(header: Payload | None = None, secret: str = SECRET, digest: str = "sha256", **changes: object) -> str:
    """A token made by hand, so that a library's scruples do not keep us from forging. ``header`` ... removes."""

    def part(content: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")

    head: Payload = {"alg": "HS256", "typ": "JWT", "kid": KID} | (header or {})
    return sealed(
        part({name: value for name, value in head.items() if value is not ...}),
        part(payload(**changes)),
        secret,
        digest,
    )


def sealed(header: str, body: str, secret: str = SECRET, digest: str = "sha256") -> str:
    text = f"{header}.{body}"
    mac = hmac.new(secret.encode(), text.encode(), digest).digest()
    return f"{text}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"


def doubled(old: bytes, new: bytes) -> str:
    """A well-signed token in which ``old`` became ``new``, in the header or in the payload."""
    parts = [base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in signed().split(".")[:2]]
    changed = [base64.urlsafe_b64encode(part.replace(old, new)).decode().rstrip("=") for part in parts]
    return sealed(changed[0], changed[1])


def nested(depth: int) -> str:
    return base64.urlsafe_b64encode(b"[" * depth).decode().rstrip("=") + ".e30.e30"


def flip_payload(token: str) -> str:
    head, body, mac = token.split(".")
    decoded = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)).replace(b'"user_id": 7', b'"user_id": 1')
    return f"{head}.{base64.urlsafe_b64encode(decoded).decode().rstrip('=')}.{mac}"


def test_a_token_made_by_hand_is_as_good_as_an_issued_one(tokens: Tokens) -> None:
    assert tokens.verify(signed()).user_id == 7  # or the forgeries below would prove nothing


def test_an_issued_token_says_who_and_until_when(tokens: Tokens) -> None:
    before = time.time()
    claims = tokens.verify(tokens.issue(ANN))
    after = time.time()
    assert (claims.user_id, claims.username, claims.email) == (7, "ann", "ann@example.com")
    assert before - 1e-5 <= claims.issued_at <= after + 1e-5
    assert claims.first_issued_at == int(claims.issued_at)
    assert claims.expires_at == int(claims.issued_at) + LIFETIME_S


def test_its_claims_are_those_that_clients_know(tokens: Tokens) -> None:
    token = tokens.issue(ANN)
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT", "kid": KID}
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims.keys() == {"user_id", "username", "email", "exp", "iat", "orig_iat", "jti", "sid", "iss"}
    assert claims["exp"] == int(claims["exp"])


def test_no_two_tokens_are_alike(tokens: Tokens) -> None:
    made = [tokens.issue(ANN) for _ in range(50)]
    assert len({tokens.verify(token).jti for token in made}) == 50


FORGERIES: dict[str, Callable[[], str]] = {
    "empty": lambda: "",
    "no dots": lambda: "abc",
    "two parts": lambda: signed().rpartition(".")[0],
    "four parts": lambda: signed() + ".e30",
    "not base64": lambda: "!.!.!",
    "not ascii": lambda: signed() + "é",
    "a lone surrogate": lambda: signed() + "\ud800",
    "a header of lists": lambda: nested(1),
    "a header nested deeply": lambda: nested(5000),
    "1 MB": lambda: signed(note="x" * 1_000_000),
    "a little over the limit": lambda: signed(note="x" * 6000),
    "tampered payload": lambda: flip_payload(signed()),
    "tampered signature": lambda: signed()[:-6] + "AAAAAA",
    "no signature": lambda: signed().rpartition(".")[0] + ".",
    "another key": lambda: signed(secret="f" * 32),
    "alg none": lambda: jwt.encode(payload(), "", algorithm="none", headers={"kid": KID}),
    "alg None": lambda: signed(header={"alg": "None", "typ": "JWT"}).rpartition(".")[0] + ".",
    "alg none with a signature": lambda: signed(header={"alg": "none", "typ": "JWT"}),
    "no alg": lambda: signed(header={"alg": ...}),
    "alg hs256": lambda: signed(header={"alg": "hs256", "typ": "JWT"}),
    "HS512 with our key": lambda: signed(header={"alg": "HS512", "typ": "JWT"}, digest="sha512"),
    "HS384 with our key": lambda: signed(header={"alg": "HS384", "typ": "JWT"}, digest="sha384"),
    "RS256 signed as HS256": lambda: signed(header={"alg": "RS256", "typ": "JWT"}),
    "ES256 signed as HS256": lambda: signed(header={"alg": "ES256", "typ": "JWT"}),
    "typ of an id token": lambda: signed(header={"alg": "HS256", "typ": "at+jwt"}),
    "no typ": lambda: signed(header={"typ": ...}),
    "a critical extension": lambda: signed(header={"alg": "HS256", "typ": "JWT", "crit": ["x"], "x": 1}),
    "unencoded payload": lambda: signed(header={"alg": "HS256", "typ": "JWT", "crit": ["b64"], "b64": False}),
    "no kid": lambda: signed(header={"kid": ...}),
    "an unknown kid": lambda: signed(header={"kid": "0" * 16}),
    "a kid of numbers": lambda: signed(header={"kid": 1}),
    "a kid that is a path": lambda: signed(header={"kid": "../../dev/null"}),
    "a list as kid": lambda: signed(header={"kid": [KID]}),
    "jku": lambda: signed(header={"jku": "https://evil.example/jwks"}),
    "x5u": lambda: signed(header={"x5u": "https://evil.example/cert"}),
    "jwk": lambda: signed(header={"jwk": {"kty": "oct", "k": "AAAA"}}),
    "a header that nobody needs": lambda: signed(header={"cty": "JWT"}),
    "a claim twice": lambda: doubled(b'"user_id": 7', b'"user_id": 7, "user_id": 1'),
    "a header member twice": lambda: doubled(b'"typ": "JWT"', b'"typ": "JWT", "typ": "JWT"'),
    "padding": lambda: signed().replace(".", "=.", 1),
    "blanks around": lambda: f" {signed()} ",
    "no sid": lambda: signed(sid=...),
    "sid a number": lambda: signed(sid=1),
    "pkey a number": lambda: signed(pkey=1),
    "wrong issuer": lambda: signed(iss="graphsidf"),
    "issuers in a list": lambda: signed(iss=["graphside"]),
    "no issuer": lambda: signed(iss=...),
    "for another audience": lambda: signed(aud="elsewhere"),
    "no exp": lambda: signed(exp=...),
    "no iat": lambda: signed(iat=...),
    "no orig_iat": lambda: signed(orig_iat=...),
    "no jti": lambda: signed(jti=...),
    "no user_id": lambda: signed(user_id=...),
    "no username": lambda: signed(username=...),
    "exp null": lambda: signed(exp=None),
    "exp a text": lambda: signed(exp="tomorrow"),
    "exp infinite": lambda: signed(exp=float("inf")),
    "exp not a number": lambda: signed(exp=float("nan")),
    "iat a text": lambda: signed(iat="now"),
    "iat in the future": lambda: signed(iat=int(time.time()) + 60),
    "iat infinite": lambda: signed(iat=float("inf")),
    "nbf in the future": lambda: signed(nbf=int(time.time()) + 60),
    "jti a number": lambda: signed(jti=1),
    "user_id a text": lambda: signed(user_id="7"),
    "user_id a truth": lambda: signed(user_id=True),
    "user_id a fraction": lambda: signed(user_id=7.5),
    "user_id null": lambda: signed(user_id=None),
    "username a list": lambda: signed(username=["ann"]),
    "email a number": lambda: signed(email=1),
    "orig_iat a text": lambda: signed(orig_iat="then"),
    "orig_iat infinite": lambda: signed(orig_iat=float("inf")),
    "expired and forged": lambda: signed(exp=1, secret="f" * 32),
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES.keys())
def test_a_forgery_is_invalid(tokens: Tokens, forge: Callable[[], str]) -> None:
    with pytest.raises(TokenInvalid) as raised:
        tokens.verify(forge())
    assert raised.value.message == "The token is not valid."
    assert SECRET not in repr(raised.value) + raised.value.reason


@pytest.mark.parametrize(("ago_s", "counts"), [(-1, True), (3, True), (7, False), (86400, False)])
def test_a_token_counts_until_it_expires_give_or_take_5_s(tokens: Tokens, ago_s: int, counts: bool) -> None:
    token = signed(exp=int(time.time()) - ago_s)
    if counts:
        assert tokens.verify(token).user_id == 7
    else:
        with pytest.raises(TokenExpired, match=r"^Token has expired\.$"):
            tokens.verify(token)


def test_a_token_that_was_verified_before_still_expires(tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    token = tokens.issue(ANN)
    assert tokens.verify(token) == tokens.verify(token)
    for later_s, error in ((LIFETIME_S + 6, TokenExpired), (-60, TokenInvalid)):
        monkeypatch.setattr("auth.tokens.time.time", lambda later_s=later_s: now + later_s)
        with pytest.raises(error):
            tokens.verify(token)
    monkeypatch.setattr("auth.tokens.time.time", lambda: now + LIFETIME_S + 4)
    assert tokens.verify(token).user_id == ANN.user_id


def test_that_a_token_was_verified_vouches_for_no_other(tokens: Tokens) -> None:
    token = tokens.issue(ANN)
    assert tokens.verify(token).user_id == ANN.user_id
    start, _, signature = token.rpartition(".")
    first = "A" if signature[0] != "A" else "B"
    for other in (f"{start}.{first}{signature[1:]}", f"{start}.", token + "A", token + " ", "\ud800" + token):
        for _ in range(2):
            with pytest.raises(TokenInvalid):
                tokens.verify(other)


def test_few_tokens_are_remembered_and_none_as_it_came(tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auth.tokens.MOST_REMEMBERED", 3)
    issued = [tokens.issue(ANN) for _ in range(10)]
    for token in issued:
        assert tokens.verify(token).user_id == ANN.user_id
        with pytest.raises(TokenInvalid):
            tokens.verify(token[:-4])
        assert len(tokens._verified) <= 3
        assert token not in repr(vars(tokens))


def aged(age_s: float, orig_age_s: float | None = None) -> str:
    """A token of ANN that was issued so long ago."""
    now = time.time()
    orig = now - (age_s if orig_age_s is None else orig_age_s)
    return signed(iat=now - age_s, orig_iat=int(orig), exp=int(now - age_s + LIFETIME_S))


@pytest.mark.parametrize("age_s", [0, 60, LIFETIME_S / 2 - 30])
def test_refreshing_a_young_token_gives_the_same_string(tokens: Tokens, age_s: float) -> None:
    token = aged(age_s)
    assert tokens.refresh(token, ANN) == token


@pytest.mark.parametrize("age_s", [LIFETIME_S / 2 + 30, LIFETIME_S - 30])
def test_refreshing_an_old_token_gives_a_new_one_of_the_same_log_in(tokens: Tokens, age_s: float) -> None:
    token = aged(age_s, orig_age_s=80_000)
    renewed = tokens.refresh(token, ANN)
    assert renewed != token
    old, new = tokens.verify(token), tokens.verify(renewed)
    assert new.first_issued_at == old.first_issued_at
    assert new.issued_at > old.issued_at
    assert new.jti != old.jti
    assert new.session == old.session
    assert new.expires_at > time.time() + LIFETIME_S - 30


def test_a_chain_of_refreshes_ends_a_day_after_the_log_in(tokens: Tokens) -> None:
    with pytest.raises(TokenExpired):
        tokens.refresh(aged(LIFETIME_S / 2 + 30, orig_age_s=86400 + 60), ANN)


def test_what_does_not_count_cannot_be_refreshed(tokens: Tokens) -> None:
    with pytest.raises(TokenExpired):
        tokens.refresh(aged(LIFETIME_S + 60), ANN)
    with pytest.raises(TokenInvalid):
        tokens.refresh(flip_payload(signed()), ANN)
    with pytest.raises(TokenInvalid):
        tokens.refresh(signed(), BOB)


def test_a_new_key_signs_and_the_one_of_before_still_verifies(tokens: Tokens) -> None:
    old = tokens.issue(ANN)
    key = SigningKey("f" * 32)
    rotated = Tokens(key, "graphside", LIFETIME_S, previous_key=SigningKey(SECRET))
    assert rotated.verify(old).user_id == 7
    new = rotated.issue(ANN)
    assert jwt.get_unverified_header(new)["kid"] == key.id != KID
    with pytest.raises(TokenInvalid):
        tokens.verify(new)
    with pytest.raises(TokenInvalid):
        Tokens(key, "graphside", LIFETIME_S).verify(old)
    renewed = rotated.refresh(aged(LIFETIME_S / 2 + 30), ANN)
    assert jwt.get_unverified_header(renewed)["kid"] == key.id


def test_a_kid_tells_nothing_of_its_key() -> None:
    assert KID not in SECRET
    assert SigningKey("f" * 32).id != KID
    assert len(KID) == 16


def test_a_token_is_as_old_as_the_proof_it_rests_on(tokens: Tokens) -> None:
    claims = tokens.verify(tokens.issue(ANN, at=time.time() - 10, key_id="k"))
    assert claims.issued_at < time.time() - 9
    assert claims.key_id == "k"
    assert tokens.last_of_session(claims) > claims.first_issued_at + 86400 + LIFETIME_S


@pytest.mark.parametrize(("issuer", "lifetime_s"), [("", 60), ("graphside", 0), ("graphside", -1)])
def test_wrong_configuration_is_refused_at_construction(issuer: str, lifetime_s: int) -> None:
    with pytest.raises(ValueError, match="issuer"):
        Tokens(SigningKey(SECRET), issuer, lifetime_s)


@pytest.mark.parametrize(
    "header",
    [
        "Bearer abc",
        "bearer abc",
        "BEARER abc",
        "  Bearer   abc  ",
        "Bearer\tabc",
        "Bearer Bearer abc",
        "Bearer  bearer  abc",
    ],
)
def test_a_bearer_header_is_read_kindly(header: str) -> None:
    assert bearer(header) == "abc"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "abc",
        "Bearer",
        "Bearer ",
        "Bearer Bearer",
        "Bearerabc",
        "Basic abc",
        "PersonalKey a:b",
        "Bearer a b",
    ]
    + ["Bearer Bearer Bearer abc", "Bearer " + "x" * 1_000_000, " " * 1_000_000],
)
def test_any_other_header_is_invalid(header: str) -> None:
    with pytest.raises(TokenInvalid):
        bearer(header)
