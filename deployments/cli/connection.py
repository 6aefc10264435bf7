"""A graphside server as the command line sees it: a URL, a token, JSON both ways."""

import os
import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, TypeVar  # Any: JSON values
from urllib.parse import quote, urlsplit

from deployments.cli.errors import NotSignedIn, Refused, Unreachable, WrongInput
from deployments.cli.session import Session, load_session
from deployments.cli.terminal import printable

if TYPE_CHECKING:
    import httpx

Kind = TypeVar("Kind")

_TIMEOUT_S = 30.0
_TOKEN = re.compile(r"[\x21-\x7e]{1,8192}")
_LONGEST_TEXT = 500


class Server:
    """One server. Its methods raise ``CliError`` with the reason: no answer, no permission, what the server says."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self.url = checked_url(url)
        self._token = token

    def __repr__(self) -> str:
        return f"Server({self.url!r})"

    def log_in(self, username: str, password: str) -> Session:
        """A session of that user's (contract 1.2)."""
        answer = self.send("POST", "/api-token-auth/", {"username": username, "password": password})
        return Session(self.url, expect(answer, "token", str))

    def refresh(self) -> Session:
        """The same session, with a token that has at least half of its life before it (contract 1.3)."""
        answer = self.send("POST", "/api/v2/auth/token/refresh", {"token": self._token})
        return Session(self.url, expect(answer, "token", str))

    def send(self, method: str, path: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
        """The JSON object that the server answers."""
        import httpx  # here, since some commands never speak HTTP

        headers = {} if self._token is None else {"Authorization": f"Bearer {self._token}"}
        try:
            # A proxy of the environment is no way to a server on this machine.
            with httpx.Client(timeout=_TIMEOUT_S, trust_env=not is_local(self.url)) as client:
                response = client.request(method, self.url + path, json=body, headers=headers)
        except httpx.TimeoutException:
            raise Unreachable(f"{self.url} did not answer within {_TIMEOUT_S:.0f} s") from None
        except httpx.HTTPError as error:
            raise Unreachable(f"cannot reach {self.url}: {_reason(error)}") from None
        except (httpx.InvalidURL, ImportError, ValueError) as error:
            raise WrongInput(f"cannot use {self.url}: {printable(error)}") from None
        return self._checked(response)

    def _checked(self, response: "httpx.Response") -> dict[str, Any]:
        try:
            body = response.json()
        except ValueError:
            body = None
        if response.is_success and isinstance(body, dict):
            return body
        if response.is_redirect:
            target = printable(response.headers.get("location", ""))
            raise Refused(f"{self.url} redirects to {target}; use the URL that it redirects to", response.status_code)
        text = _error_text(body)
        if response.status_code == 401:
            raise NotSignedIn(self.url, text or "")
        if text is None:
            said = f"{response.status_code} {printable(response.reason_phrase)}".strip()
            raise Refused(f"{self.url} answers {said}, which is not how graphside answers", response.status_code)
        wait = response.headers.get("retry-after", "")
        raise Refused(f"{text} (try again in {wait} s)" if wait.isdigit() else text, response.status_code)


def connect(url: str | None) -> Server:
    """The server to speak to, with a token: of ``--url``, ``GRAPHSIDE_URL`` or the session, in that order.

    ``GRAPHSIDE_TOKEN`` goes before the session's token, which goes to no server but its own. Raises ``NotSignedIn``.
    """
    session = load_session()
    chosen = url or os.environ.get("GRAPHSIDE_URL")
    address = checked_url(chosen) if chosen else session.url if session else None
    token = os.environ.get("GRAPHSIDE_TOKEN")
    if token and not _TOKEN.fullmatch(token):
        raise WrongInput("GRAPHSIDE_TOKEN is not a token: it has blanks or odd characters")
    if not token and session is not None and session.url == address:
        token = session.token
    if address is None or not token:
        raise NotSignedIn(address)
    return Server(address, token)


def checked_url(text: str) -> str:
    """The URL without a slash at its end. Raises ``WrongInput`` unless it is http(s) with a host and no password."""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise WrongInput(f"{printable(text)} is not a URL") from None
    if parts.username is not None or parts.password is not None:
        raise WrongInput("a URL must not hold a name or a password: other users see command lines")
    if parts.scheme not in ("http", "https") or not host:
        raise WrongInput(f"{printable(text)} is not a URL such as http://127.0.0.1:8000")
    if parts.query or parts.fragment or not text.isascii() or not text.isprintable() or " " in text:
        raise WrongInput(f"{printable(text)} is not the address of a server")
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path.rstrip('/')}"


def is_local(url: str) -> bool:
    """Whether the server is on this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def segment(name: str) -> str:
    """A name as one segment of a path. Raises ``WrongInput`` for the two that clients and proxies take for steps."""
    if name in ("", ".", ".."):
        raise WrongInput(f"{name!r} cannot be named in a URL")
    return quote(name, safe="")


def expect(body: Mapping[str, Any], name: str, kind: type[Kind]) -> Kind:
    """A field of an answer. Raises ``Refused`` where the server is none of ours."""
    value = body.get(name)
    if not isinstance(value, kind):
        raise Refused(f"the server's answer has no {name}: is it graphside?", 200)
    return value


def _error_text(body: object) -> str | None:
    """What an error body says (design: ``error``; others of the same protocol use the other keys)."""
    if not isinstance(body, dict):
        return None
    for key in ("error", "message", "detail"):
        if isinstance(body.get(key), str) and body[key].strip():
            return printable(body[key])[:_LONGEST_TEXT]
    return None


def _reason(error: "httpx.HTTPError") -> str:
    """``connection refused`` out of ``[Errno 111] Connection refused``."""
    text = re.sub(r"^\[Errno -?\d+\] ", "", printable(error)) or type(error).__name__
    return f"{text}; is the server running?" if "refused" in text.lower() or "attempts failed" in text else text
