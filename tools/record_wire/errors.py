"""What ends a recording before it is whole."""


class RecordingFailed(Exception):
    """The server did not start, or did not do what the next request needs. The message is for the terminal."""
