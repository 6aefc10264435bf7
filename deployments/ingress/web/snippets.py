"""Code to paste that runs Python on a dataset: for PyGraphistry and for a shell."""

import json
import shlex
from dataclasses import dataclass

_TASK = 'def task(g):\n    return {"edges": len(g._edges)}'


@dataclass(frozen=True, slots=True)
class Server:
    """The server as clients reach it."""

    scheme: str
    host: str

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}"


def pygraphistry(server: Server, dataset_id: str, username: str | None) -> str:
    """Return lines for a notebook. Every value from outside is a quoted Python string."""
    return "\n".join(
        (
            "import getpass",
            "import graphistry",
            "",
            f"graphistry.register(api=3, protocol={_quoted(server.scheme)}, server={_quoted(server.host)},",
            f"                    username={_quoted(username or 'YOU')}, password=getpass.getpass())",
            f"g = graphistry.from_dataset_id({_quoted(dataset_id)})",
            "",
            *_TASK.splitlines(),
            "",
            'g.python_remote_json(task, engine="pandas")',
        )
    )


def curl(server: Server, dataset_id: str, username: str | None) -> str:
    """Return lines for a shell. Every value from outside is quoted for it."""
    log_in = json.dumps({"username": username or "YOU", "password": "YOUR PASSWORD"})
    run = json.dumps({"execute": _TASK})
    return "\n".join(
        (
            f"TOKEN=$(curl -sS {shlex.quote(server.url + '/api-token-auth/')} \\",
            f"  -H 'Content-Type: application/json' -d {shlex.quote(log_in)} |",
            "  python3 -c 'import json, sys; print(json.load(sys.stdin)[\"token\"])')",
            "",
            f"curl -sS {shlex.quote(f'{server.url}/api/v2/datasets/{dataset_id}/python')} \\",
            "  -H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/json' \\",
            f"  -d {shlex.quote(run)}",
        )
    )


def _quoted(text: str) -> str:
    return json.dumps(text)  # a JSON string is a Python string too
