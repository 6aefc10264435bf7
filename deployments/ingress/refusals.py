"""The errors of a queue that is full: the sender's own fault, or the server's."""

from deployments.ingress.errors import TooManyRequests
from runtime.errors import Overloaded
from runtime.turns import QueueFull


def refused(full: QueueFull, *, limit_name: str, limit: int) -> TooManyRequests | Overloaded:
    """Return the error for a request that found no room to wait: 429 if others of its sender wait, else 503."""
    if full.own:
        text = f"{full.own} of your requests are waiting already; wait for their answers, then try again"
        return TooManyRequests(text, limit_name=limit_name, limit=limit, observed=full.own, retry_after_s=1)
    return Overloaded(f"the server is busy ({full.waiting} requests are waiting); try again later", retry_after_s=1)
