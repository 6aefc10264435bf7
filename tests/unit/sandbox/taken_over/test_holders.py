"""A holder that was taken over makes its dataset unreadable, and disturbs no other dataset."""

import pytest

from runtime.engines.base import DatasetSource
from runtime.errors import RuntimeFailure
from tests.unit.sandbox.conftest import Rig, answer
from tests.unit.sandbox.taken_over.conftest import GOOD, hostile_dataset, open_when_calm
from tests.unit.standing_walls import walls

HOLDER_LIES = {
    "nothing": b"{}",
    "an-event-of-no-kind": b'{"event": 7}',
    "a-child": b'{"event": "child", "child": "x"}',
    "no-json": b"\xff",
    "a-list": b"[]",
    "failed": b'{"event": "failed"}',
    "failed-by-a-list": b'{"event": "failed", "failure": []}',
    "failed-as-another": b'{"event": "failed", "failure": {"type": "Overloaded", "message": "", "fields": {"a": 1}}}',
    "as-large-as-can-be": b'{"event": "ready", "anonymous_bytes": 1152921504606846976, "load_s": 1}',
    "less-than-nothing": b'{"event": "ready", "anonymous_bytes": -1152921504606846976, "load_s": 1}',
    "no-time": b'{"event": "ready", "anonymous_bytes": 1, "load_s": "x"}',
    "no-bytes": b'{"event": "ready"}',
}


@pytest.mark.parametrize("lie", HOLDER_LIES)
def test_a_holder_that_lies_is_a_dataset_that_cannot_be_read(taken: Rig, neighbour: DatasetSource, lie: str) -> None:
    code = f"import os\ndef attack(*_):\n    os.write(3, {HOLDER_LIES[lie]!r})\n    import time; time.sleep(1000)"
    loads = taken.executor.cache.counts.loads
    with pytest.raises(RuntimeFailure) as told:
        taken.run(hostile_dataset(taken, code), GOOD)
    assert told.value.type in ("DatasetUnreadable", "RunInterrupted")
    assert answer(taken.run(neighbour, GOOD)) == 3
    assert taken.executor.cache.counts.loads <= loads + 3, "the dataset beside it had to make room"


def test_a_holder_that_takes_memory_is_refused_it(taken: Rig, neighbour: DatasetSource) -> None:
    code = "def attack(*_):\n    kept = []\n    while True: kept.append(bytearray(2**20))"
    with pytest.raises(RuntimeFailure) as told:
        taken.run(hostile_dataset(taken, code), GOOD)
    assert told.value.type == "DatasetTooLarge"
    assert answer(taken.run(neighbour, GOOD)) == 3


PROCESSES = """
import os, socket, time
def attack(*_):
    channel = socket.socket(fileno=3)
    given = GIVEN
    for number in (1, 2, 3, 'x', None):
        body = __import__('json').dumps({'event': 'child', 'child': number}).encode()
        try:
            for fd in given: socket.send_fds(channel, [body], [fd])
        except OSError:
            break
    time.sleep(1000)
"""
GIVEN_AWAY = {
    "the-template": "[os.pidfd_open(os.getppid())]",
    "all-that-it-sees": "[os.pidfd_open(int(pid)) for pid in os.listdir('/proc') if pid.isdigit() and int(pid) > 1]",
    "itself": "[os.pidfd_open(os.getpid())]",
    "files": "[os.open('/dev/null', os.O_RDONLY) for _ in range(100)]",
}


@pytest.mark.parametrize("given", GIVEN_AWAY)
def test_a_holder_has_nobody_killed_and_fills_no_table_of_descriptors(
    taken: Rig, neighbour: DatasetSource, given: str
) -> None:
    """The server kills by descriptors that a holder hands it: only of processes that the holder forked."""
    if not walls().namespaces and given == "all-that-it-sees":
        pytest.skip("without namespaces these would be all processes of the machine")
    template, loads = taken.template.pid, taken.executor.cache.counts.loads
    before = open_when_calm()
    with pytest.raises(RuntimeFailure) as told:
        taken.run(hostile_dataset(taken, PROCESSES.replace("GIVEN", GIVEN_AWAY[given])), GOOD)
    assert told.value.type in ("DatasetUnreadable", "RunInterrupted")
    assert taken.template.pid == template
    assert answer(taken.run(neighbour, GOOD)) == 3
    assert taken.executor.cache.counts.loads <= loads + 3, "the dataset beside it was loaded again"
    assert open_when_calm() <= before
