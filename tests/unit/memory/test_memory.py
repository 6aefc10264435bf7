"""A container's limit counts, not its host's memory."""

from pathlib import Path

import psutil

from runtime.memory import memory_bytes


def test_a_container_limit_below_the_machine_counts(tmp_path: Path) -> None:
    limit = tmp_path / "memory.max"
    limit.write_text("123456789\n")
    assert memory_bytes([limit]) == 123456789


def test_without_a_limit_the_machine_counts(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("max\n")
    total = psutil.virtual_memory().total
    assert memory_bytes([tmp_path / "memory.max", tmp_path / "missing"]) == total
