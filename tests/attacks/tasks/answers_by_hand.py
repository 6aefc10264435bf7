"""An answer written past the server's own code: an ok with a length that nothing backs, then silence.

{"outcome": ["crash", "ok", "error", "toolarge", "timeout"]}
"""

import json
import os
import time


def task(g):
    body = json.dumps({"status": "ok", "kind": "json", "length": 1 << 40, "run_s": -1, "encode_s": 1e300}).encode()
    os.write(4, len(body).to_bytes(4, "big") + body)
    time.sleep(60)
