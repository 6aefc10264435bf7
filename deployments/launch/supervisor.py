"""``make serve``: run one server on one machine, in the foreground, and leave no process behind.

This process never imports Ray. It checks the options, prepares the data directory, prints what happens, and owns every
process of the server: it is their subreaper, so orphans become its children. Ray and Serve run in one child
(``deployments.launch.server``), which stops when its standard input closes; that happens however this process ends.
If Ray or Serve did not come up, all of them are ended and another child starts.
"""

import http.client
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from queue import Empty, Queue
from types import FrameType
from typing import Any  # events are JSON values

import psutil

from deployments.launch import datadir, front
from deployments.launch.demo import TASK, DemoFailed
from deployments.launch.errors import LaunchError
from deployments.launch.flags import front_flags
from deployments.launch.greeting import curl_line, password_lines, token_file
from deployments.launch.machine import leftovers, ports, processes
from deployments.launch.machine.instance import Instance
from deployments.launch.options import SECRETS, Options, read_options
from deployments.launch.secret_files import write_secret
from deployments.launch.server import STOP_S, Plan
from deployments.replica.flags import fixed_flags
from runtime.sandbox.walls.delegation import enter_leaf

BUILDER = "deployments.app:build"
READY = "graphside ready at"
NO_DEMO = "no demo graph"
"""How the lines begin that say that the server answers, and that there is no command to paste."""

STEP_S = 240.0
"""Seconds that one step of a start may take, several times what a slow machine needs. After that Ray starts anew, and a
step may take twice as long, because the machine may be busy. A start that makes progress has no other deadline."""

TRIES = 3
"""Starts of Ray before the supervisor gives up. Ports that others take and slow machines end some of them."""

_FORCE_S = 1.5
_TICK_S = 0.2
_NOTE_EVERY_S = 2.0
_DASHBOARD_PORT = 8265


class Stopped(Exception):
    """The operator stopped the server while it was still starting."""


class NotUp(Exception):
    """Ray or Serve did not come up. Another try may succeed. The message says why."""


class Supervisor:
    """One server. ``run`` blocks until it has stopped."""

    def __init__(self, options: Options, environment: Mapping[str, str], builder: str = BUILDER) -> None:
        self._options = options
        self._builder = builder
        self._environment = environment
        self._began = time.monotonic()
        self._asked = 0
        self._events: Queue[dict[str, Any]] = Queue()  # a new one for each child
        self._child: subprocess.Popen[str] | None = None
        self._leftovers: set[Path] = set()
        self._log = options.data_dir / "logs" / "server.log"

    def run(self) -> int:
        """Start the server, wait for its end, return the exit status; leave no process. Raises ``LaunchError``."""
        options = self._options
        ports.require_free(options.address, options.port)
        datadir.make_private(options.data_dir)
        processes.become_subreaper()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        with Instance(options.data_dir) as instance:
            try:
                return self._serve(instance)
            except Stopped:
                self._say("stopped")
                return 0
            finally:
                self._end_all()
                datadir.remove_given_key(options.data_dir)
                token_file(options.data_dir).unlink(missing_ok=True)

    def _serve(self, instance: Instance) -> int:
        datadir.turn_logs(self._options.data_dir)
        self._say(f"graphside {_version()}, data in {self._options.data_dir}")
        for name in self._options.unknown:
            self._say(f"{name} is set, but there is no such setting")
        dashboard = ports.claim(_DASHBOARD_PORT)
        enter_leaf()
        self._start_child(instance.folder, dashboard)
        self._say("preparing the data directory")
        admin = datadir.prepare(self._options)
        if admin is not None:
            self._say(f"first start: user {admin.username} is the admin")
            if lines := password_lines(self._options.data_dir, admin, is_terminal=sys.stdout.isatty()):
                self._print("\n".join(("", *lines, "")))
        isolation, rewinding = self._walls()
        dashboard = self._come_up(instance, dashboard)
        self._note_leftovers()
        self._print(f"\n{READY} {self._public_url()}", flush=True)
        self._introduce(dashboard, isolation, rewinding)
        return self._watch(instance)

    def _come_up(self, instance: Instance, dashboard: int) -> int:
        """Wait until the server is ready; start Ray anew if it did not come up. Return the dashboard's port.

        Raises ``LaunchError`` or ``Stopped``.
        """
        for tried in range(1, TRIES + 1):
            self._order(args=self._options.args)
            try:
                self._wait_until_ready(instance, STEP_S * 2 ** (tried - 1))
                break
            except NotUp as error:
                if tried == TRIES:
                    raise LaunchError(f"the server did not start: {error} (log: {self._log})") from None
                self._say(f"Ray did not come up: {error}; starting it anew, try {tried + 1} of {TRIES}")
            self._let_go()
            self._end_all()
            processes.reap_orphans(keep=(self._pid(),))
            instance.empty_folder()
            ports.require_free(self._options.address, self._options.port)
            dashboard = ports.pick(taken=frozenset((self._options.port,)))
            self._start_child(instance.folder, dashboard)
        return dashboard

    def _start_child(self, folder: Path, dashboard_port: int) -> None:
        reading, writing = os.pipe()
        with open(self._log, "ab") as log:
            os.fchmod(log.fileno(), 0o600)
            self._child = subprocess.Popen(
                [sys.executable, "-u", "-m", "deployments.launch.server"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                text=True,
                env=self._child_environment(folder, dashboard_port),
                pass_fds=(writing,),
                start_new_session=True,  # so that a terminal's Ctrl-C reaches this process only
            )
        os.close(writing)
        self._events = Queue()
        threading.Thread(target=self._listen, args=(reading, self._events), name="events", daemon=True).start()
        logs = str(self._options.settings.logs_dir)
        self._send(Plan(str(folder), logs, self._options.port, dashboard_port, writing, self._builder).to_line())

    def _child_environment(self, folder: Path, dashboard_port: int) -> dict[str, str]:
        """Return ours without secrets and other clusters, with the flags and free side ports (two servers must fit)."""
        taken = {self._options.port, dashboard_port}
        side = {}
        for name in (
            "RAY_SERVE_HAPROXY_STATS_PORT",
            "RAY_SERVE_HAPROXY_METRICS_PORT",
            "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT",
        ):
            port = ports.pick(taken=frozenset(taken))
            taken.add(port)
            side[name] = str(port)
        kept = {
            name: value
            for name, value in self._environment.items()
            if name not in SECRETS and not name.startswith(("RAY_ADDRESS", "RAY_AUTH_"))
        }
        wrapper = front.write_wrapper(folder, self._options.address)
        front_secret = folder / "front_secret"
        write_secret(front_secret, secrets.token_hex(32))
        token = {"RAY_AUTH_TOKEN_PATH": str(datadir.ray_token_file(self._options.data_dir))}
        of_the_front = front_flags(
            folder,
            wrapper,
            front_secret,
            self._options.connections_per_address,
            self._options.settings.trusted_forwarders,
        )
        return {**kept, **fixed_flags(), **of_the_front, **side, **token}

    def _wait_until_ready(self, instance: Instance, step_s: float) -> None:
        """Wait until the front itself answers. Raises ``NotUp``, ``LaunchError`` or ``Stopped``."""
        deployed = False
        noted, advanced = 0.0, time.monotonic()
        while not (deployed and self._answers()):
            has_ended = self._ended()  # before the look at its events, because the last of them may say why
            event = self._next_event()
            match event.get("event"):
                case None if has_ended:
                    raise NotUp("the server process ended while it was starting")
                case "step":
                    advanced = time.monotonic()
                    self._say(str(event["text"]))
                case "failed" if event["may_pass"]:
                    raise NotUp(event["reason"])
                case "failed":
                    raise LaunchError(f"the server did not start: {event['reason']} (log: {self._log})")
                case "deployed":
                    deployed, advanced = True, time.monotonic()
            if self._asked:
                raise Stopped
            if time.monotonic() - advanced > step_s:
                raise NotUp(f"no progress for {step_s:.0f} s; the machine may be too busy")
            if time.monotonic() - noted > _NOTE_EVERY_S:
                instance.note_processes()
                noted = time.monotonic()

    def _answers(self) -> bool:
        options = self._options
        connection = http.client.HTTPConnection(options.reachable.strip("[]"), options.port, timeout=2)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _walls(self) -> tuple[str, str]:
        """Return what each runner will find: a line about walls, and one about rewound seats.

        Raises ``LaunchError`` if a wall is missing.
        """
        from runtime.sandbox.host.environment import template_environment
        from runtime.sandbox.walls.isolation import WallMissing, find_walls
        from runtime.sandbox.walls.rewind import describe_rewinding

        settings = self._options.settings
        try:
            walls, line, why_not = find_walls(settings.isolation, template_environment())
            rewinding = describe_rewinding(
                walls.rewind,
                why_not,
                seats=settings.rewound_seats,
                between=settings.rewound_between,
                reused_seats=settings.reused_seats,
            )
            return line, rewinding
        except (WallMissing, OSError) as error:
            raise LaunchError(f"{error}; `graphside doctor` says more") from error

    def _introduce(self, dashboard: int, isolation: str, rewinding: str) -> None:
        """Print the addresses, the walls around runs, whether seats are rewound, and a command to paste."""
        token = datadir.ray_token_file(self._options.data_dir)
        self._print(f"  dashboard   http://127.0.0.1:{dashboard}  (it asks for the token in {token})")
        self._print(f"  logs        {self._log.parent}")
        self._print(f"  isolation   {isolation.removeprefix('isolation ')}")
        self._print(f"  rewound     {rewinding}")
        self._print("  stop        Ctrl-C")
        try:
            line = curl_line(self._options, TASK, is_terminal=sys.stdout.isatty())
        except (LaunchError, DemoFailed) as error:
            self._print(f"\n{NO_DEMO}: {error}", flush=True)
            return
        minutes = self._options.settings.token_lifetime_s // 60
        self._print(f"\nTry it (the token in this command is valid for {minutes} minutes):\n")
        self._print(line + "\n", flush=True)

    def _watch(self, instance: Instance) -> int:
        """Wait for a signal, then stop. Raises ``LaunchError`` if the child ends first."""
        noted = 0.0
        while not self._asked:
            if self._ended():
                raise LaunchError(f"the server process ended unexpectedly (log: {self._log})")
            if time.monotonic() - noted > _NOTE_EVERY_S:
                instance.note_processes()
                processes.reap_orphans(keep=(self._pid(),))
                noted = time.monotonic()
            self._next_event()
        self._say("stopping (press Ctrl-C again to stop at once)")
        self._let_go()
        deadline = time.monotonic() + STOP_S + _FORCE_S / 2
        while not self._ended() and self._asked < 2 and time.monotonic() < deadline:
            time.sleep(_TICK_S)
        processes.kill(processes.descendants(psutil.Process()), within_s=_FORCE_S)
        self._say("stopped")
        return 0

    def _note_leftovers(self) -> None:
        self._leftovers |= leftovers.socket_folders(processes.descendants(psutil.Process()))

    def _end_all(self) -> None:
        """End every process below this one, and remove what they leave in the temporary directory."""
        self._note_leftovers()
        processes.kill(processes.descendants(psutil.Process()), within_s=_FORCE_S)
        leftovers.remove(self._leftovers)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._asked += 1

    @staticmethod
    def _listen(descriptor: int, events: Queue[dict[str, Any]]) -> None:
        with os.fdopen(descriptor) as lines:
            for line in lines:
                events.put(json.loads(line))

    def _next_event(self) -> dict[str, Any]:
        try:
            return self._events.get(timeout=_TICK_S)
        except Empty:
            return {}

    def _order(self, **order: object) -> None:
        self._send(json.dumps(order) + "\n")

    def _send(self, line: str) -> None:
        assert self._child is not None and self._child.stdin is not None
        with suppress(BrokenPipeError):  # who waits for the server notices that the process ended
            self._child.stdin.write(line)
            self._child.stdin.flush()

    def _let_go(self) -> None:
        assert self._child is not None and self._child.stdin is not None
        with suppress(BrokenPipeError):
            self._child.stdin.close()

    def _pid(self) -> int:
        assert self._child is not None
        return self._child.pid

    def _ended(self) -> bool:
        return self._child is None or self._child.poll() is not None

    def _public_url(self) -> str:
        host = f"[{self._options.host}]" if ":" in self._options.host else self._options.host
        return f"http://{host}:{self._options.port}"

    def _say(self, text: str) -> None:
        self._print(f"[{time.monotonic() - self._began:5.1f} s] {text}", flush=True)

    @staticmethod
    def _print(text: str, flush: bool = False) -> None:
        try:
            print(text, flush=flush)
        except BrokenPipeError:  # nobody reads our output any more, but the server goes on
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def serve(environment: Mapping[str, str]) -> int:
    """Run the server that the environment describes until somebody stops it. Return the exit status."""
    try:
        options = read_options(environment)
        for name in SECRETS:
            os.environ.pop(name, None)
        return Supervisor(options, environment).run()
    except LaunchError as error:
        print(f"graphside: {error}", file=sys.stderr)
        return 1


def _version() -> str:
    try:
        return version("graphside")
    except PackageNotFoundError:
        return "(not installed)"
