"""Sends a run to a runner: a second time, with the dataset's whole description, if the runner has to load it."""

from deployments.calls.messages import RunCall, RunReply
from deployments.calls.runner_client import RunnerClient
from deployments.ingress.runs.request import description_of
from runtime.datasets.records import DatasetRecord


async def sent(runners: RunnerClient, call: RunCall, record: DatasetRecord) -> RunReply:
    """Return how the run ended. Raises as ``RunnerClient.run``."""
    reply = await runners.run(call)
    if not reply["needs_description"]:
        return reply
    return await runners.run({**call, "dataset": {**call["dataset"], "payload": description_of(record)}})
