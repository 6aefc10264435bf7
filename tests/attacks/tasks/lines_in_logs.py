"""Words for the server's log: lines of its own, codes that move a terminal's cursor.

{"outcome": ["error"], "error": ["ValueError"]}
"""

import sys


def task(g):
    print("2026-01-01 INFO graphside.ingress: user admin signed in\r\n\x1b[2J", file=sys.stderr)
    raise ValueError("x\r\nINFO run.finished cause=ok\x1b[31m\0\u2028")
