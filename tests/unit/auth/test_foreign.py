"""Another server's tokens count only as that server, its keys and its audience are pinned here."""

import base64
import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from auth import foreign as foreign_module
from auth.errors import TokenExpired, TokenInvalid
from auth.foreign import ForeignIssuer, ForeignTokens

ISSUER = "https://id.example"
AUDIENCE = "graphs"
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SHORT_RSA = rsa.generate_private_key(public_exponent=65537, key_size=1024)
EC = ec.generate_private_key(ec.SECP256R1())
EC384 = ec.generate_private_key(ec.SECP384R1())
ED = ed25519.Ed25519PrivateKey.generate()
KEYS: dict[str, tuple[str, Any]] = {"rs": ("RS256", RSA), "es": ("ES256", EC), "ed": ("EdDSA", ED)}


def public_pem(key: Any) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[no-any-return]


def jwk(kid: str, algorithm: str, key: Any) -> dict[str, Any]:
    encoded = jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True)
    return {**encoded, "kid": kid, "use": "sig", "alg": algorithm}


def token(kid: str | None = "rs", key: Any = None, algorithm: str | None = None, **changes: object) -> str:
    """A good token of the issuer with changes; ... removes a claim. ``header`` adds to the header."""
    now = int(time.time())
    known_algorithm, known_key = KEYS.get(str(kid), KEYS["rs"])
    header = {**({} if kid is None else {"kid": kid}), **(changes.pop("header", None) or {})}  # type: ignore[dict-item]
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "iat": now, "exp": now + 600} | changes
    payload = {name: value for name, value in claims.items() if value is not ...}
    return jwt.encode(payload, key or known_key, algorithm or known_algorithm, header)


class KeyServer:
    """Serves a JWKS on loopback, and counts how often it was asked."""

    def __init__(self) -> None:
        self.documents: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.asked = 0
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked += 1
                status, headers, body = server.documents.get(self.path, (404, {}, b""))
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}/jwks"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.serve({"keys": [jwk(kid, *pair) for kid, pair in KEYS.items()]})

    def serve(self, document: object, path: str = "/jwks", status: int = 200, **headers: str) -> None:
        self.documents[path] = (status, headers, json.dumps(document).encode())

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


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


def hmac_with_public_key() -> str:
    """What a verifier takes that lets the header choose between HMAC and RSA."""
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"rs","typ":"JWT"}').decode().rstrip("=")
    body = token().split(".")[1]
    algorithm = jwt.get_algorithm_by_name("HS256")
    mac = algorithm.sign(f"{head}.{body}".encode(), public_pem(RSA))
    return f"{head}.{body}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"


FORGERIES: dict[str, Callable[[], str]] = {
    "alg none": lambda: jwt.encode({"iss": ISSUER, "aud": AUDIENCE, "sub": "ann"}, "", "none", {"kid": "rs"}),
    "HMAC with the public key": hmac_with_public_key,
    "HMAC with a secret": lambda: token(key="x" * 32, algorithm="HS256"),
    "another RSA key": lambda: token(key=SHORT_RSA),
    "an algorithm that is not pinned": lambda: token(algorithm="RS512"),
    "PSS": lambda: token(algorithm="PS256"),
    "ES384": lambda: token("es", key=EC384, algorithm="ES384"),
    "an EC key's id on an RSA token": lambda: token("es", key=RSA, algorithm="RS256"),
    "an unknown key": lambda: token("other"),
    "no kid": lambda: token(None),
    "jku": lambda: token(header={"jku": "http://127.0.0.1:1/jwks"}),
    "x5u": lambda: token(header={"x5u": "http://127.0.0.1:1/cert"}),
    "jwk": lambda: token(header={"jwk": jwk("rs", "RS256", SHORT_RSA)}),
    "crit": lambda: token(header={"crit": ["exp"]}),
    "another typ": lambda: token(header={"typ": "logout+jwt"}),
    "typ a number": lambda: token(header={"typ": 1}),
    "another issuer": lambda: token(iss="https://id.example.evil"),
    "no issuer": lambda: token(iss=...),
    "another audience": lambda: token(aud="others"),
    "no audience": lambda: token(aud=...),
    "not yet": lambda: token(nbf=int(time.time()) + 60),
    "from the future": lambda: token(iat=int(time.time()) + 60),
    "no exp": lambda: token(exp=...),
    "no iat": lambda: token(iat=...),
    "no user": lambda: token(sub=...),
    "an empty user": lambda: token(sub=""),
    "empty": lambda: "",
    "1 MB": lambda: token(note="x" * 1_000_000),
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES.keys())
@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_a_forgery_is_invalid(foreign: ForeignTokens, forge: Callable[[], str]) -> None:
    with pytest.raises(TokenInvalid) as raised:
        foreign.verify(forge())
    assert raised.value.message == "The token is not valid."


def test_an_expired_token_is_told_so(foreign: ForeignTokens) -> None:
    with pytest.raises(TokenExpired):
        foreign.verify(token(exp=int(time.time()) - 10))
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
