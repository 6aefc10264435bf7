"""What is left to run when the answer has gone: finalizers, exit handlers, threads.

{"outcome": ["ok"], "result": "answered"}
"""

import atexit
import os
import threading
import time


class Last:
    def __del__(self):
        open("@@OUTSIDE_DIR@@/late", "w")
        os.write(4, b"\0\0\0\2{}")
        time.sleep(60)


def task(g):
    task.kept = Last()
    atexit.register(time.sleep, 60)
    atexit.register(open, "@@OUTSIDE_DIR@@/late2", "w")
    threading.Thread(target=lambda: (time.sleep(0.05), os.write(4, b"\0\0\0\2{}"))).start()
    return "answered"
