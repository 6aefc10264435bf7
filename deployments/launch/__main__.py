"""``python -m deployments.launch``: what ``make serve`` runs."""

import os
import sys

from deployments.launch import serve

if __name__ == "__main__":
    sys.exit(serve(dict(os.environ)))
