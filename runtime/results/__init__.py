"""What a task returned, as the bytes of an answer (protocol 4.5, 4.6; the rules for values are in
docs/results.md)."""

from runtime.results.encoding import ResultKind, encode

__all__ = ["ResultKind", "encode"]
