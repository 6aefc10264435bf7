"""``python -m deployments.launch``: what ``make serve`` runs."""

import os
import sys

from deployments.launch import serve

USAGE = (
    "python -m deployments.launch takes no arguments; set environment variables (GRAPHSIDE_PORT, GRAPHSIDE_DATA and "
    "others) as docs/operating.md says"
)

if __name__ == "__main__":
    sys.exit(USAGE if sys.argv[1:] else serve(dict(os.environ)))
