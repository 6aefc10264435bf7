"""CSRF tokens compare as Django compares them."""

import string

import pytest

from auth import csrf

SECRET = "abcdefghijklmnopqrstuvwxyzABCDEF"
OTHER = SECRET[::-1]


def test_a_secret_has_32_letters_and_digits_and_is_never_twice_the_same() -> None:
    secrets = {csrf.new_secret() for _ in range(200)}
    assert len(secrets) == 200
    assert all(len(secret) == 32 and set(secret) <= set(string.ascii_letters + string.digits) for secret in secrets)


def test_a_mask_hides_the_secret_and_changes_each_time() -> None:
    masked = {csrf.mask(SECRET) for _ in range(200)}
    assert len(masked) == 200
    assert all(len(token) == 64 and token.isalnum() and SECRET not in token for token in masked)
    assert {csrf.secret_of(token) for token in masked} == {SECRET}


def test_a_known_masked_token_is_read_as_django_reads_it() -> None:
    # mask "b" is place 1 everywhere: each character of the cipher is one place after that of the secret
    assert csrf.secret_of("b" * 32 + "bcdefghijklmnopqrstuvwxyzABCDEFG") == SECRET
    assert csrf.secret_of("9" * 32 + "9" * 32) == "a" * 32


@pytest.mark.parametrize("left", ["bare", "masked"])
@pytest.mark.parametrize("right", ["bare", "masked"])
def test_bare_and_masked_tokens_of_one_secret_match(left: str, right: str) -> None:
    made = {"bare": lambda secret: secret, "masked": csrf.mask}
    assert csrf.matches(made[left](SECRET), made[right](SECRET))
    assert not csrf.matches(made[left](SECRET), made[right](OTHER))


@pytest.mark.parametrize(
    "token",
    ["", "a", SECRET[:31], SECRET + "a", "a" * 63, "a" * 65, SECRET[:31] + "-", SECRET[:31] + "é", "٣" * 32, "a" * 96],
)
def test_what_is_no_token_matches_nothing_not_even_itself(token: str) -> None:
    assert csrf.secret_of(token) is None
    assert not csrf.matches(token, token)
    assert not csrf.matches(token, SECRET)


@pytest.mark.parametrize("secret", ["", "a" * 31, "a" * 64, "a" * 31 + "_"])
def test_only_a_secret_is_masked(secret: str) -> None:
    with pytest.raises(ValueError, match="32 letters"):
        csrf.mask(secret)
