"""A job: a process that parses an upload into a table, within limits, and ends.

It reads and writes only the descriptors that it was given, so a parser that misbehaves has no path to follow.
"""

import os
import traceback
from typing import Final, NoReturn

import pyarrow as pa

from runtime.datasets import parser
from runtime.errors import InvalidTable, RuntimeFailure
from runtime.sandbox.guest import confine
from runtime.sandbox.protocol import Message, recv_frame, send_frame
from runtime.sandbox.walls import identity
from runtime.sandbox.walls.enclosure import Enclosure
from runtime.text import legal_text

CHANNEL_FD: Final = 3
OUTPUT_FD: Final = 4
FIRST_INPUT_FD: Final = 5
SCRATCH_FD: Final = 6
NICENESS: Final = 5
_CAUSE_CHARACTERS: Final = 4000

_DAMAGED: Final = "the file is damaged: its reader failed in an unexpected way"
_NO_MEMORY: Final = "the table does not fit into the memory that parsing may use, or the file is damaged"
"""The message for Python's ``SystemError``: a C library failed without a reason, which happens when memory runs out."""


def main(fds: list[int], message: Message, enclosure: Enclosure, *, parent_pid: int) -> NoReturn:
    """Parse or concatenate. ``fds`` become 0-2, 3 (channel), 4 (the table to write), then the inputs.

    Parsing has one input, followed by a file for the decompressed content of a compressed upload.
    """
    confine.die_with_parent(parent_pid)
    confine.take_fds(fds)
    confine.adopt_orphans()
    out_of_memory = confine.OutOfMemory()
    out_of_memory.first()
    out_of_memory.close()
    confine.raise_walls(open_files=256, file_bytes=int(message["file_bytes"]))
    os.nice(NICENESS)
    pa.set_memory_pool(pa.system_memory_pool())  # Arrow's own pool reserves a GiB at once, which would defeat the limit
    confine.limit_memory(confine.AddressSpace().mapped_bytes(), int(message["memory_bytes"]))
    if message.get("uid") is not None:
        identity.become(int(message["uid"]))
        confine.die_with_parent(parent_pid)  # again, because the kernel clears it when the user changes
    enclosure.job()
    _silence()
    request = recv_frame(CHANNEL_FD)
    if request is not None:
        send_frame(CHANNEL_FD, _answer(request, len(fds) - FIRST_INPUT_FD))
    os._exit(0)


def _answer(request: Message, inputs: int) -> Message:
    try:
        if request["job"] == "concatenate":
            table = parser.concatenate([FIRST_INPUT_FD + index for index in range(inputs)], OUTPUT_FD)
        else:
            table = parser.parse_upload(request, FIRST_INPUT_FD, OUTPUT_FD, SCRATCH_FD)
        return {"status": "ok", "table": table}
    except RuntimeFailure as failure:
        return _failed(failure)
    except MemoryError:
        return _failed(InvalidTable("the table needs more memory to parse than an upload may use"))
    except RecursionError:
        return _failed(InvalidTable("the table is nested too deeply"))
    except Exception as error:  # a boundary: a damaged file can make a library raise anything
        cause = legal_text(traceback.format_exc()[-_CAUSE_CHARACTERS:])
        return {
            **_failed(InvalidTable(_NO_MEMORY if isinstance(error, SystemError) else _DAMAGED)),
            "cause": cause,  # it may quote the file, so it must be logged on one line
        }


def _failed(failure: RuntimeFailure) -> Message:
    confine.release_reserve()  # memory may have run out
    return {"status": "failed", "failure": failure.to_wire()}


def _silence() -> None:
    """Discard stdout and stderr: they were the template's, and a stranger must not write to its log."""

    for fd in (1, 2):
        os.dup2(0, fd)
