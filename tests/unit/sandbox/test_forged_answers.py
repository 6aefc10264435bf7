"""An answer that a task writes by hand, past the seat, is never believed."""

from typing import Any

import orjson
import pytest

from runtime.engines.base import DatasetSource
from runtime.sandbox.protocol import FrameBuffer, ProtocolError
from tests.unit.sandbox.conftest import Rig


def test_an_exception_that_lies_about_its_class_is_still_a_task_error(rig: Rig, source: DatasetSource) -> None:
    code = """
class Liar(Exception):
    @property
    def __class__(self):
        raise RuntimeError('no')
def task(g): raise Liar('x')
"""
    assert rig.run(source, code).cause == "TaskError"


FORGED = {
    "a failure that is none": {"status": "failed", "failure": [1], "run_s": 0},
    "a message that is no text": {"status": "failed", "failure": {"type": "TaskError", "message": [[]], "fields": {}}},
    "a time that is none": {"status": "ok", "kind": "json", "length": 0, "run_s": "nan", "encode_s": 0},
    "a length that is none": {"status": "ok", "kind": "json", "length": -1, "run_s": 0, "encode_s": 0},
    "a kind that is none": {"status": "ok", "kind": "pickle", "length": 0, "run_s": 0, "encode_s": 0},
}


@pytest.mark.parametrize("answer_by_hand", FORGED.values(), ids=FORGED)
def test_an_answer_made_by_hand_is_a_crash(rig: Rig, source: DatasetSource, answer_by_hand: dict[str, Any]) -> None:
    body = orjson.dumps({"run_s": 0, **answer_by_hand})
    code = f"import os, time\ndef task(g):\n    os.write(4, {len(body).to_bytes(4, 'big') + body!r})"
    code += "\n    time.sleep(1000)"
    assert rig.run(source, code).cause == "TaskCrashed"


def test_fields_too_deep_to_be_passed_on_are_a_crash(rig: Rig, source: DatasetSource) -> None:
    code = """
import os, time
def task(g):
    deep = b'[' * 200 + b']' * 200
    body = b'{"status":"failed","run_s":0,"failure":{"type":"TaskError","message":"x","fields":{"frames":%s}}}' % deep
    os.write(4, len(body).to_bytes(4, 'big') + body)
    time.sleep(1000)
"""
    assert rig.run(source, code).cause == "TaskCrashed"


def test_a_forged_answer_of_megabytes_is_not_read(rig: Rig, source: DatasetSource) -> None:
    code = """
import os, struct
def task(g):
    os.write(4, struct.pack("!I", 3 << 20) + b"[" * (3 << 20))
"""
    assert rig.run(source, code).cause == "TaskCrashed"


FINE = b'"status":"ok","kind":"json","length":0,"run_s":0,"encode_s":0'
MANY = {
    "lists": b"[" + b"[]," * 300_000 + b"1]",
    "numbers": b"[" + b"1," * 300_000 + b"1]",
    "levels": b"[" * 900 + b"{}," * 300_000 + b"1" + b"]" * 900,
    "keys": b"{" + b",".join(b'"%x":1' % number for number in range(50_000)) + b"}",
    "texts": b"[" + b'"",' * 300_000 + b"1]",
    "after a text that ends in a backslash": rb'["\\",' + b"[]," * 300_000 + b"1]",
}


@pytest.mark.parametrize("value", MANY.values(), ids=MANY)
def test_an_answer_of_many_items_is_refused_before_they_are_made(value: bytes) -> None:
    body = b'{%s,"more":%s}' % (FINE, value)
    with pytest.raises(ProtocolError, match="too many"):
        FrameBuffer().feed(len(body).to_bytes(4, "big") + body)


def test_an_answer_may_have_long_texts_and_a_table_many_columns() -> None:
    answer = {
        "failure": {"traceback": '[1, {"a": 2}], "\\", ' * 30_000},
        "dtypes": {f"column {number}": "int64" for number in range(16_384)},
    }
    body = orjson.dumps(answer)
    assert FrameBuffer().feed(len(body).to_bytes(4, "big") + body) == answer


def test_a_run_whose_answer_has_many_items_is_a_crash(rig: Rig, source: DatasetSource) -> None:
    code = f"""
import os, time
def task(g):
    body = b'{{{FINE.decode()},"more":[' + b'[],' * 300_000 + b'1]}}'
    frame = len(body).to_bytes(4, 'big') + body
    while frame:
        frame = frame[os.write(4, frame):]
    time.sleep(1000)
"""
    assert rig.run(source, code).cause == "TaskCrashed"
