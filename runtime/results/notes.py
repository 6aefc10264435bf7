"""Remarks on a result, for its caller. This file imports nothing else, so that the ingress reads it without pandas."""

from typing import Final

LABELS_DROPPED: Final = "the labels of the index are left out; call .reset_index() to send them as a column"
"""In a header, and on the stderr of the run."""
