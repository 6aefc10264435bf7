"""Objects that turn into calls when somebody unpickles or encodes them.

{"outcome": ["error", "ok"]}
"""

import os


class Evil:
    def __reduce__(self):
        return os.system, ("touch @@OUTSIDE_DIR@@/pickled",)

    def __json__(self):
        os.system("touch @@OUTSIDE_DIR@@/encoded")

    tolist = to_dict = __json__


def task(g):
    return {"x": Evil(), "y": [Evil()], Evil(): 1}
