"""What CONTRIBUTING.md and docs/protocol.md name exists, and what comments cite leads somewhere."""

import re
from pathlib import Path

import pytest

from tests.unit.docs.markdown import ROOT

PAGES = ["CONTRIBUTING.md", "README.md", *sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))]
PATH = re.compile(r"(?<![\w/.*])((?:[DR]|deployments|runtime|auth|catalog|tests|bench|tools)/[\w/.]*\w/?)")
FOLDERS = {"D/": "deployments/", "R/": "runtime/"}
CITED = re.compile(r"\bprotocol (\d+(?:\.\d+)*)\b")


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_names_exists(page: str) -> None:
    named = {found[1] for found in PATH.finditer((ROOT / page).read_text(encoding="utf-8"))}
    paths = {FOLDERS.get(name[:2], name[:2]) + name[2:] for name in named if "example" not in name}
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []


def sources() -> list[Path]:
    tops = ("auth", "catalog", "deployments", "runtime", "tests", "bench", "tools")
    return [path for top in tops for path in (ROOT / top).rglob("*.py") if "node_modules" not in path.parts]


def test_every_paragraph_that_comments_cite_is_in_the_protocol() -> None:
    headings = set(re.findall(r"^#+ (\d+(?:\.\d+)*)\b", (ROOT / "docs/protocol.md").read_text("utf-8"), re.MULTILINE))
    cited = {(path.name, found) for path in sources() for found in CITED.findall(path.read_text(encoding="utf-8"))}
    assert len(cited) > 50
    assert [(name, paragraph) for name, paragraph in sorted(cited) if paragraph not in headings] == []
