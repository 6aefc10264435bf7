"""The text under ``error`` when a run failed: the sentence, the user's lines, and the end of what the task printed.

PyGraphistry shows its users this text and nothing else of the answer. The sentence alone is in ``message``.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final  # Any: JSON values from below

from runtime.run_report import RunOutput

_FRAMES: Final = 5
_SOURCE_CHARACTERS: Final = 200
_TAIL_LINES: Final = 10
_TAIL_CHARACTERS: Final = 1000


def error_text(sentence: str, fields: Mapping[str, Any], output: RunOutput | None) -> str:
    """Return the sentence with the lines of the source and of the output that belong to it, each on a line below it."""
    return "\n".join([sentence, *_source_lines(fields), *(_printed(output) if output is not None else ())])


def _source_lines(fields: Mapping[str, Any]) -> Iterator[str]:
    """Yield the user's lines that led to the exception, the innermost last; for a syntax error, its line."""
    frames, line, text = fields.get("frames"), fields.get("line"), fields.get("text")
    if isinstance(frames, list):
        shown = [frame for frame in frames if isinstance(frame, dict)]
        for frame in [*shown[:1], *shown[1:][1 - _FRAMES :]]:
            yield f"  line {frame.get('line')}, in {frame.get('function')}: {_cut(frame.get('source'))}"
    elif isinstance(line, int) and isinstance(text, str) and text.strip():
        yield f"  line {line}: {_cut(text)}"


def _printed(output: RunOutput) -> Iterator[str]:
    """Yield the last lines of both streams. ``output`` is what the host collected, in bounds of its own."""
    for name, text in (("stdout", output["stdout"]), ("stderr", output["stderr"])):
        lines = text[-_TAIL_CHARACTERS:].rstrip().splitlines()
        if lines:
            yield f"end of {name}:"
            yield from (f"  {line}" for line in lines[-_TAIL_LINES:])


def _cut(source: object) -> str:
    text = str(source).strip()
    return text if len(text) <= _SOURCE_CHARACTERS else f"{text[:_SOURCE_CHARACTERS]}…"
