"""Tokens as clients send them, and forgeries of them."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx

from auth.signing_key import SigningKey
from tests.conftest import LiveServer, Person
from tests.unit.auth.forged_tokens import sealed


def encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def decoded(part: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


class Forger:
    """A forger who has the server's key and a valid token to change."""

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


def ask(server: LiveServer, token: str, path: str = "/api/v2/datasets/") -> int:
    return httpx.get(server.url + path, headers={"Authorization": f"Bearer {token}"}, trust_env=False).status_code


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def bearer_of(person: Person) -> dict[str, str]:
    """The header by which ``person`` is signed in."""
    return bearer(person.token)
