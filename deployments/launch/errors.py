"""The error of a server that did not start or stay up."""


class LaunchError(Exception):
    """The message is the line that the operator sees. It names the log if the log says more."""
