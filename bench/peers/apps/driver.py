"""A client for a peer that does not speak plain HTTP. It runs in the peer's environment and obeys lines of JSON.

``{"do": "prepare"}`` comes once, then any of

``{"do": "drive", "task": text, "clients": 8, "seconds": 1.0}``: calls in a closed loop; ``latencies_s``, ``wall_s``
``{"do": "attempt", "task": text, "clients": 3, "patience_s": 5.0}``: one call a client; what came in that time

Each client has a thread, because the peers' client libraries block. What a library prints goes to the log.
"""

import json
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

Caller = Callable[[str], str]
"""One client's connection: sends a text, returns the answer's JSON. Raises whatever the peer's library raises."""


def main(connect: Callable[[int], Caller], prepare: Callable[[], None] = lambda: None) -> None:
    """Serve until standard input ends. ``connect`` makes the client of that number."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    clients: list[Caller] = []
    for line in sys.stdin:
        order = json.loads(line)
        try:
            while len(clients) < order.get("clients", 0):
                clients.append(connect(len(clients)))
            answer = _obey(order, clients, prepare)
        except Exception as error:  # the boundary of this process: the answer reports the error
            answer = {"error": f"{type(error).__name__}: {error}"[:500]}
        answers.write(json.dumps(answer) + "\n")
    os._exit(0)  # threads that wait for answers that never come must not keep this process


def _obey(order: dict[str, Any], clients: list[Caller], prepare: Callable[[], None]) -> dict[str, Any]:
    if order["do"] == "prepare":
        prepare()
        return {}
    chosen = clients[: order["clients"]]
    if order["do"] == "drive":
        return _drive(order["task"], chosen, order["seconds"])
    return {"attempts": _attempt(order["task"], chosen, order["patience_s"])}


def _drive(task: str, clients: list[Caller], seconds: float) -> dict[str, Any]:
    latencies: list[float] = []
    failures: list[BaseException] = []
    began = time.perf_counter()

    def loop(call: Caller) -> None:
        try:
            while True:
                sent = time.perf_counter()
                call(task)
                now = time.perf_counter()
                latencies.append(now - sent)
                if now >= began + seconds or failures:
                    return
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=loop, args=(call,), daemon=True) for call in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return {"latencies_s": latencies, "wall_s": time.perf_counter() - began}


def _attempt(task: str, clients: list[Caller], patience_s: float) -> list[dict[str, Any]]:
    """Return, for each client, ``answer`` or ``error`` with ``seconds``, or nothing if nothing came."""
    came: queue.Queue[tuple[int, dict[str, Any]]] = queue.Queue()
    began = time.perf_counter()

    def try_once(number: int, call: Caller) -> None:
        try:
            told: dict[str, Any] = {"answer": call(task)}
        except Exception as error:
            told = {"error": f"{type(error).__name__}: {error}"[:200]}
        came.put((number, {**told, "seconds": time.perf_counter() - began}))

    for number, call in enumerate(clients):
        threading.Thread(target=try_once, args=(number, call), daemon=True).start()
    attempts: list[dict[str, Any]] = [{} for _ in clients]
    for _ in clients:
        try:
            number, told = came.get(timeout=max(0.0, began + patience_s - time.perf_counter()))
        except queue.Empty:
            break
        attempts[number] = told
    return attempts
