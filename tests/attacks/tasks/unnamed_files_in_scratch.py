"""Files that were deleted while they are open are in no directory; their bytes are.

{"outcome": ["scratch", "error", "ok", "timeout"], "error": ["OSError"], "result": {"bounded": true}}
"""

import os


def task(g):
    kept = []
    written = 0
    try:
        for _ in range(200):
            kept.append(os.open(".", os.O_TMPFILE | os.O_RDWR))
            for _ in range(16):
                written += os.write(kept[-1], bytes(1 << 20))
    except OSError:
        pass
    return {"bounded": written < 600 << 20}
