"""Folders that processes of Ray leave in the temporary directory, because they are killed at the end."""

import shutil
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil


def socket_folders(processes: Iterable[psutil.Process]) -> set[Path]:
    """Return the folders that ``multiprocessing`` made for sockets on which these processes listen."""
    parent = Path(tempfile.gettempdir())
    found = set()
    for process in processes:
        with suppress(psutil.Error):
            for socket in process.net_connections("unix"):
                folder = Path(str(socket.laddr)).parent
                if folder.parent == parent and folder.name.startswith("pymp-"):
                    found.add(folder)
    return found


def remove(folders: Iterable[Path]) -> None:
    """Remove these folders. Their processes must have ended."""
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
