"""What the server answers to a broad, fixed set of requests, so that two states of the code can be compared.

    python -m tools.record_wire before.json                         # in a checkout: of the server that lies there
    python -m tools.record_wire --compare before.json after.json    # what differs; exit status 1 where anything does

It starts the server as a user does (``python -m deployments.launch``, in the current folder, with this Python), asks it
over HTTP, and stops it. It imports nothing of the server's, so one copy of it records any state of the code:

    cd /some/other/checkout && PYTHONPATH=/this/checkout .venv/bin/python -m tools.record_wire other.json

What changes from run to run (ids, tokens, times, durations, ports) is replaced by placeholders (``normalising.py``).
The requests are in ``requests/``, a family a module; ``scenes.py`` says under which settings each family is asked.
"""
