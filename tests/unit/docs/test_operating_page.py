"""The guide for operators says what the code does, and links of all pages lead somewhere."""

import builtins
import hashlib
import re
from pathlib import Path

import pytest
from typer.main import get_group

from deployments.cli.app import app
from deployments.ingress.runs.request import RunRequest
from deployments.launch.options import _OWN
from deployments.settings import GpuSettings, LimitSettings, MaximumSettings, Settings, TrafficSettings
from runtime.errors import RuntimeFailure
from runtime.sandbox.host.scratch import DEEPEST
from runtime.sandbox.walls import policy
from runtime.sandbox.walls.rules import ErrnoAnswer
from runtime.task import Limits
from tests.unit.docs.markdown import ROOT, code, rows, written

APACHE_2_0 = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"
"""SHA-256 of https://www.apache.org/licenses/LICENSE-2.0.txt."""

PAGES = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    *sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")),
]


def test_every_setting_stands_there_with_its_default() -> None:
    documented = {code(row["setting"]): row["default"] for row in rows("docs/operating.md", "setting")}
    defaults = {name: written(name, field.default) for name, field in Settings.model_fields.items()}
    assert documented == defaults


def test_every_setting_says_what_it_means() -> None:
    assert all(row["meaning"] for row in rows("docs/operating.md", "setting"))
    assert [name for name, field in Settings.model_fields.items() if not field.description] == ["limits", "maximum"]


def test_every_setting_of_the_gpu_section_stands_there_with_its_default() -> None:
    documented = {code(row["of `gpu`"]): row["default"] for row in rows("docs/operating.md", "of `gpu`")}
    assert documented == {name: written(name, field.default) for name, field in GpuSettings.model_fields.items()}


def test_every_setting_of_the_traffic_section_stands_there_with_its_default() -> None:
    documented = {code(row["of `traffic`"]): row["default"] for row in rows("docs/operating.md", "of `traffic`")}
    assert documented == {name: written(name, field.default) for name, field in TrafficSettings.model_fields.items()}


FIXED = {"scratch_depth": str(DEEPEST), "processes": "1"}
"""Limits that no setting moves."""


def test_every_limit_stands_there_with_its_default() -> None:
    documented = {code(row["limit"]): row["default"] for row in rows("docs/operating.md", "limit")}
    defaults = {name: written(name, field.default) for name, field in LimitSettings.model_fields.items()}
    assert documented == {**defaults, **FIXED}


def test_every_limit_has_a_setting() -> None:
    assert set(LimitSettings.model_fields) == set(Limits.__dataclass_fields__)


def test_every_maximum_stands_there_and_requests_may_name_those_limits() -> None:
    documented = {code(row["limit"]): row["most a request may ask for"] for row in rows("docs/operating.md", "limit")}
    maxima = {name: written(name, field.default) for name, field in MaximumSettings.model_fields.items()}
    assert documented["memory_bytes"].startswith("80 % of memory")  # the setting is null: a share
    assert maxima.pop("memory_bytes") == "none"
    assert {name: documented[name] for name in maxima} == maxima
    assert {name for name, most in documented.items() if most} == {"memory_bytes", *maxima}
    assert {*RunRequest.model_fields} & {*documented} == {"memory_bytes", *maxima}


def test_every_end_by_a_limit_is_named() -> None:
    for row in rows("docs/operating.md", "limit"):
        end = row["when it is exceeded"]
        named = re.findall(r"`([A-Z][A-Za-z]+)`", end)
        assert named or end.startswith("the same") or end.endswith("no error"), end
        assert all(name in RuntimeFailure.registry or hasattr(builtins, name) for name in named)


def test_the_number_of_system_calls_is_true() -> None:
    let_through = sum(not isinstance(rule, ErrnoAnswer) for rule in policy.SEAT.values())
    assert f"| {let_through} system calls are let through" in (ROOT / "docs/security.md").read_text(encoding="utf-8")


def test_every_variable_of_the_launcher_stands_there() -> None:
    documented = {code(row["variable"]) for row in rows("docs/operating.md", "variable")}
    assert documented == {*(f"GRAPHSIDE_{name}" for name in _OWN), "ENABLE_PYTHON_ENDPOINT", "GRAPHSIDE_<SETTING>"}


def test_every_command_stands_there() -> None:
    documented = {code(row["command"]).split()[1] for row in rows("docs/operating.md", "command")}
    assert documented == set(get_group(app).commands)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        linked = ((ROOT / page).parent / name) if name else ROOT / page
        assert linked.is_file(), f"{page} links to {target}"
        assert not anchor or anchor in _anchors(linked), f"{page} links to {target}"


def test_the_licence_is_the_unmodified_text() -> None:
    assert hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest() == APACHE_2_0


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
