"""How the end of a run is noted, from the runner's reply."""

import pytest

from deployments.ingress.runs.recording import end_of
from runtime.errors import InvalidSource, RuntimeFailure, TaskError
from runtime.receipts import NewRun
from tests.tasks import run_reply

RUN = NewRun(id="0" * 32, owner_id=1, dataset_id="d", engine="pandas", output_type="json", format="json")


@pytest.mark.parametrize(
    ("failure", "is_started"),
    [(None, True), (TaskError("no"), True), (InvalidSource("no task", line=1, column=1), False)],
    ids=["ok", "TaskError", "InvalidSource"],
)
def test_a_run_has_started_only_if_there_was_a_task(failure: RuntimeFailure | None, is_started: bool) -> None:
    end = end_of(RUN, run_reply(failure=failure.to_wire() if failure else None))
    assert (end.started_at is not None) == is_started
    assert end.cost is not None
