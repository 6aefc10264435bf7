"""The probe of a GPU, dry: what it does around a device, it does here with memory of this machine."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit.docs.markdown import ROOT
from tests.waiting import WITHIN_S
from tools.gpu.questions.questions import NEEDS_A_DEVICE, QUESTIONS

pytestmark = pytest.mark.soak  # it asks each question in several processes
PROBE = ROOT / "tools" / "gpu" / "probe.py"


def probe(*arguments: str) -> tuple[int, dict[str, Any]]:
    """Run by path, as people run it. Its status and answers."""
    done = subprocess.run([sys.executable, str(PROBE), *arguments], capture_output=True, text=True, timeout=WITHIN_S)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.fixture(scope="module")
def answers() -> dict[str, Any]:
    status, found = probe("--dry")
    assert status == 0, found
    return found


def test_every_question_has_an_answer_in_its_order(answers: dict[str, Any]) -> None:
    assert [name for name in answers if name in QUESTIONS] == list(QUESTIONS)
    assert {name for name in QUESTIONS if "skipped" in answers[name]} == NEEDS_A_DEVICE


def test_blocks_are_whole_granules_and_too_large_ones_leave_the_owner_usable(answers: dict[str, Any]) -> None:
    blocks = answers["blocks"]
    assert blocks["granule_bytes"] == 2 * 2**20
    assert "OUT_OF_MEMORY" in blocks["too_large"]
    assert blocks["usable_afterwards"]


def test_a_frame_is_read_from_the_block_of_another_process(answers: dict[str, Any]) -> None:
    read = answers["dataset"]["read"]
    assert read["total_right"]
    assert read["copy_on_write"]


def test_a_raw_store_ends_its_own_seat_only(answers: dict[str, Any]) -> None:
    answer = answers["read_only"]
    assert "-11" in answer["faulted"]["ended"]
    assert answer["neighbour"]["total_right"]
    assert answer["next_seat"]["total_right"]


@pytest.mark.parametrize("act", ["idle", "computing", "faulted", "spinning"])
def test_after_each_kill_the_next_seat_reads_the_same(answers: dict[str, Any], act: str) -> None:
    killed = answers["kills"][act]
    assert killed["next_seat"]["total_right"]
    assert act == "faulted" or killed["reaped_ms"] > 0


def test_more_than_the_limit_is_a_memory_error_and_no_end(answers: dict[str, Any]) -> None:
    answer = answers["limit"]
    assert "MemoryError" in answer["one_allocation"]
    assert "MemoryError" in answer["a_frame"]
    assert answer["usable_afterwards"]


def test_without_a_device_it_says_so_and_fails() -> None:
    status, found = probe("device")
    if "error" not in found:
        pytest.skip("there is a GPU here")
    assert status == 1
    assert "cuda" in found["error"]


def test_answers_are_kept_as_they_come(tmp_path: Path) -> None:
    out = tmp_path / "answers.json"
    _, found = probe("--dry", "--seconds", "0", "--out", str(out), "blocks", "task")
    assert json.loads(out.read_text()) == found
    assert found["task"] == {"skipped": "out of time"}
