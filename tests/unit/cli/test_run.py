"""``run``: the request, and where the result goes."""

import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.terminal import Terminal
from tests.unit.cli.conftest import Cli, SmallServer, complaint
from tests.waiting import WITHIN_S

PYTHON = "/api/v2/datasets/0123/python"
SOURCE = "def task(g):\n    return {'a': [1, 2.50]}\n"
JSON: dict[str, Any] = {"content_type": "application/json"}


@pytest.fixture
def task(tmp_path: Path) -> Path:
    """A file with a task."""
    path = tmp_path / "task.py"
    path.write_text(SOURCE)
    return path


class TestRequest:
    def test_it_sends_the_text_of_the_file_and_an_id_for_the_run(
        self, cli: Cli, signed_in: SmallServer, task: Path
    ) -> None:
        signed_in.on("POST", PYTHON, body=b"1", **JSON)
        assert cli("run", str(task), "--dataset", "0123").exit_code == 0
        body = signed_in.calls[0].body
        run_id = body.pop("run_id")
        assert len(run_id) == 32
        assert set(run_id) <= set("0123456789abcdef")
        assert body == {"execute": SOURCE, "output_type": "json", "format": "json"}

    def test_every_option_has_its_field(self, cli: Cli, signed_in: SmallServer, task: Path) -> None:
        signed_in.on("POST", PYTHON, body=b"1", **JSON)
        options = ("--engine", "pandas", "--output-type", "nodes", "--format", "csv", "--timeout", "2.5")
        cli("run", str(task), "--dataset", "0123", *options, "--memory", "2GiB", "--label", "nightly")
        body = {name: value for name, value in signed_in.calls[0].body.items() if name not in ("run_id", "execute")}
        assert body == {
            "engine": "pandas",
            "output_type": "nodes",
            "format": "csv",
            "timeout_s": 2.5,
            "memory_bytes": 2 * 1024**3,
            "run_label": "nightly",
        }

    @pytest.mark.parametrize(("format_", "output_type"), [("json", "json"), ("csv", "table"), ("parquet", "table")])
    def test_a_format_of_tables_asks_for_a_table(
        self, cli: Cli, signed_in: SmallServer, task: Path, format_: str, output_type: str
    ) -> None:
        signed_in.on("POST", PYTHON, body=b"1", **JSON)
        cli("run", str(task), "--dataset", "0123", "--format", format_)
        assert signed_in.calls[0].body["output_type"] == output_type

    def test_a_dash_is_standard_input(self, cli: Cli, signed_in: SmallServer) -> None:
        signed_in.on("POST", PYTHON, body=b"1", **JSON)
        assert cli("run", "-", "--dataset", "0123", typed=SOURCE).exit_code == 0
        assert signed_in.calls[0].body["execute"] == SOURCE

    @pytest.mark.parametrize(
        ("content", "text"),
        [
            (b"\xef\xbb\xbfx = '\xc3\xa9'\r\n", "x = 'é'\n"),
            (b"# coding: latin-1\nx = '\xe9'\n", "# coding: latin-1\nx = 'é'\n"),
        ],
        ids=["byte order mark", "coding line"],
    )
    def test_a_file_is_decoded_as_python_does(
        self, cli: Cli, signed_in: SmallServer, task: Path, content: bytes, text: str
    ) -> None:
        signed_in.on("POST", PYTHON, body=b"1", **JSON)
        task.write_bytes(content)
        cli("run", str(task), "--dataset", "0123")
        assert signed_in.calls[0].body["execute"] == text

    @pytest.mark.parametrize(
        ("content", "says"),
        [
            (b"x = '\xe9'", "is not text in the encoding that it declares (default: UTF-8)"),
            (b"# coding: klingon\n", "is not text in the encoding that it declares (default: UTF-8)"),
            (b" \n", "is empty; define `def task(g): ...` in it"),
            (None, "cannot be read: No such file or directory"),
        ],
    )
    def test_a_file_that_is_no_text_is_one_line(
        self, cli: Cli, signed_in: SmallServer, task: Path, content: bytes | None, says: str
    ) -> None:
        task.unlink() if content is None else task.write_bytes(content)
        assert complaint(cli("run", str(task), "--dataset", "0123")) == f"{task} {says}"
        assert signed_in.calls == []

    @pytest.mark.parametrize(
        ("options", "says"),
        [
            (("--memory", "much"), "--memory much is not a size such as 512MiB or 2GiB"),
            (("--memory", "0"), "--memory must be more than 0"),
            (("--engine", "spark"), "'spark' is not one of"),
            (("--timeout", "soon"), "--timeout"),
        ],
    )
    def test_an_option_that_means_nothing_is_not_sent(
        self, cli: Cli, signed_in: SmallServer, task: Path, options: tuple[str, ...], says: str
    ) -> None:
        assert says in complaint(cli("run", str(task), "--dataset", "0123", *options))
        assert signed_in.calls == []


class TestResult:
    @pytest.mark.parametrize("content", [b'{"a":[1,2.50]}', b"a,b\n1,\x1b[2J\n", b"PAR1\x00\xff", b""])
    @pytest.mark.parametrize("options", [(), ("-o", "-")])
    def test_where_the_output_is_no_terminal_it_is_what_the_server_sent(
        self, cli: Cli, signed_in: SmallServer, task: Path, content: bytes, options: tuple[str, ...]
    ) -> None:
        signed_in.on("POST", PYTHON, body=content, **JSON)
        result = cli("run", str(task), "--dataset", "0123", *options)
        assert (result.exit_code, result.stdout_bytes, result.stderr) == (0, content, "")

    def test_another_engine_than_the_one_asked_for_is_told(self, cli: Cli, signed_in: SmallServer, task: Path) -> None:
        signed_in.on("POST", PYTHON, body=b"1", x_engine="pandas", **JSON)
        result = cli("run", str(task), "--dataset", "0123", "--engine", "cudf")
        assert (result.stdout, result.stderr) == ("1", "graphside: the task ran with pandas\n")

    def test_a_reader_that_goes_away_is_no_traceback(self, signed_in: SmallServer, task: Path) -> None:
        signed_in.on("POST", PYTHON, body=b"1" * 10_000_000, **JSON)
        reading, writing = os.pipe()
        os.close(reading)
        with (
            open(writing, "wb") as gone,
            Terminal("run", str(task), "--dataset", "0123", stdout=gone) as terminal,
        ):
            assert terminal.end() == 1
        assert "Traceback" not in terminal.text
        assert "unexpected" not in terminal.text


class TestFile:
    def test_it_is_written_whole_and_nothing_is_printed(
        self, cli: Cli, signed_in: SmallServer, task: Path, tmp_path: Path
    ) -> None:
        content = os.urandom(3_000_000)
        signed_in.on("POST", PYTHON, body=content)
        out = tmp_path / "out.bin"
        result = cli("run", str(task), "--dataset", "0123", "-o", str(out))
        assert (result.exit_code, result.output) == (0, "")
        assert out.read_bytes() == content
        assert sorted(os.listdir(tmp_path)) == ["config", "out.bin", "task.py"]

    def test_a_result_that_does_not_come_whole_leaves_what_was_there(
        self, cli: Cli, signed_in: SmallServer, task: Path, tmp_path: Path
    ) -> None:
        out = tmp_path / "out.json"
        out.write_text("before")
        signed_in.on("POST", PYTHON, body=b"half", content_length="4000", connection="close")
        said = complaint(cli("run", str(task), "--dataset", "0123", "-o", str(out)))
        assert "peer closed connection without sending complete message body" in said
        assert out.read_text() == "before"
        assert sorted(os.listdir(tmp_path)) == ["config", "out.json", "task.py"]

    def test_a_failed_task_leaves_what_was_there(
        self, cli: Cli, signed_in: SmallServer, task: Path, tmp_path: Path
    ) -> None:
        out = tmp_path / "out.json"
        out.write_text("before")
        signed_in.on("POST", PYTHON, 422, {"error": "no", "type": "TaskError"})
        assert complaint(cli("run", str(task), "--dataset", "0123", "-o", str(out))) == "no"
        assert out.read_text() == "before"

    def test_a_file_that_is_replaced_keeps_its_mode_and_a_link_its_target(
        self, cli: Cli, signed_in: SmallServer, task: Path, tmp_path: Path
    ) -> None:
        out, link = tmp_path / "out.json", tmp_path / "link.json"
        out.write_text("before")
        out.chmod(0o640)
        link.symlink_to(out)
        signed_in.on("POST", PYTHON, body=b"after", **JSON)
        cli("run", str(task), "--dataset", "0123", "-o", str(link))
        assert link.is_symlink()
        assert (out.read_text(), stat.S_IMODE(out.stat().st_mode)) == ("after", 0o640)

    def test_a_pipe_is_written_to_and_not_replaced(
        self, cli: Cli, signed_in: SmallServer, task: Path, tmp_path: Path
    ) -> None:
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        got: list[bytes] = []
        reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
        reader.start()
        signed_in.on("POST", PYTHON, body=b"through", **JSON)
        assert cli("run", str(task), "--dataset", "0123", "-o", str(pipe)).exit_code == 0
        reader.join(WITHIN_S)
        assert got == [b"through"]
        assert pipe.is_fifo()

    @pytest.mark.parametrize(
        ("name", "says"), [("missing/out", "No such file or directory"), ("folder", "Is a directory")]
    )
    def test_where_it_cannot_be_written_nothing_is_run(
        self, cli: Cli, signed_in: SmallServer, task: Path, tmp_path: Path, name: str, says: str
    ) -> None:
        (tmp_path / "folder").mkdir()
        out = tmp_path / name
        assert (
            complaint(cli("run", str(task), "--dataset", "0123", "-o", str(out))) == f"{out} cannot be written: {says}"
        )
        assert signed_in.calls == []

    def test_a_full_disk_is_one_line(self, cli: Cli, signed_in: SmallServer, task: Path) -> None:
        signed_in.on("POST", PYTHON, body=b"1", **JSON)
        result = cli("run", str(task), "--dataset", "0123", "-o", "/dev/full")
        assert complaint(result) == "/dev/full cannot be written: No space left on device"


class TestCtrlC:
    @pytest.fixture
    def waiting(self, signed_in: SmallServer, task: Path, tmp_path: Path) -> Iterator[tuple[Terminal, str]]:
        """The command, waiting for a run that does not end, and the path at which that is cancelled."""
        answer = signed_in.on("POST", PYTHON, 422, {"error": "it was cancelled", "type": "TaskCancelled"})
        answer.held = threading.Event()
        with Terminal("run", str(task), "--dataset", "0123", "-o", str(tmp_path / "out"), columns=200) as terminal:
            run_id = signed_in.first("POST", PYTHON).body["run_id"]
            terminal.until("running 0:00")
            yield terminal, f"/api/v2/runs/{run_id}/cancel"
        answer.held.set()
        assert "Traceback" not in terminal.text
        assert sorted(os.listdir(tmp_path)) == ["config", "task.py"]

    def test_it_cancels_the_run_and_waits_for_its_end(
        self, signed_in: SmallServer, waiting: tuple[Terminal, str]
    ) -> None:
        terminal, path = waiting
        signed_in.on("POST", path, body={"success": True}).frees = signed_in.answers["POST", PYTHON].held
        terminal.type("\x03")
        assert terminal.end() == 130
        assert terminal.text.endswith(f"\ngraphside: run {path.split('/')[4]} is cancelled\n")
        assert "TaskCancelled" not in terminal.text

    def test_where_it_cannot_be_cancelled_the_wait_ends_all_the_same(
        self, signed_in: SmallServer, waiting: tuple[Terminal, str]
    ) -> None:
        terminal, path = waiting
        signed_in.on("POST", path, 404, {"error": "run not found"})
        terminal.type("\x03")
        assert terminal.end() == 130
        assert terminal.text.endswith(" could not be cancelled: run not found\n")

    def test_a_second_one_ends_the_wait_at_once(self, signed_in: SmallServer, waiting: tuple[Terminal, str]) -> None:
        terminal, path = waiting
        cancelled = signed_in.on("POST", path, body={"success": True})
        cancelled.held = threading.Event()
        terminal.type("\x03")
        signed_in.first("POST", path)
        terminal.type("\x03")
        assert terminal.end() == 130
        cancelled.held.set()
        assert terminal.text.endswith(" may not have been cancelled\n")

    def test_one_that_comes_while_the_result_comes_leaves_no_half_of_it(
        self, signed_in: SmallServer, waiting: tuple[Terminal, str], tmp_path: Path
    ) -> None:
        terminal, path = waiting
        answer = signed_in.answers["POST", PYTHON]
        assert answer.held is not None
        answer.status, answer.body, answer.headers = 200, b"1" * 1000, {"content-length": "100000000"}
        signed_in.on("POST", path, body={"success": True})
        answer.lasts = threading.Event()
        answer.held.set()
        terminal.until("receiving")
        terminal.type("\x03")
        assert terminal.end() == 130
        answer.lasts.set()
