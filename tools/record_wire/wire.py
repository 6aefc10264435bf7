"""Sends requests to a server and keeps what it answers."""

import base64
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from types import TracebackType
from typing import Any, Final, Self  # Any: JSON

import httpx

from tools.record_wire.asking import NOBODY, Body, Caller, Request, as_json
from tools.record_wire.errors import RecordingFailed
from tools.record_wire.exchange import BodyKind, Exchange, Header
from tools.record_wire.normalising import Normaliser, ids_in
from tools.record_wire.server import Server

_TIMEOUT_S: Final = 60.0
_MOST_TEXT: Final = 2_000_000
_MOST_BINARY: Final = 16_000
_BRIEF_S: Final = 2
"""A ``Retry-After`` up to this is a constant; a longer one is what is left of a minute."""

_TEXTS: Final = ("text/", "application/json", "image/svg+xml")

AskedBody = Body | dict[str, Any] | None


class Wire:
    """The way to one server. ``section`` is the first part of the names of what is asked from then on."""

    def __init__(self, server: Server, scene: str, exchanges: list[Exchange]) -> None:
        self.server = server
        self.section = ""
        self._scene = scene
        self._exchanges = exchanges
        self._names = {exchange.name for exchange in exchanges}
        self._client = _client(server)
        document = self._client.get("/openapi.json")
        self.document: dict[str, Any] = document.json()
        texts = [
            (str(server.data), "<data>"),
            (server.host, "<host>"),
            (server.host.replace(":", "%3A"), "<host>"),
        ]
        self.normaliser = Normaliser(texts, ids_in(document.text))

    def ask(
        self,
        name: str,
        method: str,
        path: str,
        caller: Caller = NOBODY,
        body: AskedBody = None,
        *,
        at: Mapping[str, str] | None = None,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        measured: Sequence[str] = (),
    ) -> httpx.Response:
        """Ask and keep the answer, under a name that no other has. A dict as ``body`` is sent as JSON.

        ``measured`` are members of the answer's objects with numbers that differ from run to run.
        """
        request = request_of(method, path, caller, body, at=at, query=query, headers=headers)
        answer = self.send(request)
        self.keep(name, request, answer, measured)
        return answer

    def send(self, request: Request) -> httpx.Response:
        """Ask without keeping anything. Raises ``RecordingFailed`` where no answer comes."""
        try:
            answer = self._client.request(
                request.method, request.url, headers=request.sent_headers, content=_content(request)
            )
        except httpx.HTTPError as error:
            raise RecordingFailed(f"{request.method} {request.url}: {type(error).__name__}: {error}") from error
        self._client.cookies.clear()  # each request says which it sends
        return answer

    def send_alone(self, request: Request, timeout_s: float = _TIMEOUT_S) -> httpx.Response:
        """As ``send``, beside what others send meanwhile. Raises ``httpx.TimeoutException``."""
        with _client(self.server) as client:
            return client.request(
                request.method, request.url, headers=request.sent_headers, content=_content(request), timeout=timeout_s
            )

    def send_ok(
        self,
        method: str,
        path: str,
        caller: Caller = NOBODY,
        body: AskedBody = None,
        *,
        at: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """The object of an answer that is not kept. Raises ``RecordingFailed`` where it is none."""
        answer = self.send(request_of(method, path, caller, body, at=at))
        if not answer.is_success:
            raise RecordingFailed(f"{method} {path} answers {answer.status_code}: {answer.text[:500]}")
        found: dict[str, Any] = answer.json()
        return found

    def keep(self, name: str, request: Request, answer: httpx.Response, measured: Sequence[str] = ()) -> None:
        """Keep an answer of ``send``'s."""
        headers = [(key.decode("latin-1").lower(), value.decode("latin-1")) for key, value in answer.headers.raw]
        self.keep_raw(name, request, answer.status_code, headers, answer.content, measured)

    def keep_raw(
        self,
        name: str,
        request: Request,
        status: int,
        headers: Sequence[Header],
        content: bytes,
        measured: Sequence[str] = (),
    ) -> None:
        """Keep an answer, whoever got it."""
        full = f"{self._scene} / {self.section} / {name}"
        if full in self._names:
            raise RecordingFailed(f"two requests are called {full!r}")
        self._names.add(full)
        text = _text_of(content, headers)
        tokens = {} if text is None else self.normaliser.tokens_in(text, full)
        kind, body = self._body(content, text, full, measured)
        self._exchanges.append(
            Exchange(
                name=full,
                method=request.method,
                path=request.path,
                request=request.summary(lambda text: self.normaliser.text(text, full)),
                status=status,
                headers=tuple(self._header(header, full, content) for header in headers),
                body_kind=kind,
                body=body,
                tokens=tokens,
            )
        )

    def until(self, request: Request, holds: Callable[[httpx.Response], bool], within_s: float = 20.0) -> None:
        """Ask again and again, keeping nothing, until the answer is as wished. Raises ``RecordingFailed``."""
        deadline = time.monotonic() + within_s
        while not holds(answer := self.send(request)):
            if time.monotonic() > deadline:
                raise RecordingFailed(f"{request.method} {request.url} still answers {answer.text[:500]}")
            time.sleep(0.05)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def _body(self, content: bytes, text: str | None, exchange: str, measured: Sequence[str]) -> tuple[BodyKind, str]:
        if text is not None and len(content) <= _MOST_TEXT:
            return "text", self.normaliser.text(text, exchange, measured)
        if text is None and len(content) <= _MOST_BINARY:
            return "base64", base64.b64encode(content).decode()
        return "digest", f"{len(content)} bytes, SHA-256 {sha256(content).hexdigest()}"

    def _header(self, header: Header, exchange: str, content: bytes) -> Header:
        name, value = header
        if name == "content-length" and content and value == str(len(content)):
            return name, "<length of the body>"
        if name == "retry-after" and value.isdigit() and int(value) > _BRIEF_S:
            return name, "<seconds>"
        return name, self.normaliser.text(value, exchange)


def request_of(
    method: str,
    path: str,
    caller: Caller = NOBODY,
    body: AskedBody = None,
    *,
    at: Mapping[str, str] | None = None,
    query: str = "",
    headers: Mapping[str, str] | None = None,
) -> Request:
    """A request; a dict as ``body`` is sent as JSON."""
    sent = as_json(body) if isinstance(body, dict) else body
    return Request(method, path, caller, at or {}, query, sent, headers or {})


def _client(server: Server) -> httpx.Client:
    """One that opens a connection for each request and says little of itself."""
    client = httpx.Client(
        base_url=server.url,
        timeout=_TIMEOUT_S,
        trust_env=False,
        headers={"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "record-wire"},
        limits=httpx.Limits(max_keepalive_connections=0),
    )
    del client.headers["Connection"]
    return client


def _content(request: Request) -> bytes | Iterator[bytes] | None:
    body = request.body
    if body is None:
        return None
    return body.content if body.in_chunks_of is None else body.chunks()


def _text_of(content: bytes, headers: Sequence[Header]) -> str | None:
    kind = dict(headers).get("content-type", "")
    if content and not kind.startswith(_TEXTS):
        return None
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None
