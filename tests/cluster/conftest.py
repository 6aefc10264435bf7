"""Tasks that the tests of several runners share."""

# As seen from outside: in a namespace of its own a process has other numbers.
PARENT = "def task(g): return int(open('/proc/self/stat').read().rpartition(')')[2].split()[1])"
"""Pid of the parent of the process in which the task runs."""
