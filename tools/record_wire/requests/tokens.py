"""Tokens that have expired, are about to, or were made by somebody else."""

import time

from tools.record_wire.asking import Caller
from tools.record_wire.cast import Cast
from tools.record_wire.minting import minted, unsigned
from tools.record_wire.wire import Wire


def ask(wire: Wire, cast: Cast) -> None:
    """All are made of the administrator's token. The old ones come first: they have seconds to live."""
    wire.section = "tokens"
    token = cast.admin.token
    now = time.time()
    made = {
        "old": minted(token, iat=now - 6, exp=int(now) + 5),
        "old, of a log-in two days ago": minted(token, iat=now - 6, exp=int(now) + 5, orig_iat=int(now) - 172_800),
        "expired": minted(token, iat=now - 4000, exp=int(now) - 400),
        "of tomorrow": minted(token, iat=now + 86_400, exp=int(now) + 90_000),
        "of an unknown user": minted(token, user_id=9999),
        "of another name": minted(token, username="somebody"),
        "of another issuer": minted(token, iss="https://elsewhere.example"),
        "without an issuer": minted(token, iss=None),
        "without a session": minted(token, sid=None),
        "user id is a text": minted(token, user_id="1"),
        "signed with another key": minted(token, key="another key of more than 32 bytes, or so"),
        "of another key id": minted(token, header={"kid": "0123456789abcdef"}),
        "with a key address": minted(token, header={"jku": "https://elsewhere.example/keys"}),
        "unsigned": unsigned(token),
    }
    for name, other in made.items():
        wire.ask(f"{name}: me", "GET", "/api/v2/users/me", Caller.bearing(f"admin, {name}", other))
        wire.ask(f"{name}: refresh", "POST", "/api/v2/auth/token/refresh", body={"token": other})
        wire.ask(f"{name}: verify", "POST", "/api-token-verify", body={"token": other})
    wire.ask("expired: page", "GET", "/", headers={"Cookie": f"graphistry_jwt={made['expired']}"})
