"""Reads a server's answer: a JSON object, or the error that ends the command."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar  # Any: JSON values

from deployments.cli.errors import CliError, NotSignedIn, Refused
from deployments.cli.terminal import printable

if TYPE_CHECKING:
    import httpx

Kind = TypeVar("Kind")

LONGEST_TEXT = 1000


def object_of(url: str, response: "httpx.Response") -> dict[str, Any]:
    """Return the JSON object of a successful response; an empty one for 204. Raises ``Refused`` for any other body."""
    if response.status_code == 204:
        return {}
    body = _json(response)
    if isinstance(body, dict):
        return body
    raise _not_ours(url, response)


def refusal(url: str, response: "httpx.Response") -> CliError:
    """Return the error for a response that is not successful."""
    if response.is_redirect:
        target = printable(response.headers.get("location", ""))
        return Refused(f"{url} redirects to {target}; use that URL", response.status_code)
    body = _json(response)
    text = _error_text(body)
    if response.status_code == 401:
        return NotSignedIn(url, text or "")
    if text is None:
        return _not_ours(url, response)
    wait = response.headers.get("retry-after", "")
    message = _with_wait(text, wait) if wait.isdigit() else text
    return Refused(message, response.status_code, body if isinstance(body, dict) else {})


def expect(body: Mapping[str, Any], name: str, kind: type[Kind]) -> Kind:
    """Return a field of an answer. Raises ``Refused`` if it is missing or has another type."""
    value = body.get(name)
    if not isinstance(value, kind):
        raise Refused(f"the server's answer has no {name}; is it a graphside server?", 200)
    return value


def objects(body: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Return a field of an answer that is a list of objects. Raises ``Refused`` if it is not."""
    found = expect(body, name, list)
    if not all(isinstance(item, dict) for item in found):
        raise Refused(f"the server's answer has invalid {name}; is it a graphside server?", 200)
    return found


def why_unreachable(error: "httpx.HTTPError") -> str:
    """Return the reason without its number: ``Connection refused``, not ``[Errno 111] Connection refused``."""
    text = re.sub(r"^\[Errno -?\d+\] ", "", printable(error)) or type(error).__name__
    return f"{text}; is the server running?" if "refused" in text.lower() or "attempts failed" in text else text


def _with_wait(text: str, wait_s: str) -> str:
    """Say once when to try again: in place of the server's "try again later", or after its sentence."""
    when = f"try again in {wait_s} s"
    if re.search(r"\btry again in \d", text):
        return text
    said, count = re.subn(r"\btry again(?: later| in a moment)?\b", when, text, count=1)
    return said if count else f"{text} ({when})"


def _json(response: "httpx.Response") -> object:
    try:
        return response.json()
    except (ValueError, RecursionError):
        return None


def _not_ours(url: str, response: "httpx.Response") -> Refused:
    status = f"{response.status_code} {printable(response.reason_phrase)}".strip()
    return Refused(f"{url} answered {status}; is it a graphside server?", response.status_code)


def _error_text(body: object) -> str | None:
    """Return the sentence in an error body. graphside's key is ``error``; other servers of the protocol use others."""
    if not isinstance(body, dict):
        return None
    for key in ("error", "message", "detail"):
        if isinstance(body.get(key), str) and body[key].strip():
            return printable(body[key])[:LONGEST_TEXT]
    return None
