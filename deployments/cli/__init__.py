"""The ``graphside`` command line.

``serve``, ``init``, ``doctor``, ``backup`` and ``restore`` work on this machine. Every other command sends HTTP
requests with a token to the URL of a server, like any other client.
"""


def main() -> None:
    """Run the command line of this process and exit with the command's status."""
    from deployments.cli.app import app  # here, so that importing this package does not import typer

    app()
