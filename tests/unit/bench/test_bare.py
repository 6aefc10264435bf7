"""The bare process that others are compared with."""

from pathlib import Path

import pytest

from bench.bare import BareProcess
from bench.client import BadAnswer
from bench.datasets import Edges

TASK = "def task(g): return g._edges['w'].sum()"


def test_its_steps_do_the_work_and_tell_the_time(tmp_path: Path) -> None:
    file = str(Edges("text", 1_000).file(tmp_path))
    into = str(tmp_path / "into")
    with BareProcess() as bare:
        told = [
            bare.do("load", file=file),
            bare.do("run", source=TASK),
            bare.do("records", rows=10, into=into),
            bare.do("write_csv", into=into),
            bare.do("write_parquet", into=into),
            bare.do("read_parquet", file=into),
            bare.do("write_table", file=file, into=into),
            bare.do("fork"),
        ]
    assert [min(one.values()) > 0 for one in told] == [True] * len(told)


def test_a_step_that_fails_is_an_error() -> None:
    with BareProcess() as bare, pytest.raises(BadAnswer, match="ended"):
        bare.do("run", source="def task(g): return g._edges")
