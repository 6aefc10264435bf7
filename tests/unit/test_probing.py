import time
from typing import Any

import pytest

from runtime.probing import ProbeFailed, ProbeHangs, run_probe


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        ("print('{\"a\": [1]}')", {"a": [1]}),
        ("print('a complaint')\nprint('null')", None),
        ("import os, json; print(json.dumps(os.getcwd()))", "/"),
        ("import os, json; print(json.dumps(os.environ.get('NAME')))", "value"),
    ],
)
def test_the_last_line_is_the_answer(code: str, answer: Any) -> None:
    assert run_probe("-c", code, timeout_s=60, environment={"NAME": "value"}) == answer


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("raise SystemExit('no luck')", "no luck"),
        ("raise AttributeError('undefined symbol')", "AttributeError: undefined symbol"),
        ("import os; os._exit(3)", "exit status 3"),
        ("import os; os.abort()", "signal 6"),
        ("", "it ended without an answer"),
        ("print('[')", "it ended without an answer"),
    ],
)
def test_a_probe_without_an_answer_says_how_it_ended(code: str, says: str) -> None:
    with pytest.raises(ProbeFailed) as caught:
        run_probe("-c", code, timeout_s=60)
    assert str(caught.value) == says


def test_a_probe_that_hangs_is_ended_with_what_it_started() -> None:
    began = time.monotonic()
    with pytest.raises(ProbeHangs, match=r"no answer within 0\.5 s"):
        run_probe("-c", "import os, time\nos.fork()\ntime.sleep(60)", timeout_s=0.5)
    assert time.monotonic() - began < 30
