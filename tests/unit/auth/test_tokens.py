"""A token counts only if this server signed it recently. All forgeries get the same answer."""

import time
from collections.abc import Callable

import jwt
import pytest

from auth.errors import TokenExpired, TokenInvalid
from auth.tokens import SigningKey, Tokens, bearer
from tests.unit.auth.clock import Clock
from tests.unit.auth.forged_tokens import ANN, BOB, FORGERIES, KID, LIFETIME_S, SECRET, aged, flip_payload, signed


@pytest.fixture
def tokens() -> Tokens:
    return Tokens(SigningKey(SECRET), issuer="graphside", lifetime_s=LIFETIME_S)


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


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES.keys())
def test_a_forgery_is_invalid(tokens: Tokens, forge: Callable[[], str]) -> None:
    with pytest.raises(TokenInvalid) as raised:
        tokens.verify(forge())
    assert raised.value.message == "the token is not valid"
    assert SECRET not in repr(raised.value) + raised.value.reason


@pytest.mark.parametrize(("ago_s", "counts"), [(-1, True), (3, True), (7, False), (86400, False)])
def test_a_token_counts_until_it_expires_give_or_take_5_s(tokens: Tokens, ago_s: int, counts: bool) -> None:
    token = signed(exp=int(time.time()) - ago_s)
    if counts:
        assert tokens.verify(token).user_id == 7
    else:
        with pytest.raises(TokenExpired, match=r"^Token has expired\.$"):
            tokens.verify(token)


def test_a_token_that_was_verified_before_still_expires() -> None:
    now = time.time()
    clock = Clock(now)
    tokens = Tokens(SigningKey(SECRET), "graphside", LIFETIME_S, clock=clock)
    token = tokens.issue(ANN)
    assert tokens.verify(token) == tokens.verify(token)
    for later_s, error in ((LIFETIME_S + 6, TokenExpired), (-60, TokenInvalid)):
        clock.now = now + later_s
        with pytest.raises(error):
            tokens.verify(token)
    clock.now = now + LIFETIME_S + 4
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


def test_few_tokens_are_cached_and_none_as_it_came(tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auth.tokens.MOST_CACHED", 3)
    issued = [tokens.issue(ANN) for _ in range(10)]
    for token in issued:
        assert tokens.verify(token).user_id == ANN.user_id
        with pytest.raises(TokenInvalid):
            tokens.verify(token[:-4])
        assert len(tokens._verified) <= 3
        assert token not in repr(vars(tokens))


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
