"""Shows why a run failed: what the task printed, and the user's lines, with a mark at the one that failed."""

import re
import sys
from collections.abc import Mapping
from typing import Any  # JSON values

from deployments.cli.answers import LONGEST_TEXT
from deployments.cli.errors import Refused
from deployments.cli.task_source import TaskSource, marked
from deployments.cli.terminal import printable, printable_lines
from deployments.cli.wording import in_words_of_command


def explain(refused: Refused, source: TaskSource, flags: Mapping[str, str]) -> Refused:
    """Write the details of a failure to standard error. Returns the error that ends the command.

    ``flags``: the flag of the command for each field of the request.
    """
    body = refused.body
    show_output(body)
    lines = _frames(body, source) if isinstance(body.get("frames"), list) else _position(body, source)
    if lines:
        print("\n".join(lines), file=sys.stderr)
    kind, run_id = body.get("type"), body.get("run_id")
    if not (isinstance(kind, str) and isinstance(run_id, str)):  # the request was refused before there was a run
        return Refused(in_words_of_command(refused.message, flags), refused.status, body)
    # ``error`` repeats the lines above, for clients that show nothing else
    sentence = body.get("message")
    is_of_task = isinstance(sentence, str) and refused.status in (400, 422)
    message = printable(sentence)[:LONGEST_TEXT] if is_of_task else refused.message
    if "traceback" not in body:  # the sentence is the server's, not one of the task
        message = in_words_of_command(message, flags)
    return Refused(f"{printable(kind)}: {message} (run {printable(run_id)})", refused.status, body)


def show_output(body: Mapping[str, Any]) -> None:
    """Write the task's stdout and stderr to standard error, each under a heading."""
    for name in ("stdout", "stderr"):
        text = body.get(name)
        if isinstance(text, str) and text:
            cut = " (the middle was dropped)" if body.get(f"{name}_truncated") is True else ""
            print(f"{name} of the task{cut}:\n{printable_lines(text).rstrip()}", file=sys.stderr)


def _position(body: Mapping[str, Any], source: TaskSource) -> list[str]:
    """Return the line of a syntax error, marked (``line``, ``column``, ``text``)."""
    number, column, text = body.get("line"), body.get("column"), body.get("text")
    if not isinstance(number, int):
        return []
    sent = text if isinstance(text, str) else ""
    line = source.line(number, sent)
    columns = None
    if isinstance(column, int) and line:
        start = _moved(line, sent) + column - 1  # columns count in the text without its common indentation
        columns = (start, start + 1)
    where = f"{source.name}, line {number}" + (f", column {columns[0] + 1}" if columns else "")
    return [where, *marked(line, number, failed=True, columns=columns)]


def _frames(body: Mapping[str, Any], source: TaskSource) -> list[str]:
    """Return the user's lines that led to the exception, outermost first, the last one marked."""
    frames = [
        (frame["line"], str(frame.get("function", "")), str(frame.get("source", "")))
        for frame in body["frames"]
        if isinstance(frame, dict) and isinstance(frame.get("line"), int)
    ]
    found = []
    for position, (number, function, sent) in enumerate(frames):
        line = source.line(number, sent)
        failed = position == len(frames) - 1
        found.append(f"{source.name}, line {number}, in {printable(function)}")
        found += marked(line, number, failed=failed, columns=_carets(body, number, function, sent, line))
    return found


def _carets(body: Mapping[str, Any], number: int, function: str, sent: str, line: str) -> tuple[int, int] | None:
    """Return the part of a line that failed; None if the traceback does not underline one."""
    text = body.get("traceback")
    if not isinstance(text, str) or not sent:
        return None
    entry = f'File "<task>", line {number}, in {re.escape(function)}\n    {re.escape(sent)}\n    ( *)(\\^+)'
    matches = re.findall(entry, text)
    if not matches:
        return None
    blanks, carets = matches[-1]
    start = _moved(line, sent) + len(blanks)
    return start, start + len(carets)


def _moved(line: str, sent: str) -> int:
    """Return how many more blanks a line begins with in the file than in the traceback."""
    return max(0, len(line) - len(line.lstrip()) - (len(sent) - len(sent.lstrip())))
