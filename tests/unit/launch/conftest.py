"""What the launcher's tests share."""

import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from deployments.launch.processes import Process, identify

Start = Callable[[str], Process]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts Python with a program that prints a line when it is ready; whatever is left is killed afterwards."""
    children: list[subprocess.Popen[str]] = []

    def _start(program: str) -> Process:
        child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        children.append(child)
        assert child.stdout is not None
        assert child.stdout.readline()
        found = identify(child.pid)
        assert found is not None
        return found

    yield _start
    for child in children:
        child.kill()
        child.wait()
        assert child.stdout is not None
        child.stdout.close()
