"""Does something in a child of the tests' own process, for what cannot be undone: walls, another user."""

import json
import os
import warnings
from collections.abc import Callable
from typing import Any  # JSON values


def in_a_child(act: Callable[[], Any]) -> Any:
    """What ``act`` returns there, a JSON value."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads: this child needs none of them
        pid = os.fork()
    if pid == 0:
        _answer(act, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        said = answer.read()
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert said, f"the child ended with {code}"
    told = json.loads(said)
    assert "failed" not in told, told["failed"]
    return told["result"]


def as_user(uid: int, act: Callable[[], Any]) -> Any:
    """The same as another user, in a group of the same number."""

    def become_and_act() -> Any:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        return act()

    return in_a_child(become_and_act)


def refused(act: Callable[[], object]) -> int:
    """The errno with which it is refused; 0 where it is not."""
    try:
        act()
    except OSError as error:
        return error.errno or -1
    return 0


def _answer(act: Callable[[], Any], writing: int) -> None:
    told: dict[str, Any]
    try:
        told = {"result": act()}
    except BaseException as error:
        told = {"failed": f"{type(error).__name__}: {error}"}
    os.write(writing, json.dumps(told).encode())
    os._exit(0)
