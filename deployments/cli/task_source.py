"""Reads the file with the task, and marks its lines for errors."""

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path

from deployments.cli.errors import WrongInput
from deployments.cli.terminal import printable, printable_lines


@dataclass(frozen=True, slots=True)
class TaskSource:
    """The text of a task. ``name`` is the name that errors use."""

    name: str
    text: str

    def line(self, number: int, sent: str) -> str:
        """Return a line (1-based) of the file, with its indentation; ``sent`` if the file has another line there."""
        lines = self.text.split("\n")
        own = lines[number - 1] if 0 < number <= len(lines) else ""
        return own if sent.strip() and own.strip().startswith(sent.strip()) else sent


def read_source(file: Path) -> TaskSource:
    """Return the text of a Python file, decoded as Python does; ``-`` is standard input. Raises ``WrongInput``."""
    from_stdin = str(file) == "-"
    name = "<stdin>" if from_stdin else printable(file)
    try:
        data = sys.stdin.buffer.read() if from_stdin else file.read_bytes()
        text = importlib.util.decode_source(data)
    except OSError as error:
        raise WrongInput(f"{name} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, SyntaxError, LookupError):
        raise WrongInput(f"{name} is not text in the encoding that it declares (default: UTF-8)") from None
    if not text.strip():
        raise WrongInput(f"{name} is empty; define `def task(g): ...` in it")
    return TaskSource(name, text)


def marked(line: str, number: int, *, failed: bool, columns: tuple[int, int] | None = None) -> list[str]:
    """Return the line with its number, an arrow if it failed, and carets under ``columns`` (0-based, end exclusive)."""
    shown = printable_lines(line.replace("\n", " "))
    gutter = f"{'>' if failed else ' '} {number:>4} | "
    found = [gutter + shown]
    if columns is not None:
        start, end = columns
        before = "".join(c if c == "\t" else " " * _cells(c) for c in shown[:start])
        carets = "^" * max(1, sum(map(_cells, shown[start:end])))
        found.append(" " * (len(gutter) - 2) + "| " + before + carets)
    return found


def _cells(character: str) -> int:
    """Return the width of a character on a terminal."""
    from rich.cells import cell_len

    return cell_len(character)
