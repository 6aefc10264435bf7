import pytest

from deployments.launch.server import Plan, last_line, load
from deployments.launch.supervisor import serve

DEPLOY = """Deploying application graphside failed: The deployment failed to start 3 times in a row.
Error:
Traceback (most recent call last):
  File "runner.py", line 3, in __init__
    raise RuntimeError("no Landlock here")
RuntimeError: no Landlock here
"""


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (DEPLOY, "RuntimeError: no Landlock here"),
        ("one line", "one line"),
        ("first\nsecond", "first"),
        ("", ""),
        ("\n \n", ""),
    ],
)
def test_the_line_that_says_most_is_shown(text: str, line: str) -> None:
    assert last_line(text) == line


def test_a_plan_is_one_line() -> None:
    line = Plan("/tmp/x", "/tmp/logs", 8000, 8265, 7, "module:name").to_line()
    assert line.count("\n") == 1


def test_the_application_is_found_by_its_import_path() -> None:
    assert load("deployments.launch.server:load") is load


def test_a_wrong_environment_ends_in_one_line_and_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert serve({"GRAPHSIDE_PORT": "x"}) == 1
    assert capsys.readouterr().err == "graphside: GRAPHSIDE_PORT=x is not a port (1 to 65535)\n"
