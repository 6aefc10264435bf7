"""The errors of a check on a fresh machine."""


class NotHere(Exception):
    """This machine cannot make another one. The message says what is missing."""


class CheckFailed(Exception):
    """The check found something wrong. The message ends with the last lines of the output."""
