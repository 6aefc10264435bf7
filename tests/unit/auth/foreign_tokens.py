"""Tokens of another server, both good ones and forgeries, and a server that publishes its keys."""

import base64
import http.server
import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

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
    written = json.dumps(payload).encode()  # also what no honest issuer would write
    return jwt.api_jws.encode(written, key or known_key, algorithm or known_algorithm, header)


class KeyServer:
    """Serves a JWKS on loopback, and counts how often it was asked."""

    def __init__(self) -> None:
        self.documents: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.asked = 0
        self.drips = False
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked += 1
                if server.drips:
                    self.send_response(200)
                    self.end_headers()
                    with suppress(OSError):
                        while server.drips:
                            self.wfile.write(b" ")
                            time.sleep(0.02)
                    return
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
        others = [
            {**jwk("enc", "RS256", RSA), "use": "enc"},
            {"kty": "oct", "kid": "oct", "k": base64.urlsafe_b64encode(b"s" * 64).decode().rstrip("=")},
            {"kty": "unheard-of", "kid": "rs"},
        ]
        self.serve({"keys": [*others, *(jwk(kid, *pair) for kid, pair in KEYS.items())]})

    def serve(self, document: object, path: str = "/jwks", status: int = 200, **headers: str) -> None:
        self.documents[path] = (status, headers, json.dumps(document).encode())

    def close(self) -> None:
        self.drips = False
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


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
    "a user who is no text": lambda: token(sub={"$ne": ""}),
    "an issuer among others": lambda: token(iss=[ISSUER, "https://id.example.evil"]),
    "an audience that begins like ours": lambda: token(aud=AUDIENCE + ".evil"),
    "an audience that is no text": lambda: token(aud={"graphs": 1}),
    "exp a text": lambda: token(exp=str(int(time.time()) + 600)),
    "exp without end": lambda: token(exp=float("inf")),
    "exp no number": lambda: token(exp=float("nan")),
    "exp a list": lambda: token(exp=[int(time.time()) + 600]),
    "iat a text": lambda: token(iat=str(int(time.time()))),
    "iat true": lambda: token(iat=True),
    "nbf a text": lambda: token(nbf="soon"),
    "kid a path": lambda: token("../../../../dev/null", key=RSA, algorithm="RS256"),
    "kid a URL": lambda: token("http://127.0.0.1:1/jwks", key=RSA, algorithm="RS256"),
    "kid a query": lambda: token("rs' OR '1'='1", key=RSA, algorithm="RS256"),
    "kid of a key for encryption": lambda: token("enc", key=RSA, algorithm="RS256"),
    "kid of a shared secret": lambda: token("oct", key="s" * 64, algorithm="HS256"),
    "empty": lambda: "",
    "1 MB": lambda: token(note="x" * 1_000_000),
}
