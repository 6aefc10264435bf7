import pytest
from ray import exceptions

from deployments.launch.deploying import deploy_alone
from deployments.launch.errors import LaunchError
from deployments.launch.server import Plan, last_line, load, may_pass
from deployments.launch.supervisor import serve

DEPLOY = """Deploying application graphside failed: The deployment failed to start 3 times in a row.
Error:
Traceback (most recent call last):
  File "runner.py", line 3, in __init__
    raise RuntimeError("no Landlock here")
RuntimeError: no Landlock here
"""

DIED = """The actor died unexpectedly before finishing this task.
\tclass_name: HAProxyManager
\tactor_id: 7e1d6ab3a1ca5aef9ce6a3a501000000
\tpid: 4711
\tname: SERVE_PROXY_ACTOR-2f
\tnamespace: serve
\tip: 127.0.0.1
The actor is dead because it was killed by `ray.kill`.
The actor never ran - it was cancelled before it started running.
"""


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (DIED, "HAProxyManager: The actor is dead because it was killed by `ray.kill`."),
        (
            f"\x1b[36mray::ServeController.deploy()\x1b[39m (pid=5)\nray.exceptions.ActorDiedError: {DIED}",
            "HAProxyManager: The actor is dead because it was killed by `ray.kill`.",
        ),
        (
            f"{DIED}\nTraceback:\nRuntimeError: HAProxy crashed during startup: no such file",
            "RuntimeError: HAProxy crashed during startup: no such file",
        ),
        ("The actor died unexpectedly before finishing this task.",) * 2,
        ("\x1b[31mValueError: red\x1b[0m", "ValueError: red"),
        (DEPLOY, "RuntimeError: no Landlock here"),
        ("one line", "one line"),
        ("first\nsecond", "first"),
        ("", ""),
        ("\n \n", ""),
    ],
)
def test_the_line_that_says_most_is_shown(text: str, line: str) -> None:
    assert last_line(text) == line


@pytest.mark.parametrize(
    ("error", "deploying", "passes"),
    [
        (exceptions.ActorDiedError(), False, True),
        (ValueError("Failed to bind to 127.0.0.1:8265 because it's already occupied."), False, True),
        (ImportError("no module named ray"), False, False),
        (exceptions.ActorDiedError(), True, True),
        (exceptions.ActorUnavailableError("the actor restarts", None), True, True),
        (exceptions.LocalRayletDiedError(), True, True),
        (RuntimeError("Deploying application graphside failed"), True, False),
        (LaunchError("Runner: no walls"), True, False),
        (ValueError("the settings are wrong"), True, False),
    ],
)
def test_a_start_is_tried_again_if_ray_failed_but_not_if_the_application_did(
    error: Exception, deploying: bool, passes: bool
) -> None:
    assert may_pass(error, deploying=deploying) is passes


def test_a_front_that_is_slow_does_not_end_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_: object, **__: object) -> None:
        raise TimeoutError("Proxies not available after 60s.")

    monkeypatch.setattr("ray.serve.run", run)
    deploy_alone(None, "graphside")


def test_a_plan_is_one_line() -> None:
    line = Plan("/tmp/x", "/tmp/logs", 8000, 8265, 7, "module:name").to_line()
    assert line.count("\n") == 1


def test_the_application_is_found_by_its_import_path() -> None:
    assert load("deployments.launch.server:load") is load


def test_a_wrong_environment_ends_in_one_line_and_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert serve({"GRAPHSIDE_PORT": "x"}) == 1
    assert capsys.readouterr().err == "graphside: GRAPHSIDE_PORT=x is not a port (1 to 65535)\n"
