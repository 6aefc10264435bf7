"""A template below which parsers and readers are taken over: whatever the bytes say is run, with all that a job or a
holder has. Started instead of ``runtime.sandbox.guest.template``, with its arguments.

A job runs the source in its option ``code``, a holder that in its dataset's description; each calls the function
``attack`` in it. Everything else is the server's own.
"""

from __future__ import annotations

from typing import Any  # what a stranger's function takes and gives

from runtime.datasets import parser
from runtime.datasets.parser import parse_upload
from runtime.datasets.plottable import build_plottable
from runtime.sandbox.guest import holder, template


def _parse(request: Any, *descriptors: Any) -> Any:
    code = request["options"].get("code")
    return _run(code, request, *descriptors) if code else parse_upload(request, *descriptors)


def _build(edges: Any, nodes: Any, payload: Any) -> Any:
    code = payload.get("code")
    return _run(code, edges, nodes, payload) if code else build_plottable(edges, nodes, payload)


def _run(code: str, *arguments: Any) -> Any:
    scope: dict[str, Any] = {}
    exec(code, scope)
    return scope["attack"](*arguments)


if __name__ == "__main__":
    setattr(parser, "parse_upload", _parse)  # noqa: B010  mypy knows the types of both
    setattr(holder, "build_plottable", _build)  # noqa: B010
    template.main()
