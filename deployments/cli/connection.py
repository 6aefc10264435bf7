"""The command line's connection to a graphside server."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any  # Any: JSON values, httpx's own parameters
from urllib.parse import quote, urlsplit

from deployments.cli.answers import expect, object_of, refusal, why_unreachable
from deployments.cli.errors import NotSignedIn, Unreachable, WrongInput
from deployments.cli.session import Session, load_session
from deployments.cli.terminal import printable

if TYPE_CHECKING:
    import httpx

_WAIT_S = 30.0
_TOKEN = re.compile(r"[\x21-\x7e]{1,8192}")


class Server:
    """A graphside server. Its methods raise ``CliError`` if no answer comes or if the server refuses the request."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self.url = checked_url(url)
        self._token = token

    def __repr__(self) -> str:
        return f"Server({self.url!r})"

    def log_in(self, username: str, password: str) -> Session:
        """Return a new session of the user (protocol 1.2)."""
        answer = self.send("POST", "/api-token-auth/", {"username": username, "password": password})
        return Session(self.url, expect(answer, "token", str))

    def log_in_with_key(self, key: str) -> Session:
        """Return a new session for a personal key, ``<id>:<secret>`` (protocol 1.5)."""
        headers = {"Authorization": f"PersonalKey {key}"}
        with self.exchange("POST", "/api/v2/auth/pkey/jwt/", json={}, headers=headers) as response:
            response.read()
            return Session(self.url, expect(object_of(self.url, response), "token", str))

    def refresh(self) -> Session:
        """Return the session with a token that has at least half of its life left (protocol 1.3)."""
        answer = self.send("POST", "/api/v2/auth/token/refresh", {"token": self._token})
        return Session(self.url, expect(answer, "token", str))

    def send(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        query: Mapping[str, str | int] | None = None,
    ) -> dict[str, Any]:
        """Return the JSON object in the server's answer; an empty one if the answer has no body."""
        with self.exchange(method, path, json=body, params=query) as response:
            response.read()
            return object_of(self.url, response)

    @contextmanager
    def exchange(
        self, method: str, path: str, *, wait_s: float = _WAIT_S, headers: Mapping[str, str] | None = None, **parts: Any
    ) -> Iterator["httpx.Response"]:
        """Send a request and yield its successful response, whose body is still to be read. Raises ``CliError``.

        ``wait_s`` is how long the server may be silent. ``parts`` are httpx's own parameters of a request.
        """
        import httpx  # here, because some commands send no request

        own = {} if self._token is None else {"Authorization": f"Bearer {self._token}"}
        timeout = httpx.Timeout(_WAIT_S, read=wait_s)
        try:
            # A proxy that the environment names cannot reach a server on this machine.
            client = httpx.Client(timeout=timeout, trust_env=not is_local(self.url))
            request = client.build_request(method, self.url + path, headers={**own, **(headers or {})}, **parts)
        except UnicodeEncodeError:
            raise WrongInput("the arguments are not valid UTF-8") from None
        except (httpx.InvalidURL, ImportError, ValueError) as error:
            raise WrongInput(f"cannot use {self.url}: {printable(error)}") from None
        try:
            with client, closing(client.send(request, stream=True)) as response:
                if not response.is_success:
                    response.read()
                    raise refusal(self.url, response)
                yield response
        except httpx.TimeoutException as error:
            patience = wait_s if isinstance(error, httpx.ReadTimeout) else _WAIT_S
            raise Unreachable(f"{self.url} did not answer within {patience:.0f} s") from None
        except httpx.HTTPError as error:
            raise Unreachable(f"cannot reach {self.url}: {why_unreachable(error)}") from None


def connect(url: str | None) -> Server:
    """Return the server that a command talks to: that of ``--url``, ``GRAPHSIDE_URL`` or the session, in that order.

    ``GRAPHSIDE_TOKEN`` overrides the session's token, which is sent only to the session's own server. Raises
    ``NotSignedIn`` if there is no server or no token.
    """
    session = load_session()
    chosen = url or os.environ.get("GRAPHSIDE_URL")
    address = checked_url(chosen) if chosen else session.url if session else None
    token = os.environ.get("GRAPHSIDE_TOKEN")
    if token and not _TOKEN.fullmatch(token):
        raise WrongInput("GRAPHSIDE_TOKEN has characters that no token has")
    if not token and session is not None and session.url == address:
        token = session.token
    if address is None or not token:
        raise NotSignedIn(address)
    return Server(address, token)


def checked_url(text: str) -> str:
    """Return the URL without a slash at its end.

    Raises ``WrongInput`` unless it is an http or https URL with a host and without name, password, query or fragment.
    """
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise WrongInput(f"{printable(text)} is not a URL") from None
    if parts.username is not None or parts.password is not None:
        raise WrongInput("a URL must not contain a username or a password: other users can see command lines")
    if parts.scheme not in ("http", "https") or not host:
        raise WrongInput(f"{printable(text)} is not a URL such as http://127.0.0.1:8000")
    if parts.query or parts.fragment or not text.isascii() or not text.isprintable() or " " in text:
        raise WrongInput(
            f"{printable(text)} is not the URL of a server: it has a query, a fragment, or invalid characters"
        )
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path.rstrip('/')}"


def is_local(url: str) -> bool:
    """Return True if the URL's host is this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def segment(name: str) -> str:
    """Return a name as one segment of a URL's path.

    Raises ``WrongInput`` for ``.`` and ``..``, which clients and proxies would resolve, and for an empty name.
    """
    if name in ("", ".", ".."):
        raise WrongInput(f"{name!r} cannot be part of a URL")
    return quote(name, safe="")
