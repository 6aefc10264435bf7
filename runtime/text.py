"""Text that somebody else made, brought into a shape that can be sent."""

from typing import Final

TASK_MODULE: Final = "task_module"
"""``__name__`` of the module that a task's source is run as."""

_NAME_CHARACTERS: Final = 500


def legal_text(text: str) -> str:
    """``text`` as UTF-8 can carry it: a surrogate pair is joined, a lone surrogate becomes U+FFFD.

    Always an exact ``str``, also for a subclass with methods of its own.
    """
    text = str.__str__(text)
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def clip(text: str, limit: int) -> str:
    """``text`` in about ``limit`` characters at most: its first and its last half stay, the cut is named."""
    text = str.__str__(text)
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters left out ...]\n{text[-half:]}"


def type_name(cls: type) -> str:
    """``ValueError``, ``pandas.errors.ParserError``: the name of a type, whatever its metaclass answers.

    Names of built-ins and of the task's own module carry no module.
    """
    name = legal_text(clip(type.__dict__["__qualname__"].__get__(cls), _NAME_CHARACTERS))
    module = type.__dict__["__module__"].__get__(cls)
    if not isinstance(module, str) or str.__str__(module) in ("builtins", "__main__", TASK_MODULE):
        return name
    return f"{legal_text(clip(module, _NAME_CHARACTERS))}.{name}"
