"""``python -I fresh_inside.py EDGES``: read the text from standard input, print the answer as JSON. Run by path."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from bench.peers.apps.task import load, run_to_json

sys.stdout.write(run_to_json(sys.stdin.read(), load(sys.argv[1])))
