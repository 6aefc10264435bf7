"""Tokens: whose they are, how users get them, and how they end. Every way of signing in uses this."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from auth.audit import Audit
from auth.errors import InvalidCredentials, InvalidName, TooManyAttempts, Unauthenticated, UnknownUser, UserExists
from auth.foreign import ForeignClaims, ForeignTokens
from auth.jose import read_unverified
from auth.keys import PersonalKeys, read_header
from auth.principal import Principal
from auth.revocations import Revocations
from auth.throttle import Attempt, LoginThrottle
from auth.tokens import Claims, Tokens
from auth.users import Claim, HashedPassword, Users
from deployments.ingress.snapshot import Snapshot
from deployments.ingress.threads import Threads

AnyClaims: TypeAlias = Claims | ForeignClaims

LOG_IN: Final = "log_in"
LOG_OUT: Final = "log_out"


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A user who has just signed in, and their new token."""

    principal: Principal
    token: str = field(repr=False)


@dataclass(frozen=True)
class Credentials:
    """Checks Bearer tokens of ours and of a foreign issuer, passwords and personal keys.

    Every method with a token raises ``Unauthenticated`` for a token that is not valid.
    """

    threads: Threads
    snapshot: Snapshot
    users: Users
    keys: PersonalKeys
    tokens: Tokens
    foreign: ForeignTokens | None
    revocations: Revocations
    throttle: LoginThrottle
    audit: Audit

    async def principal_of(self, token: str) -> Principal:
        """Return the user of a token. Asks the catalog again only after the catalog changes."""
        return await self.principal_for(await self.claims_of(token))

    async def principal_for(self, claims: AnyClaims) -> Principal:
        """Return the user of verified claims, whether or not their token has expired since."""
        if isinstance(claims, Claims):
            ours = claims
            key = ("active", ours.user_id, ours.issued_at, ours.session)
            found = await self.snapshot.get(key, lambda: self._active(ours))
        else:
            theirs = claims
            foreign_key = ("foreign", theirs.username, theirs.session)
            found = await self.snapshot.get(foreign_key, lambda: self._foreign_user(theirs))
        if found is None:
            raise Unauthenticated
        return found

    async def sign_in(self, username: str, password: str, address: str) -> SignedIn:
        """Sign in with a password. Raises ``InvalidCredentials``, ``TooManyAttempts``."""
        began = time.time()
        try:
            principal = await self.check_password(username, password, address)
        except InvalidCredentials as error:
            self.audit.append(error.username, address, LOG_IN, outcome="refused")
            raise
        except TooManyAttempts as error:
            if error.is_first:
                self.audit.append(None, address, LOG_IN, outcome="throttled")
            raise
        except asyncio.CancelledError:
            self.audit.append(None, address, LOG_IN, outcome="left")
            raise
        self.audit.append(principal, address, LOG_IN, detail={"with": "password"})
        return SignedIn(principal, self.tokens.issue(principal, at=began))

    async def check_password(self, username: str, password: str, address: str) -> Principal:
        """Return the user with this name and password. Raises ``InvalidCredentials``, ``TooManyAttempts``.

        A caller who leaves waits no more. If a thread hashes the password already, that counts as a failure.
        """
        async with self.throttle.attempt(username, address) as attempt:
            claim = await self.threads.catalog.call(self.users.claim, username)
            claim = await self.threads.passwords.call(self._begin_check, attempt, claim, password)
            return await self.threads.catalog.call(self.users.confirm, claim)

    def _begin_check(self, attempt: Attempt, claim: Claim, password: str) -> Claim:
        attempt.has_begun = True
        return self.users.check(claim, password)

    async def hashed(self, password: str) -> HashedPassword:
        """Return the hash of a new password. Raises ``WeakSecret``."""
        return await self.threads.passwords.call(self.users.hashed, password)

    async def sign_in_with_key(self, header: str, address: str) -> SignedIn:
        """Sign in with the ``Authorization`` header of a personal key (protocol 1.5).

        Raises ``Unauthenticated``, ``TooManyAttempts``.
        """
        began = time.time()
        try:
            async with self.throttle.attempt_with_key(address):
                key_id, secret = read_header(header)
                principal = await self.threads.catalog.call(self.keys.authenticate, key_id, secret)
        except Unauthenticated:
            self.audit.append(None, address, LOG_IN, outcome="refused", detail={"with": "personal key"})
            raise
        except TooManyAttempts as error:
            if error.is_first:
                self.audit.append(None, address, LOG_IN, outcome="throttled", detail={"with": "personal key"})
            raise
        self.audit.append(principal, address, LOG_IN, f"key:{key_id}", detail={"with": "personal key"})
        return SignedIn(principal, self.tokens.issue(principal, at=began, key_id=key_id))

    async def refresh(self, token: str) -> str:
        """Return the same token if it is young or of a foreign issuer, else a new one (protocol 1.3)."""
        claims = await self.claims_of(token)
        principal = await self.principal_for(claims)
        if not isinstance(claims, Claims) or self.tokens.is_young(claims):
            return token
        # The snapshot may be a second old: a new token must not be made after the event that ended the old one.
        began = time.time()
        found = await self.threads.catalog.call(self._active, claims)
        if found is None:
            raise Unauthenticated
        return self.tokens.refresh(token, principal, at=began)

    async def sign_out(self, token: str, address: str) -> None:
        """End the log-in of this token, with all tokens that were refreshed from it."""
        claims = await self.claims_of(token)
        principal = await self.principal_for(claims)
        until = self.tokens.last_of_session(claims) if isinstance(claims, Claims) else claims.expires_at + 60
        await self.threads.changes.call(self.revocations.end, claims.session, until)
        self.snapshot.forget()
        self.audit.append(principal, address, LOG_OUT)

    def forget_expired(self) -> int:
        """Forget ended log-ins whose tokens have all expired, and return how many. Blocks on SQL."""
        return self.revocations.forget_expired()

    async def is_from_key(self, token: str) -> bool:
        """Return True if the token was given for a personal key."""
        claims = await self.claims_of(token)
        return isinstance(claims, Claims) and claims.key_id is not None

    async def claims_of(self, token: str) -> AnyClaims:
        """Return the claims of a token, which say nothing about whether its log-in still counts."""
        if self.foreign is not None:
            _, unverified = read_unverified(token)  # the claimed issuer decides only who verifies the token
            if unverified.get("iss") == self.foreign.issuer.issuer:
                return await self.threads.issuer.call(self.foreign.verify, token)
        return self.tokens.verify(token)

    def _active(self, claims: Claims) -> Principal | None:
        """Return the user, or None: a refusal is remembered like any answer, which an exception would not be."""
        try:
            return self.users.active(claims.user_id, claims.issued_at, claims.session, claims.key_id)
        except Unauthenticated:
            return None

    def _foreign_user(self, claims: ForeignClaims) -> Principal | None:
        """Return the user, or None. Creates the user if the operator wants that."""
        assert self.foreign is not None
        for _ in range(2):
            try:
                return self.users.named(claims.username, claims.issued_at, claims.session)
            except Unauthenticated:
                return None
            except UnknownUser:
                if not self.foreign.issuer.auto_create:
                    return None
            try:
                added = self.users.add_without_password(claims.username, claims.email, claims.name)
                self.audit.append(
                    added, "", "user.add", f"user:{added.username}", detail={"issuer": self.foreign.issuer.issuer}
                )
            except UserExists:  # another request was faster, or an organization has the name
                continue
            except InvalidName:
                return None
        return None
