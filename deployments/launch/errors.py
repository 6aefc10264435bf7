"""Why a server did not start or stay up.

LaunchError     one readable line for the operator; where a log knows more, it names the log
"""


class LaunchError(Exception):
    """The message is the whole line that the operator sees."""
