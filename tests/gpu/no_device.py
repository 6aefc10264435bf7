"""A device whose driver does not answer: what a card that fell off its bus looks like to those who would use it."""


def make() -> "NoDevice":
    return NoDevice()


class NoDevice:
    """Nobody gets further than ``begin``."""

    tag = "nothing"

    def begin(self, limit_bytes: int) -> None:
        raise RuntimeError(f"CUDA_ERROR_NO_DEVICE at /secret/path, {limit_bytes} bytes were wanted")
