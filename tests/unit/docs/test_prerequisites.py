"""The pages name what a machine needs: nobody has to read ``.ci/run`` for it."""

import re

from tools.fresh.checks import ROOT, named_packages


def installed_by_ci() -> set[str]:
    lines = re.findall(r"^need_package '?[^' ]+'? (.+)$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    return {package for line in lines for package in line.split()}


def test_every_debian_package_that_ci_installs_is_named() -> None:
    named = {*named_packages("README.md"), *named_packages("CONTRIBUTING.md")}
    assert {"git", "make", "curl", "postgresql"} <= installed_by_ci()
    assert installed_by_ci() <= named


def test_the_readme_names_what_makes_an_environment() -> None:
    assert "python3-venv" in named_packages("README.md")
