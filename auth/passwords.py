"""Password hashes with argon2id. Checking takes the same time for an unknown user as for a known one."""

import secrets
from base64 import b64encode

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from auth.errors import WeakSecret

MINIMUM_CHARACTERS = 8
MAXIMUM_BYTES = 1024

# The second recommended choice of RFC 9106, with one lane: 0.2 to 0.4 s of one core and 64 MiB for each password.
TIME_COST = 3
MEMORY_COST_KIB = 64 * 1024
LANES = 1
_SALT_BYTES = 16
_HASH_BYTES = 32

_READABLE = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no letter looks like a digit
_GROUPS = 5
_GROUP_CHARACTERS = 5


class Passwords:
    """Makes and checks password hashes. Each call blocks while it hashes, so do not call it on an event loop.

    It does not wait for other calls: whoever has many of them bounds how many run at a time, at 64 MiB each.
    """

    def __init__(self, time_cost: int = TIME_COST, memory_cost_kib: int = MEMORY_COST_KIB) -> None:
        self._hasher = PasswordHasher(
            time_cost=time_cost,
            memory_cost=memory_cost_kib,
            parallelism=LANES,
            hash_len=_HASH_BYTES,
            salt_len=_SALT_BYTES,
        )
        self._parameters = f"$argon2id$v=19$m={memory_cost_kib},t={time_cost},p={LANES}"
        self._nobody = self.hash_of_nothing()

    def hash(self, password: str) -> str:
        """Return the encoded hash of a password that passed ``check_strength``."""
        return self._hasher.hash(_encoded(password))

    def verify(self, password_hash: str | None, password: str) -> bool:
        """Return True if the hash is of this password. ``password_hash`` is None if the user does not exist.

        For None the answer is False and takes as long.
        """
        encoded = _encoded(password)
        plausible = password_hash is not None and len(encoded) <= MAXIMUM_BYTES
        try:
            self._hasher.verify(password_hash if plausible and password_hash else self._nobody, encoded)
        except (VerificationError, InvalidHashError):
            return False
        return plausible

    def is_outdated(self, password_hash: str) -> bool:
        """Return True if the hash was made with other parameters than the current ones."""
        return self._hasher.check_needs_rehash(password_hash)

    def hash_of_nothing(self) -> str:
        """Return a random hash with the current parameters that no known password has."""
        salt, digest = (
            b64encode(secrets.token_bytes(size)).decode().rstrip("=") for size in (_SALT_BYTES, _HASH_BYTES)
        )
        return f"{self._parameters}${salt}${digest}"


def check_strength(password: str) -> None:
    """Raise ``WeakSecret`` if the password is too short or too long."""
    if len(password) < MINIMUM_CHARACTERS:
        raise WeakSecret(f"a password has at least {MINIMUM_CHARACTERS} characters")
    if len(_encoded(password)) > MAXIMUM_BYTES:
        raise WeakSecret(f"a password has at most {MAXIMUM_BYTES} bytes")


def make_password() -> str:
    """Return a random password of 125 bits that can be read aloud: ``7k2mq-x9d0c-…``."""
    return "-".join("".join(secrets.choice(_READABLE) for _ in range(_GROUP_CHARACTERS)) for _ in range(_GROUPS))


def _encoded(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")  # JSON may carry lone surrogates
