"""Another server's tokens count only if its issuer, keys and audience are the pinned ones."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from auth import foreign as foreign_module
from auth.errors import TokenExpired, TokenInvalid
from auth.foreign import ForeignIssuer, ForeignTokens
from tests.unit.auth.foreign_tokens import (
    AUDIENCE,
    FORGERIES,
    ISSUER,
    KEYS,
    RSA,
    SHORT_RSA,
    KeyServer,
    jwk,
    public_pem,
    token,
)
from tests.waiting import WITHIN_S, eventually


@pytest.fixture
def server() -> Iterator[KeyServer]:
    opened = KeyServer()
    yield opened
    opened.close()


@pytest.fixture
def foreign(server: KeyServer) -> ForeignTokens:
    return ForeignTokens(ForeignIssuer(ISSUER, AUDIENCE, jwks_url=server.url))


@pytest.mark.parametrize("kid", KEYS)
def test_a_token_of_the_issuer_counts_and_keys_are_fetched_once(
    foreign: ForeignTokens, server: KeyServer, kid: str
) -> None:
    claims = foreign.verify(token(kid, email="ann@example.com", email_verified=True, name="Ann"))
    assert (claims.username, claims.email, claims.name) == ("ann", "ann@example.com", "Ann")
    assert foreign.verify(token(kid, email="ann@example.com")).email == ""  # nobody says that it is hers
    assert server.asked == 1
    first, again = token(kid), token(kid, nonce=1)
    assert foreign.verify(first).session == foreign.verify(first).session != foreign.verify(again).session


@pytest.mark.parametrize(
    "name",
    ["\uff41dmin", "adm\u2170n", "e\u0301lodie", "\u017fam", "admin\u3164", "\u1d43dmin", "x" * 151, "", None, 7],
)
def test_a_claim_that_only_becomes_a_name_is_nobodys(foreign: ForeignTokens, name: object) -> None:
    with pytest.raises(TokenInvalid):
        foreign.verify(token(sub=name))


@pytest.mark.parametrize("email", ["jac\u212a@example.org", "ann\uff20example.org", "a" * 320 + "@x", "ann"])
def test_an_address_that_only_becomes_anothers_in_lower_case_is_nobodys(foreign: ForeignTokens, email: str) -> None:
    assert foreign.verify(token(email=email, email_verified=True)).email == ""


def test_what_is_kept_of_a_claim_is_bounded(foreign: ForeignTokens) -> None:
    assert len(foreign.verify(token(name="x" * 5000)).name) == 200


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES.keys())
@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_a_forgery_is_invalid(foreign: ForeignTokens, forge: Callable[[], str]) -> None:
    with pytest.raises(TokenInvalid) as raised:
        foreign.verify(forge())
    assert raised.value.message == "the token is not valid"


def test_an_expired_token_is_told_so(foreign: ForeignTokens) -> None:
    with pytest.raises(TokenExpired):
        foreign.verify(token(exp=int(time.time()) - 10))
    with pytest.raises(TokenExpired):
        foreign.verify(token(exp=True))  # PyJWT takes it for 1
    foreign.verify(token(exp=int(time.time()) - 3))  # within the leeway


def test_unknown_ids_do_not_make_us_fetch_again_and_again(foreign: ForeignTokens, server: KeyServer) -> None:
    for number in range(20):
        with pytest.raises(TokenInvalid):
            foreign.verify(token(f"k{number}", key=RSA, algorithm="RS256"))
    assert server.asked <= 2


def test_a_key_server_that_is_away_is_asked_once_in_a_while(server: KeyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.serve({}, status=503)
    tokens = ForeignTokens(ForeignIssuer(ISSUER, AUDIENCE, jwks_url=server.url))
    for _ in range(5):
        with pytest.raises(TokenInvalid):
            tokens.verify(token())
    assert server.asked == 1
    server.serve({"keys": [jwk("rs", "RS256", RSA)]})
    monkeypatch.setattr(foreign_module, "AFTER_FAILURE_S", 0)
    assert tokens.verify(token()).username == "ann"


def test_a_key_server_that_drips_has_a_deadline_and_holds_up_no_known_key(
    server: KeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(foreign_module, "FETCH_TIMEOUT_S", WITHIN_S)
    monkeypatch.setattr(foreign_module, "UNKNOWN_IDS_EVERY_S", 0)
    monkeypatch.setattr(foreign_module, "AFTER_FAILURE_S", 0)
    tokens = ForeignTokens(ForeignIssuer(ISSUER, AUDIENCE, jwks_url=server.url))
    tokens.verify(token())
    server.drips = True
    with ThreadPoolExecutor(1) as pool:
        made_up = pool.submit(tokens.verify, token("made up", key=RSA, algorithm="RS256"))
        eventually(lambda: server.asked == 2)
        tokens.verify(token())
        assert not made_up.done(), "the known key was found while another thread waited for keys"
        server.drips = False
        with pytest.raises(TokenInvalid):
            made_up.result(timeout=WITHIN_S)
    server.drips = True
    monkeypatch.setattr(foreign_module, "FETCH_TIMEOUT_S", 0.3)
    with pytest.raises(TokenInvalid):
        tokens.verify(token("made up", key=RSA, algorithm="RS256"))
    assert server.asked == 3
    assert tokens.verify(token()).username == "ann", "a failed look for new keys takes the known ones from nobody"


@pytest.mark.parametrize(
    "document",
    [
        {"keys": [], "note": "x" * 1_100_000},
        {"keys": [jwk(str(number), "EdDSA", KEYS["ed"][1]) for number in range(201)]},
        {"keys": "rs"},
        {"keys": [1, None, []]},
        ["keys"],
        {},
        {"keys": []},
    ],
    ids=["long", "many", "text", "numbers", "list", "empty", "none"],
)
def test_a_document_that_is_no_set_of_keys_makes_no_token_valid(server: KeyServer, document: object) -> None:
    server.serve(document)
    tokens = ForeignTokens(ForeignIssuer(ISSUER, AUDIENCE, jwks_url=server.url))
    for kid in KEYS:
        with pytest.raises(TokenInvalid):
            tokens.verify(token(kid))
    assert server.asked == 1


def test_a_redirect_to_other_keys_is_not_followed(server: KeyServer) -> None:
    server.serve({"keys": [jwk("rs", "RS256", RSA)]}, path="/elsewhere")
    server.serve({}, status=302, Location="/elsewhere")
    with pytest.raises(TokenInvalid):
        ForeignTokens(ForeignIssuer(ISSUER, AUDIENCE, jwks_url=server.url)).verify(token())
    assert server.asked == 1


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_a_key_that_is_too_short_verifies_nothing(server: KeyServer) -> None:
    server.serve({"keys": [jwk("rs", "RS256", SHORT_RSA)]})
    with pytest.raises(TokenInvalid):
        ForeignTokens(ForeignIssuer(ISSUER, AUDIENCE, jwks_url=server.url)).verify(token(key=SHORT_RSA))


@pytest.mark.parametrize("kid", KEYS)
def test_a_public_key_file_serves_as_well(tmp_path: Path, kid: str) -> None:
    path = tmp_path / "issuer.pem"
    path.write_bytes(public_pem(KEYS[kid][1]))
    tokens = ForeignTokens(ForeignIssuer(ISSUER, AUDIENCE, key_file=path, username_claim="preferred_username"))
    assert tokens.verify(token(kid, preferred_username="bob")).username == "bob"
    assert tokens.verify(token(None, *KEYS[kid][::-1], preferred_username="bob")).username == "bob"
    with pytest.raises(TokenInvalid):
        tokens.verify(token("es" if kid == "rs" else "rs", preferred_username="bob"))
    with pytest.raises(TokenInvalid):
        tokens.verify(token(kid))


@pytest.mark.parametrize(
    "options",
    [
        {"issuer": "", "jwks_url": "https://id.example/jwks"},
        {"audience": "", "jwks_url": "https://id.example/jwks"},
        {},
        {"jwks_url": "https://id.example/jwks", "key_file": Path("key.pem")},
        {"jwks_url": "http://id.example/jwks"},
        {"jwks_url": "file:///etc/passwd"},
        {"jwks_url": "https://id.example/jwks", "algorithms": ("HS256",)},
        {"jwks_url": "https://id.example/jwks", "algorithms": ()},
    ],
)
def test_unsafe_configuration_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"foreign tokens|https"):
        ForeignIssuer(**({"issuer": ISSUER, "audience": AUDIENCE} | options))
