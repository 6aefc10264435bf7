"""Tokens of another issuer."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from auth.foreign import ForeignIssuer, ForeignTokens
from auth.throttle import LoginThrottle
from tests.unit.http.accounts.conftest import audit, bearer, counts, log_in
from tests.unit.http.site import Browser, Site


class TestForeignTokens:
    KEY = ed25519.Ed25519PrivateKey.generate()

    @pytest.fixture
    def make_client(self, site: Site, tmp_path: Path) -> Callable[[bool], Browser]:
        path = tmp_path / "issuer.pem"
        path.write_bytes(self.KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))

        def make(auto_create: bool) -> Browser:
            issuer = ForeignIssuer("https://id.example", "graphs", key_file=path, auto_create=auto_create)
            credentials = replace(site.services.credentials, foreign=ForeignTokens(issuer), throttle=LoginThrottle())
            return Site(replace(site.services, credentials=credentials)).browser()

        return make

    def headers(self, username: str, later_s: int = 0) -> dict[str, str]:
        """Return headers with a token issued ``later_s`` seconds from now.

        A token's times are whole seconds, so a token of this second seems older than a user who was added in it.
        """
        now = int(time.time()) + later_s
        claims = {"iss": "https://id.example", "aud": "graphs", "sub": username, "iat": now, "exp": now + 600}
        return {"Authorization": f"Bearer {jwt.encode(claims, self.KEY, 'EdDSA')}"}

    def test_a_known_user_is_let_in_and_an_unknown_one_is_not(self, make_client: Callable[[bool], Browser]) -> None:
        client = make_client(False)
        assert (
            client.get("/api/v2/organizations/", headers=self.headers("ann", later_s=2)).json()["results"][0]["slug"]
            == "ann"
        )
        assert not counts(client, self.headers("newcomer"))
        assert not counts(client, self.headers("a b"))
        assert counts(client, bearer(client))  # tokens of this server are still accepted

    def test_an_unknown_user_is_added_if_auto_create_is_on(
        self, make_client: Callable[[bool], Browser], site: Site
    ) -> None:
        client = make_client(True)
        assert counts(client, self.headers("newcomer"))
        assert not site.services.users.get("newcomer").is_admin
        assert counts(client, self.headers("newcomer"))
        assert not counts(client, self.headers("a b"))
        assert log_in(client, "newcomer", "").status_code == 400
        assert audit(site.services, action="user.add")[0].target == "user:newcomer"

    def test_a_refresh_returns_the_same_token_and_a_log_out_ends_it(
        self, make_client: Callable[[bool], Browser]
    ) -> None:
        client = make_client(True)
        headers = self.headers("newcomer")
        token = headers["Authorization"].removeprefix("Bearer ")
        assert client.post("/api/v2/auth/token/refresh", json={"token": token}).json() == {"token": token}
        assert client.post("/api/v2/auth/logout/", headers=headers).status_code == 200
        assert not counts(client, headers)

    def test_disabling_the_user_ends_the_token(self, make_client: Callable[[bool], Browser], site: Site) -> None:
        client = make_client(True)
        headers = self.headers("newcomer")
        assert counts(client, headers)
        client.post("/api/v2/admin/users/newcomer/disable/", headers=bearer(client, "root"))
        assert not counts(client, headers)
