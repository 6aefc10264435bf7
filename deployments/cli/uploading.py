"""Uploads a table: declares a file, streams its bytes from disk, and waits until the server has read them."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final  # Any: JSON values

from deployments.cli.answers import expect, object_of
from deployments.cli.connection import Server, segment
from deployments.cli.errors import CliError, Refused, WrongInput
from deployments.cli.file_types import TableFile
from deployments.cli.progress import spinner, transfer
from deployments.cli.terminal import printable, warn

_CHUNK: Final = 256 * 1024
_PARSE_WAIT_S: Final = 180.0
_PARSE_BYTES_PER_S: Final = 2e6
"""Slower than the server's slowest parser."""


@dataclass(frozen=True, slots=True)
class UploadedTable:
    """A table that the server has read. ``columns`` are the names of its columns, in order."""

    file_id: str
    columns: tuple[str, ...]
    row_count: int


def upload(server: Server, file: TableFile) -> UploadedTable:
    """Upload a table. Raises ``CliError``; the server then keeps nothing of it."""
    declared = {
        "file_type": file.file_type,
        "file_compression": file.compression,
        "name": file.path.name,
        "parser_options": file.parser_options,
        "agent_name": "graphside",
    }
    file_id = expect(server.send("POST", "/api/v2/files/", declared), "file_id", str)
    try:
        return _table_of(file, file_id, _send_bytes(server, file, file_id))
    except BaseException:
        forget(server, file_id)
        raise


def forget(server: Server, file_id: str) -> None:
    """Delete a file at the server, or warn if that fails. Datasets keep the tables that they got from it."""
    try:
        server.send("DELETE", f"/api/v2/files/{segment(file_id)}/")
    except CliError as error:
        warn(f"file {file_id} was not deleted at the server: {error.message}")


def _send_bytes(server: Server, file: TableFile, file_id: str) -> dict[str, Any]:
    headers = {"Content-Length": str(file.byte_count), "Content-Type": "application/octet-stream"}
    wait_s = _PARSE_WAIT_S + file.byte_count / _PARSE_BYTES_PER_S
    with ExitStack() as watched:
        content = _chunks(file, watched)
        path = f"/api/v2/upload/files/{segment(file_id)}"
        try:
            with server.exchange(
                "POST", path, params={"erase": "true"}, content=content, headers=headers, wait_s=wait_s
            ) as response:
                response.read()
                return object_of(server.url, response)
        except Refused as error:
            said = file.in_words_of_command(error.message)
            raise Refused(f"{printable(file.path.name)}: {said}", error.status, error.body) from None


def _chunks(file: TableFile, watched: ExitStack) -> Iterator[bytes]:
    """Yield the file's bytes and show a bar; then show a spinner, because the server is still reading."""
    left = file.byte_count
    try:
        with open(file.path, "rb") as source, transfer(file.path.name, left) as advance:
            while left and (chunk := source.read(min(_CHUNK, left))):
                left -= len(chunk)
                yield chunk
                advance(len(chunk))
    except OSError as error:
        raise WrongInput(f"{printable(file.path)} cannot be read: {error.strerror}") from None
    if left:
        raise WrongInput(f"{printable(file.path)} became shorter during the upload")
    watched.enter_context(spinner(f"the server is reading {file.path.name}"))


def _table_of(file: TableFile, file_id: str, answer: dict[str, Any]) -> UploadedTable:
    """Return the table that the answer describes. Raises ``CliError`` if the server could not read the bytes."""
    if not (answer.get("is_valid") and answer.get("is_uploaded")):
        said = file.in_words_of_command(printable(answer.get("errors")))
        raise CliError(f"the server refused {printable(file.path.name)}: {said}")
    schemas = expect(answer, "tables_schemas", list)
    schema = schemas[0] if schemas and isinstance(schemas[0], dict) else {}
    return UploadedTable(file_id, tuple(expect(schema, "dtypes", dict)), expect(schema, "num_rows", int))
