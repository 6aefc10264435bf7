"""The supervisor's child, which starts and stops Ray, Serve and the application.

Orders are lines of JSON on standard input: first a ``Plan`` and then, when the data directory is ready,
``{"args": …}`` to deploy. The end of the input means stop, because it also ends when the supervisor dies. Events are
lines of JSON on the descriptor that the plan names. Everything else that this process prints is its log.
"""

import importlib
import json
import logging
import os
import re
import signal
import sys
import threading
import time
from dataclasses import asdict, dataclass
from typing import IO, Any, Final  # Any: JSON values, and Ray's own types, which it does not export

import psutil

from deployments.launch.deploying import deploy, deploy_alone
from deployments.launch.machine.processes import alive, descendants, kill

APPLICATION = "graphside"
STOP_S = 5.5
"""Seconds that an orderly stop may take. Then every process that is left is killed."""

_OBJECT_STORE_BYTES = 256 * 1024**2
_RAY: Final = {"raylet": "scheduler (raylet)", "gcs_server": "control service (gcs_server)"}
_GUARD_EVERY_S = 1.0
_COLOR = re.compile(r"\x1b\[[0-9;]*m")
_ACTOR_DIED = "died unexpectedly before finishing this task."


@dataclass(frozen=True, slots=True)
class Plan:
    """The first order. ``folder``: private, with a short path; ``events``: a descriptor number."""

    folder: str
    logs: str
    port: int
    dashboard_port: int
    events: int
    builder: str

    def to_line(self) -> str:
        return json.dumps(asdict(self)) + "\n"


class Server:
    """One Ray with one Serve and one application."""

    def __init__(self, plan: Plan, orders: IO[str]) -> None:
        self._plan = plan
        self._orders = orders
        self._args: dict[str, Any] | None = None
        self._ordered = threading.Event()
        self._stop = threading.Event()
        self._deploying = False
        self._ending = False
        self._events = os.fdopen(plan.events, "w", buffering=1)

    def run(self) -> int:
        """Start, wait for the order to stop, and stop. Return the exit status."""
        threading.Thread(target=self._obey, name="orders", daemon=True).start()
        try:
            self._start()
            if not self._stop.is_set():
                self._tell(event="deployed")
                self._stop.wait()
        except Exception as error:  # the supervisor prints one line of it, the log has the rest
            logging.exception("start failed")
            told = "\n".join((str(error), *(failures() if self._deploying else ())))
            reason = last_line(told) or type(error).__name__
            self._tell(event="failed", reason=reason, may_pass=may_pass(error, deploying=self._deploying))
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

        building.start()  # meanwhile, because Ray mostly waits for its processes
        ray.init(
            address="local",
            namespace="serve",
            include_dashboard=True,
            dashboard_host="127.0.0.1",
            dashboard_port=self._plan.dashboard_port,
            object_store_memory=_OBJECT_STORE_BYTES,
            log_to_driver=False,
            _temp_dir=os.path.join(self._plan.folder, "r"),  # Ray opens it to everybody, its parent is private
        )
        threading.Thread(target=self._guard, name="guard", daemon=True).start()
        self._tell(event="step", text="starting Serve and its HAProxy")
        # Loopback even if the front is public: our HAProxy wrapper binds the public address, replicas stay behind it.
        try:
            serve.start(
                http_options={"host": "127.0.0.1", "port": self._plan.port},
                logging_config=LoggingConfig(logs_dir=self._plan.logs),
            )
        except TimeoutError:  # no setting changes Serve's 60 s; the supervisor waits for the front's first answer
            logging.exception("HAProxy starts slowly")
        building.join()
        self._ordered.wait()
        if self._args is None:
            return
        self._deploying = True
        self._tell(event="step", text="deploying ingress and runner")
        application = load(self._plan.builder)(self._args)
        if self._args.get("gpu") is None:
            deploy_alone(application, APPLICATION)
        elif (reason := deploy(application, APPLICATION)) is not None:
            said = last_line(reason).removeprefix("RuntimeError: ")
            self._tell(event="step", text=f"no GPU runner: {said}; until there is one, tasks run on the CPU")

    def _guard(self) -> None:
        """End this process when Ray's scheduler or its control service ends. Ray itself would wait for it forever."""
        guarded = {child: name for child in psutil.Process().children() if (name := _RAY.get(child.name()))}
        while all(alive(child) for child in guarded):
            time.sleep(_GUARD_EVERY_S)
        if not self._ending:
            name = next(name for child, name in guarded.items() if not alive(child))
            logging.error("Ray's %s ended", name)
            self._tell(event="failed", reason=f"Ray's {name} ended", may_pass=True)
            kill(descendants(psutil.Process()), within_s=1.0)
            os._exit(1)

    def _import_builder(self) -> None:
        try:
            load(self._plan.builder)
        except Exception:  # _start calls it again, which raises the error there
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
        """Let replicas finish and close, then kill the rest, because Ray holds nothing that must be saved."""
        self._ending = True
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
    """Import the function ``module:name``."""
    module, name = builder.split(":")
    return getattr(importlib.import_module(module), name)


def failures() -> list[str]:
    """Return Serve's messages about deployments that failed, with tracebacks."""
    try:
        from ray import serve

        application = serve.status().applications[APPLICATION]
    except Exception:  # no Ray, no Serve, or no application yet: the error itself says what is wrong
        return []
    return [deployment.message for deployment in application.deployments.values() if deployment.message]


def may_pass(error: Exception, *, deploying: bool) -> bool:
    """Return whether another try may succeed: Ray or Serve did not come up, or one of their processes died."""
    if isinstance(error, ImportError):
        return False
    if not deploying:
        return True
    from ray import exceptions

    died = (exceptions.RayActorError, exceptions.RaySystemError, exceptions.RpcError, exceptions.LocalRayletDiedError)
    return isinstance(error, died)


def last_line(text: str) -> str:
    """Return the most telling line of an error's text: the last that names an exception, else the first.

    If an actor of Ray died, return its class and the cause, which Ray writes below the first line.
    """
    lines = [line.rstrip() for line in _COLOR.sub("", text).splitlines() if line.strip()]
    named = [number for number, line in enumerate(lines) if "Error:" in line or "Exception:" in line]
    line, *below = lines[named[-1] if named else 0 :] or [""]
    if line.endswith(_ACTOR_DIED):
        actor = next((entry.partition(":")[2].strip() for entry in below if entry.startswith("\tclass_name:")), "")
        cause = next((entry for entry in below if not entry[0].isspace()), "")
        line = ": ".join(part for part in (actor, cause) if part) or line
    return line.strip()[:500]


def main() -> None:
    """Run one server. Signals are ignored, because a terminal sends Ctrl-C to this process, too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s")
    plan = Plan(**json.loads(sys.stdin.readline()))
    status = Server(plan, sys.stdin).run()
    logging.shutdown()
    os._exit(status)  # Ray's own exit would wait for processes that have ended


if __name__ == "__main__":
    main()
