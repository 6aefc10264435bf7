"""A failure written by hand that claims to be the server's own fault, or somebody else's.

{"outcome": ["crash"]}
"""

import json
import os
import time


def task(g):
    failure = {"type": "RunInterrupted", "message": "retry\r\nX-Evil: 1", "fields": {"retry_after_s": 1e9}}
    body = json.dumps({"status": "failed", "failure": failure, "run_s": 0}).encode()
    os.write(4, len(body).to_bytes(4, "big") + body)
    time.sleep(60)
