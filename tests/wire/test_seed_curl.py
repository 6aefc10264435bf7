"""The request of the page that documents the endpoint, typed into a shell (protocol 4.3, 4.9)."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.waiting import WITHIN_S

if TYPE_CHECKING:
    from tests.conftest import LiveServer, Person

pytestmark = pytest.mark.e2e

# Inside double quotes the shell joins lines at backslash-newline: the source arrives as one line with runs of blanks.
ONE_LINER = r"""
curl -sS -X POST "http://<host>/api/v2/datasets/<dataset_id>/python" \
 -H "Authorization: Bearer <your_jwt_token>" \
 -H "Content-Type: application/json" \
 -d "
{
    \"execute\": \" \
        def task(g): \
            return { \
                'ages': g._nodes.set_index('id')['age'].to_dict() if g._nodes is not None else {}, \
                'weights': g._edges['w'].tolist(), \
            } \
    \"
}
"
"""

PAGE = Path(os.environ.get("GRAPHSIDE_SHARED", Path(__file__).parents[3] / "shared")) / "contract/python-endpoint.txt"


def type_into_shell(line: str, server: LiveServer, person: Person, dataset_id: str) -> Any:
    """What bash and curl print for ``line`` with its placeholders filled in, as JSON."""
    for placeholder, value in (
        ("<host>", f"127.0.0.1:{server.port}"),
        ("<dataset_id>", dataset_id),
        ("<your_jwt_token>", person.token),
    ):
        assert placeholder in line
        line = line.replace(placeholder, value)
    typed = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=WITHIN_S, check=True)

    def refuse(literal: str) -> None:
        raise AssertionError(f"{literal} is not JSON")

    return json.loads(typed.stdout, parse_constant=refuse)


@pytest.mark.protocol("4.9")
def test_a_multi_line_body_in_double_quotes_runs(server: LiveServer, alice: Person, people: str) -> None:
    assert type_into_shell(ONE_LINER, server, alice, people) == {
        "ages": {"a": 30, "b": 41, "c": 52, "d": 63},
        "weights": [1.5, 2.5, None],
    }


def test_the_seed_request_runs_without_a_node_table(server: LiveServer, admin: Person, small: str) -> None:
    assert type_into_shell(ONE_LINER, server, admin, small) == {"ages": {}, "weights": [1.0, 2.0, 3.0]}


@pytest.mark.skipif(not PAGE.exists(), reason="the page itself is not part of this repository (GRAPHSIDE_SHARED)")
@pytest.mark.protocol("4.9")
def test_the_request_of_the_page_itself_runs(server: LiveServer, alice: Person, people: str) -> None:
    lines = PAGE.read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("curl "))
    end = next(number for number, line in enumerate(lines) if number > start and line == '"')
    answer = type_into_shell("\n".join(lines[start : end + 1]), server, alice, people)
    assert answer["nodes"][0] == {"id": "a", "age": 30}
    assert answer["edges"][2] == {"s": "c", "d": "d", "w": None}
