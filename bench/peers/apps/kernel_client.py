"""``python -m bench.peers.apps.kernel_client PORT KERNELS``: calls are ``execute_request`` over a kernel's websocket.

Kernels have the data as ``g``. Clients share the kernels in turn. They acknowledge each part at once, because the
gateway sends the parts of an answer one by one and waits for that; otherwise every call takes 40 ms more.
"""

import json
import sys
import urllib.request
import uuid
from socket import IPPROTO_TCP, TCP_NODELAY, TCP_QUICKACK
from typing import Any

import websocket

from bench.peers.apps.driver import Caller, main
from bench.peers.apps.task import EDGES_FILE

_ADDRESS = f"127.0.0.1:{sys.argv[1]}"
_LOAD = "import json, os\nfrom bench.peers.apps.task import load\ng = load(os.environ['" + EDGES_FILE + "'])"
_PRINT = "\nprint(json.dumps(task(g)), end='')"


def prepare() -> None:
    """Start the kernels and give each one the data."""
    for _ in range(int(sys.argv[2])):
        _caller(_api("POST")["id"])(_LOAD)


def connect(number: int) -> Caller:
    kernels = sorted(kernel["id"] for kernel in _api("GET"))
    send = _caller(kernels[number % len(kernels)])
    return lambda text: send(text + _PRINT)


def _api(method: str) -> Any:
    request = urllib.request.Request(f"http://{_ADDRESS}/api/kernels", method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def _caller(kernel: str) -> Caller:
    session = uuid.uuid4().hex
    socket = websocket.create_connection(
        f"ws://{_ADDRESS}/api/kernels/{kernel}/channels?session_id={session}",
        sockopt=((IPPROTO_TCP, TCP_NODELAY, 1),),
        enable_multithread=False,
    )

    def call(code: str) -> str:
        """Return what the text printed, once the kernel has replied and is idle.

        The three messages come in any order.
        """
        header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "username": "", "session": session}
        content = {"code": code, "silent": False, "store_history": False, "allow_stdin": False, "stop_on_error": False}
        socket.send(
            json.dumps(
                {
                    "channel": "shell", "header": {**header, "version": "5.3"}, "parent_header": {}, "metadata": {},
                    "content": content, "buffers": [],
                }
            )
        )  # fmt: skip
        printed, replied, idle = "", False, False
        while not (replied and idle):
            socket.sock.setsockopt(IPPROTO_TCP, TCP_QUICKACK, 1)  # Linux resets this option
            message = json.loads(socket.recv())
            if message["parent_header"].get("msg_id") != header["msg_id"]:
                continue  # it belongs to another client of this kernel
            told = message["content"]
            match message["msg_type"]:
                case "stream":
                    printed += told["text"] if told["name"] == "stdout" else ""
                case "status":
                    idle = told["execution_state"] == "idle"
                case "execute_reply":
                    replied = True
                    if told["status"] != "ok":
                        raise RuntimeError(f"{told.get('ename')}: {told.get('evalue')}")
        return printed

    return call


if __name__ == "__main__":
    main(connect, prepare)
