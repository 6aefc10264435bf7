"""Links out of scratch, for whoever cleans up to follow.

{"outcome": ["ok"], "result": "laid"}
"""

import os


def task(g):
    for name, target in (("a", "@@OUTSIDE_DIR@@"), ("b", "/etc"), ("c", "@@SECRET_FILE@@"), ("d", "..")):
        os.symlink(target, name)
    os.makedirs("deep/er")
    os.symlink("@@OUTSIDE_DIR@@/file", "deep/er/link")
    os.mkdir("closed", 0)
    return "laid"
