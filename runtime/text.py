"""Makes text from outside safe to send: valid UTF-8, of bounded length."""

from typing import Final

TASK_MODULE: Final = "task_module"
"""``__name__`` of the module that a task's source is run as."""

_NAME_CHARACTERS: Final = 500


def legal_text(text: str) -> str:
    """Return ``text`` as valid UTF-8 text: surrogate pairs are joined, an unpaired surrogate becomes U+FFFD.

    The result is an exact ``str``, also for a subclass with its own methods.
    """
    text = str.__str__(text)
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def clip(text: str, limit: int) -> str:
    """Return at most about ``limit`` characters: the beginning and the end of ``text``, with a note of the cut."""
    text = str.__str__(text)
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters left out ...]\n{text[-half:]}"


def type_name(cls: type) -> str:
    """Return the name of a type (``ValueError``, ``pandas.errors.ParserError``) without asking its metaclass.

    Names of built-ins and of the task's own module have no module in front.
    """
    name = legal_text(clip(type.__dict__["__qualname__"].__get__(cls), _NAME_CHARACTERS))
    module = type.__dict__["__module__"].__get__(cls)
    if not isinstance(module, str) or str.__str__(module) in ("builtins", "__main__", TASK_MODULE):
        return name
    return f"{legal_text(clip(module, _NAME_CHARACTERS))}.{name}"
