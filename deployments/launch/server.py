"""The process that starts Ray and Serve, holds the application, and stops both: the supervisor's one child.

Orders come as lines of JSON on standard input: first a ``Plan``, then, when the data directory is ready,
``{"args": …}`` to deploy. The end of the input means stop: whoever closed it, by will or by dying, is not coming back.
Events go out as lines of JSON on the descriptor that the plan names. All else that this process prints is its log.
"""

import importlib
import json
import logging
import os
import signal
import sys
import threading
import time
from dataclasses import asdict, dataclass
from typing import IO, Any  # Any: JSON values, and Ray's own types, which it does not export

import psutil

from deployments.launch.deploying import deploy
from deployments.launch.machine.processes import descendants, kill

APPLICATION = "graphside"
STOP_S = 5.5
"""How long an orderly stop may take, in seconds; what then still lives is killed."""

_OBJECT_STORE_BYTES = 256 * 1024**2


@dataclass(frozen=True, slots=True)
class Plan:
    """``folder``: short, private, and ours; ``events``: a descriptor number."""

    folder: str
    logs: str
    port: int
    dashboard_port: int
    events: int
    builder: str

    def to_line(self) -> str:
        return json.dumps(asdict(self)) + "\n"


class Server:
    """One Ray, one Serve, one application. ``run`` returns after the stop."""

    def __init__(self, plan: Plan, orders: IO[str]) -> None:
        self._plan = plan
        self._orders = orders
        self._args: dict[str, Any] | None = None
        self._ordered = threading.Event()
        self._stop = threading.Event()
        self._events = os.fdopen(plan.events, "w", buffering=1)

    def run(self) -> int:
        """The exit status: 0 after an ordered stop."""
        threading.Thread(target=self._obey, name="orders", daemon=True).start()
        try:
            self._start()
            if not self._stop.is_set():
                self._tell(event="deployed")
                self._stop.wait()
        except Exception as error:  # the boundary of this process: the supervisor shows the line, the log has the rest
            logging.exception("start failed")
            told = "\n".join((str(error), *failures()))
            self._tell(event="failed", reason=last_line(told) or type(error).__name__)
            return 1
        finally:
            self._shut_down()
        return 0

    def _start(self) -> None:
        building = threading.Thread(target=self._import_builder, name="import", daemon=True)
        self._tell(event="step", text="starting Ray")
        import ray
        from ray import serve
        from ray.serve.schema import LoggingConfig

        building.start()  # Ray's start is mostly waiting for its processes
        ray.init(
            address="local",
            namespace="serve",
            include_dashboard=True,
            dashboard_host="127.0.0.1",
            dashboard_port=self._plan.dashboard_port,
            object_store_memory=_OBJECT_STORE_BYTES,
            log_to_driver=False,
            _temp_dir=os.path.join(self._plan.folder, "r"),  # Ray opens it to everybody; its parent stays closed
        )
        self._tell(event="step", text="starting Serve and its HAProxy")
        # Loopback also for a public front: that one our HAProxy wrapper binds, replicas stay behind it.
        serve.start(
            http_options={"host": "127.0.0.1", "port": self._plan.port},
            logging_config=LoggingConfig(logs_dir=self._plan.logs),
        )
        building.join()
        self._ordered.wait()
        if self._args is None:
            return
        self._tell(event="step", text="deploying ingress and runner")
        application = load(self._plan.builder)(self._args)
        if self._args.get("gpu") is None:
            serve.run(application, name=APPLICATION, route_prefix="/")
        elif (reason := deploy(application, APPLICATION)) is not None:
            said = last_line(reason).removeprefix("RuntimeError: ")
            self._tell(event="step", text=f"no GPU runner: {said}; tasks run on the CPU meanwhile")

    def _import_builder(self) -> None:
        try:
            load(self._plan.builder)
        except Exception:  # raised again, and told, where it is called
            logging.exception("import of the application failed")

    def _obey(self) -> None:
        for line in self._orders:
            self._args = json.loads(line)["args"]
            self._ordered.set()
        self._stop.set()
        self._ordered.set()
        time.sleep(STOP_S)
        logging.error("the stop took longer than %s s", STOP_S)
        kill(descendants(psutil.Process()), within_s=1.0)
        os._exit(1)

    def _shut_down(self) -> None:
        """Lets replicas finish and close, then ends the rest by force: Ray keeps nothing that has to be saved."""
        below = descendants(psutil.Process())
        try:
            import ray
            from ray import serve

            if ray.is_initialized():
                serve.shutdown()  # type: ignore[no-untyped-call]
        except Exception:  # nothing may keep the rest from being ended
            logging.exception("orderly stop failed")
        kill([*below, *descendants(psutil.Process())], within_s=2.0)

    def _tell(self, **event: object) -> None:
        try:
            self._events.write(json.dumps(event) + "\n")
        except (BrokenPipeError, ValueError):
            self._stop.set()


def load(builder: str) -> Any:
    """The function that ``module:name`` says."""
    module, name = builder.split(":")
    return getattr(importlib.import_module(module), name)


def failures() -> list[str]:
    """What Serve says of deployments that are not well, tracebacks included."""
    try:
        from ray import serve

        application = serve.status().applications[APPLICATION]
    except Exception:  # no Ray, no Serve, or no application yet: then the error itself says what is wrong
        return []
    return [deployment.message for deployment in application.deployments.values() if deployment.message]


def last_line(text: str) -> str:
    """The line of an error's text that says most: the last that names an exception, else the first there is."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    named = [line for line in lines if "Error:" in line or "Exception:" in line]
    return (named or lines[:1] or [""])[-1][:500]


def main() -> None:
    """Ctrl-C is the supervisor's business: a terminal sends it to everybody at once."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s")
    plan = Plan(**json.loads(sys.stdin.readline()))
    status = Server(plan, sys.stdin).run()
    logging.shutdown()
    os._exit(status)  # Ray's own exit would wait for processes that are no more


if __name__ == "__main__":
    main()
