"""docs/gpu.md says what can be asked of a GPU, and how."""

import re

from tests.unit.docs.markdown import ROOT, code, rows
from tools.gpu.questions.questions import QUESTIONS

PAGE = "docs/gpu.md"


def test_every_question_of_the_probe_stands_there_in_its_order() -> None:
    assert [code(row["question"]) for row in rows(PAGE, "question")] == list(QUESTIONS)


def test_commands_are_targets_and_files_are_there() -> None:
    text = (ROOT / PAGE).read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    named = re.findall(r"make ([a-z]+(?:-[a-z]+)+)", text)
    assert {"gpu-probe", "gpu-trace", "gpu-names", "gpu-bundle", "test-gpu", "bench-gpu"} == set(named) <= set(targets)
    files = re.findall(r"(?:tests|tools)/gpu/[a-z_/]+\.(?:py|sh)", text)
    assert files
    assert all((ROOT / file).is_file() for file in files)
