"""The ``graphside`` command line.

``serve``, ``init``, ``doctor``, ``backup`` and ``restore`` work on this machine; every other command speaks HTTP with a
URL and a token, like any client of the server.
"""


def main() -> None:
    """Runs the command line of this process; ends it with the command's exit status."""
    from deployments.cli.app import app  # typer takes a moment, which whoever only imports this package need not

    app()
