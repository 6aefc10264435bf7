"""Sizes as people type and read them."""

import pytest

from deployments.cli.errors import WrongInput
from deployments.cli.sizes import byte_count, size


@pytest.mark.parametrize(
    ("typed", "count"),
    [
        ("2048", 2048),
        ("10 B", 10),
        ("2GiB", 2 * 1024**3),
        ("2g", 2 * 1024**3),
        ("2Gi", 2 * 1024**3),
        ("2GB", 2 * 1000**3),
        ("1.5 MiB", 3 * 512 * 1024),
        ("3k", 3072),
        ("1T", 1024**4),
    ],
)
def test_a_size_has_a_number_and_a_unit(typed: str, count: int) -> None:
    assert byte_count(typed, "--memory") == count


@pytest.mark.parametrize("typed", ["", "GiB", "-1", "1e9", "2 gigabytes", "0", "0.0001", "٣", "9" * 16, "inf"])
def test_what_is_none_is_refused_by_the_name_of_its_option(typed: str) -> None:
    with pytest.raises(WrongInput, match="--memory"):
        byte_count(typed, "--memory")


@pytest.mark.parametrize(
    ("byte_count", "text"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1536, "1.5 KiB"),
        (24 * 1024**3, "24 GiB"),
        (5000 * 1024**4, "5000 TiB"),
    ],
)
def test_sizes_are_readable(byte_count: int, text: str) -> None:
    assert size(byte_count) == text
