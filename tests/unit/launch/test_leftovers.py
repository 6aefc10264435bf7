"""What the processes of a server leave in the temporary directory is removed, and nothing else."""

import tempfile
from pathlib import Path

import psutil

from deployments.launch.machine import leftovers
from tests.unit.launch.conftest import Start

LISTENS = """
import time
from multiprocessing.connection import Listener
listener = Listener(family="AF_UNIX")
print(listener.address, flush=True)
time.sleep(60)
"""
ELSEWHERE = """
import socket, time
server = socket.socket(socket.AF_UNIX)
server.bind("")  # a name without a file
server.listen()
print("ready", flush=True)
time.sleep(60)
"""


def test_the_folder_of_a_killed_listener_is_removed(start: Start) -> None:
    process = start(LISTENS)
    (folder,) = leftovers.socket_folders([process])
    assert folder.parent == Path(tempfile.gettempdir())
    process.kill()
    psutil.wait_procs([process])
    assert folder.exists()
    leftovers.remove([folder])
    assert not folder.exists()


def test_sockets_elsewhere_and_processes_that_are_gone_count_for_nothing(start: Start) -> None:
    process = start(ELSEWHERE)
    gone = start(LISTENS)
    left = leftovers.socket_folders([gone])
    gone.kill()
    psutil.wait_procs([gone])
    assert leftovers.socket_folders([process, gone]) == set()
    leftovers.remove(left)
