"""Which server a command talks to, with which token, and what its answers lead to."""

import socket
import threading

import pytest

from deployments.cli.connection import Server, checked_url, connect, is_local, segment
from deployments.cli.errors import CliError, NotSignedIn, Refused, Unreachable, WrongInput
from deployments.cli.session import Session, save_session
from tests.unit.cli.conftest import SmallServer


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000"),
        ("https://Graphs.Example.org", "https://graphs.example.org"),
        ("https://example.org/graphs/", "https://example.org/graphs"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_a_url_loses_its_last_slash(given: str, used: str) -> None:
    assert checked_url(given) == used


@pytest.mark.parametrize(
    "given",
    ["", "localhost:8000", "127.0.0.1", "ftp://a", "http://", "http://a:port", "http://a/?b=c", "http://a#b",
     "http://a b", "http://[::1", "http://ä.example"],
)  # fmt: skip
def test_what_is_no_address_of_a_server_is_refused(given: str) -> None:
    with pytest.raises(WrongInput):
        checked_url(given)


def test_a_password_in_a_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(WrongInput) as caught:
        checked_url("http://bob:hunter2@example.org")
    assert "hunter2" not in caught.value.message


@pytest.mark.parametrize(
    ("url", "local"),
    [("http://127.0.0.1:1", True), ("http://[::1]", True), ("http://localhost", True), ("http://10.0.0.1", False),
     ("http://localhost.example.org", False)],
)  # fmt: skip
def test_local_is_what_is_on_this_machine(url: str, local: bool) -> None:
    assert is_local(url) is local


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_step_is_no_name(name: str) -> None:
    with pytest.raises(WrongInput):
        segment(name)


def test_a_slash_in_a_name_stays_in_its_segment() -> None:
    assert segment("a/b?c") == "a%2Fb%3Fc"


class TestConnect:
    def test_the_session_is_used(self) -> None:
        save_session(Session("http://one", "t"))
        server = connect(None)
        assert (server.url, server._token) == ("http://one", "t")

    def test_an_option_goes_before_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GRAPHSIDE_URL", "http://two")
        monkeypatch.setenv("GRAPHSIDE_TOKEN", "t")
        assert connect("http://one/").url == "http://one"
        assert connect(None).url == "http://two"

    def test_a_token_of_the_environment_goes_before_the_session(self, monkeypatch: pytest.MonkeyPatch) -> None:
        save_session(Session("http://one", "t"))
        monkeypatch.setenv("GRAPHSIDE_TOKEN", "other")
        assert connect(None)._token == "other"

    def test_a_session_is_never_sent_to_another_server(self) -> None:
        save_session(Session("http://one", "t"))
        with pytest.raises(NotSignedIn, match="graphside login http://two"):
            connect("http://two")

    def test_without_a_session_one_is_told_to_sign_in(self) -> None:
        with pytest.raises(NotSignedIn, match="sign in first: graphside login URL"):
            connect(None)

    def test_an_odd_token_is_refused_and_not_repeated(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GRAPHSIDE_TOKEN", "sécret\n")
        with pytest.raises(WrongInput) as caught:
            connect("http://one")
        assert "cret" not in caught.value.message


class TestAnswers:
    def test_the_token_goes_along(self, server: SmallServer) -> None:
        server.on("GET", "/x", body={"a": 1})
        assert Server(server.url, "t").send("GET", "/x") == {"a": 1}
        assert server.calls[0].token == "Bearer t"

    @pytest.mark.parametrize(
        ("status", "body", "error", "says"),
        [
            (401, {"error": "Token has expired."}, NotSignedIn, "sign in first: graphside login http"),
            (403, {"error": "only an administrator may do this"}, Refused, "only an administrator may do this"),
            (404, {"error": "there is no user 'bob'"}, Refused, "there is no user 'bob'"),
            (
                409,
                {"message": "user bob already exists"},
                Refused,
                "user bob already exists",
            ),
            (400, {"error": "two\nlines \x1b[31mred"}, Refused, r"^two lines \[31mred$"),
            (404, b"<html>nothing here</html>", Refused, "answered 404 Not Found; is it a graphside server?"),
            (502, b"", Refused, "answered 502 Bad Gateway"),
            (200, b"hello", Refused, "answered 200 OK; is it a graphside server?"),
            (200, ["a", "list"], Refused, "answered 200 OK"),
            (500, {"error": {"code": 1}}, Refused, "answered 500"),
        ],
    )
    def test_every_other_answer_becomes_one_line(
        self, server: SmallServer, status: int, body: object, error: type[CliError], says: str
    ) -> None:
        server.on("GET", "/x", status, body)
        with pytest.raises(error, match=says) as caught:
            Server(server.url, "t").send("GET", "/x")
        assert "\n" not in caught.value.message

    @pytest.mark.parametrize(
        ("sentence", "says"),
        [
            ("the store is full", "the store is full (try again in 7 s)"),
            ("the queue is full; try again later", "the queue is full; try again in 7 s"),
            ("no runner is ready yet; try again in a moment", "no runner is ready yet; try again in 7 s"),
            ("no GPU; try again later, or use pandas", "no GPU; try again in 7 s, or use pandas"),
            ("the device reported an error; try again", "the device reported an error; try again in 7 s"),
            ("that is your limit; try again in 8 s", "that is your limit; try again in 8 s"),
        ],
    )
    def test_a_busy_server_says_once_when_to_come_back(self, server: SmallServer, sentence: str, says: str) -> None:
        server.on("GET", "/x", 503, {"error": sentence}, retry_after="7")
        with pytest.raises(Refused) as caught:
            Server(server.url, "t").send("GET", "/x")
        assert caught.value.message == says

    def test_a_redirect_is_told_and_not_followed(self, server: SmallServer) -> None:
        server.on("GET", "/x", 301, {}, location="https://example.org/x")
        with pytest.raises(Refused, match=r"redirects to https://example\.org/x; use"):
            Server(server.url, "t").send("GET", "/x")
        assert len(server.calls) == 1

    def test_a_refused_connection_is_one_line(self) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody else can answer there
            url = f"http://127.0.0.1:{taken.getsockname()[1]}"
            with pytest.raises(Unreachable, match=r"cannot reach .*: Connection refused; is the server running\?"):
                Server(url).send("GET", "/x")

    def test_a_server_that_hangs_up_is_one_line(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:

            def hang_up() -> None:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(4096)

            thread = threading.Thread(target=hang_up)
            thread.start()
            with pytest.raises(Unreachable, match="disconnected"):
                Server(f"http://127.0.0.1:{listener.getsockname()[1]}").send("GET", "/x")
            thread.join()

    def test_a_proxy_of_the_environment_is_not_asked_for_a_local_server(
        self, server: SmallServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        server.on("GET", "/x", body={"a": 1})
        assert Server(server.url, "t").send("GET", "/x") == {"a": 1}
