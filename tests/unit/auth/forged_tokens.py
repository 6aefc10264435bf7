"""Tokens made by hand, both good ones and forgeries, for tests."""

import base64
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import jwt

from auth.principal import Principal
from auth.signing_key import SigningKey

SECRET = "0123456789abcdef0123456789abcdef"
ANN = Principal(user_id=7, username="ann", email="ann@example.com", name="Ann", is_admin=False)
BOB = Principal(user_id=8, username="bob", email="", name="", is_admin=True)
KID = SigningKey(SECRET).id
LIFETIME_S = 3600

Payload = dict[str, Any]


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


def aged(age_s: float, orig_age_s: float | None = None) -> str:
    """A token of ANN that was issued so long ago."""
    now = time.time()
    orig = now - (age_s if orig_age_s is None else orig_age_s)
    return signed(iat=now - age_s, orig_iat=int(orig), exp=int(now - age_s + LIFETIME_S))


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
