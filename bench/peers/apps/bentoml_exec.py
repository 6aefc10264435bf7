# mypy: disable-error-code="misc, untyped-decorator"
"""A BentoML service for ``bentoml serve``. Its workers have the data and run the text."""

import os
from typing import Any

import bentoml

from bench.peers.apps.task import limit_s, load, run


@bentoml.service(workers=int(os.environ["PEER_WORKERS"]), traffic={"timeout": limit_s()})
class Runner:
    def __init__(self) -> None:
        self.graph = load()

    @bentoml.api
    def run(self, execute: str) -> dict[str, Any]:
        answer: dict[str, Any] = run(execute, self.graph)
        return answer
