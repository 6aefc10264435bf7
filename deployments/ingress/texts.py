"""Docstrings as published texts."""


def published(docstring: str) -> str:
    """Return a docstring as Markdown: each paragraph on one line, code in single backticks."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in docstring.split("\n\n")).replace("``", "`")
