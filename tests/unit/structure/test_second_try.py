"""``make test`` runs tests that failed once more, alone. Those that pass then are named; all else stays a failure."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tools import second_try

Failed = Callable[..., int]
TESTS = "def test_always(): assert False\ndef test_first_time_only(): pass\n"


@pytest.fixture
def failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Failed:
    """``failed("test_one.py::test_a", status=1)``: the end of a part in which these failed, beside one that passed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "test_one.py").write_text(TESTS)

    def try_again(*names: str, status: int | None = 1) -> int:
        cache = tmp_path / "parts" / "part-a" / "v" / "cache"
        cache.mkdir(parents=True)
        (cache / "lastfailed").write_text(json.dumps(dict.fromkeys(names, True)))
        if status is not None:
            (tmp_path / "parts" / "part-a" / "status").write_text(f"{status}\n")
        (tmp_path / "parts" / "part-b").mkdir()
        (tmp_path / "parts" / "part-b" / "status").write_text("0\n")
        return second_try.main(tmp_path / "parts", ["part-a", "part-b"])

    return try_again


def test_what_passes_alone_is_named_at_the_end(failed: Failed, capfd: pytest.CaptureFixture[str]) -> None:
    assert failed("test_one.py::test_first_time_only") == 0
    assert capfd.readouterr().out.endswith(
        "graphside: PASSED ONLY WHEN RUN ALONE, to be mended:\n  test_one.py::test_first_time_only\n"
    )


def test_what_fails_again_is_a_failure(failed: Failed, capfd: pytest.CaptureFixture[str]) -> None:
    assert failed("test_one.py::test_first_time_only", "test_one.py::test_always") == 1
    captured = capfd.readouterr()
    assert "FAILED test_one.py::test_always" in captured.out
    assert captured.err.endswith("graphside: the tests failed: they fail alone, too\n")


@pytest.mark.parametrize(
    ("names", "status", "why"),
    [
        (["test_one.py::test_first_time_only"], 3, "part-a did not come to its end (exit status 3)"),
        (["test_one.py::test_first_time_only"], None, "part-a did not come to its end (exit status None)"),
        (
            [f"test_one.py::test_{number}" for number in range(6)],
            1,
            "6 tests failed, and only 5 would be run once more",
        ),
        ([], 1, "it is not known which tests failed"),
    ],
    ids=["broken", "killed", "too-many", "none"],
)
def test_nothing_is_tried_again_if_more_is_wrong(
    failed: Failed, capfd: pytest.CaptureFixture[str], names: list[str], status: int | None, why: str
) -> None:
    assert failed(*names, status=status) == 1
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", f"\ngraphside: the tests failed: {why}\n")
