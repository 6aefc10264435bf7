"""Passwords are hashed slowly, take as long for unknown users, and are never stored."""

import math
import statistics
import time

import pytest

from auth import passwords
from auth.errors import WeakSecret
from auth.passwords import Passwords, check_strength, make_password

CHEAP = Passwords(time_cost=1, memory_cost_kib=8)
USUAL = Passwords.__init__.__defaults__  # before other tests make it cheaper


def test_the_parameters_are_those_of_the_rfc() -> None:
    assert USUAL is not None
    hashed = Passwords(*USUAL).hash("correct horse")
    assert hashed.startswith("$argon2id$v=19$m=65536,t=3,p=1$")
    assert Passwords(*USUAL).verify(hashed, "correct horse")


@pytest.mark.parametrize(
    "password", ["correct horse", "pässwörter", "\ud800\ud800\ud800\ud800", "a\0b-----", "x" * 1024]
)
def test_a_password_verifies_and_others_do_not(password: str) -> None:
    hashed = CHEAP.hash(password)
    assert password not in hashed
    assert CHEAP.verify(hashed, password)
    assert not CHEAP.verify(hashed, password + " ")
    assert not CHEAP.verify(hashed, "")
    assert CHEAP.hash(password) != hashed  # salted


@pytest.mark.parametrize("password_hash", [None, "", "!", "$argon2id$v=19$m=8,t=1,p=1$broken", "$2b$12$" + "a" * 53])
def test_no_password_matches_what_is_no_hash(password_hash: str | None) -> None:
    assert not CHEAP.verify(password_hash, "correct horse")


def test_a_password_beyond_the_limit_never_verifies() -> None:
    assert not CHEAP.verify(CHEAP.hash("x" * 2000), "x" * 2000)


def test_nobody_takes_as_long_as_somebody() -> None:
    slow = Passwords(time_cost=2, memory_cost_kib=8 * 1024)
    hashed = slow.hash("correct horse")

    def cpu_s(password_hash: str | None) -> float:
        start = time.thread_time()
        slow.verify(password_hash, "wrong horse")
        return time.thread_time() - start

    somebody = statistics.median(cpu_s(hashed) for _ in range(9))
    nobody = statistics.median(cpu_s(None) for _ in range(9))
    assert 0.5 < nobody / somebody < 2


def test_a_hash_made_with_other_parameters_is_outdated() -> None:
    hashed = CHEAP.hash("correct horse")
    assert not CHEAP.is_outdated(hashed)
    assert Passwords(time_cost=2, memory_cost_kib=8).is_outdated(hashed)


@pytest.mark.parametrize(
    ("password", "strong"),
    [
        ("", False),
        ("1234567", False),
        ("12345678", True),
        ("x" * 1024, True),
        ("x" * 1025, False),
        ("é" * 513, False),
    ],
)
def test_strength_is_a_matter_of_length(password: str, strong: bool) -> None:
    if strong:
        check_strength(password)
    else:
        with pytest.raises(WeakSecret):
            check_strength(password)


def test_a_made_password_is_strong_readable_and_new() -> None:
    made = {make_password() for _ in range(100)}
    assert len(made) == 100
    alphabet = set("".join(made)) - {"-"}
    assert not alphabet & set("ilou")
    for password in made:
        check_strength(password)
        assert [len(group) for group in password.split("-")] == [5] * 5
    assert 25 * math.log2(len(passwords._READABLE)) >= 120
