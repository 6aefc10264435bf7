"""``python -m bench.peers.apps.litserve_exec PORT WORKERS``: LitServe, whose workers have the data and run the text."""

import sys
from typing import Any

import litserve

from bench.peers.apps.task import limit_s, load, run


class Runner(litserve.LitAPI):  # type: ignore[misc]
    def setup(self, device: str) -> None:
        del device
        self.graph = load()

    def decode_request(self, request: dict[str, str]) -> str:
        return request["execute"]

    def predict(self, text: str) -> Any:
        return run(text, self.graph)

    def encode_response(self, answer: Any) -> Any:
        return answer


if __name__ == "__main__":
    server = litserve.LitServer(
        Runner(), accelerator="cpu", workers_per_device=int(sys.argv[2]), timeout=limit_s(), disable_openapi_url=True
    )
    server.run(
        host="127.0.0.1", port=int(sys.argv[1]), num_api_servers=1, generate_client_file=False, log_level="warning"
    )
