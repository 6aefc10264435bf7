"""Files: declare a file and its type, then upload its bytes."""

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from deployments.ingress.callers.call import Call
from deployments.ingress.callers.finishing import finished
from deployments.ingress.errors import InvalidRequest, NotFound
from deployments.ingress.fields import Agent, Name, Options, Prose, Title, Word
from deployments.ingress.json_answers import JsonAnswer, json_after_change, json_answer_of
from deployments.ingress.paging import list_page, page_of
from deployments.ingress.routes.shapes.files import FilePage, FileShown
from deployments.ingress.routing.declarations import (
    JSON,
    Parameter,
    json_answer,
    json_body,
    link,
    text_of,
    unread_body,
    upload_body,
)
from deployments.ingress.routing.parameters import PAGE
from deployments.ingress.routing.routes import Routes
from deployments.ingress.uploads.receiving import Received, kept, parsed, received
from deployments.ingress.uploads.storage_room import check_room
from runtime.datasets.file_types import COMPRESSION_NAMES, FILE_TYPE_NAMES
from runtime.datasets.records import FileRecord, ObjectRecord, RecordGone
from runtime.errors import InvalidTable, Overloaded, RunInterrupted, StorageFull, StoreUnavailable

routes = Routes()

FILE_BODY_BYTES: Final = 128 * 1024
"""The limit of the body that describes a file: its parser options are most of it."""

if TYPE_CHECKING:
    FileTypeName: TypeAlias = str
    CompressionName: TypeAlias = str
else:
    FileTypeName = Literal[FILE_TYPE_NAMES]
    CompressionName = Literal["", *COMPRESSION_NAMES]


_NO_TRANSFORMS: Final[Any] = Field(
    None, json_schema_extra={"maxItems": 0}, description="Not supported; transform the table in the task."
)


class NewFile(BaseModel):
    """A new file. Unknown keys are ignored."""

    model_config = ConfigDict(extra="ignore")

    file_type: FileTypeName = Field(examples=["csv"])
    file_compression: CompressionName | None = ""
    name: Title | None = Field(None, examples=["transactions"])
    description: Prose | None = None
    parser_options: Options | None = None
    sql_transforms: Annotated[list[Word], Field(max_length=100)] | None = _NO_TRANSFORMS
    org_name: Name | None = None
    agent_name: Agent | None = None
    agent_version: Agent | None = None


class FileChange(BaseModel):
    """A change to a file. Unknown keys are ignored, and ``null`` empties a field."""

    model_config = ConfigDict(extra="ignore")

    name: Title | None = None
    description: Prose | None = None
    parser_options: Options | None = None
    sql_transforms: Annotated[list[Word], Field(max_length=100)] | None = _NO_TRANSFORMS


@routes.on(
    "POST",
    "/api/v2/files",
    body=json_body(NewFile, most_bytes=FILE_BODY_BYTES),
    answers={
        201: json_answer(
            FileShown,
            links={
                "upload": link("files_upload", file_id="$response.body#/file_id"),
                "get": link("files_get", file_id="$response.body#/file_id"),
                "delete": link("files_delete", file_id="$response.body#/file_id"),
            },
        )
    },
    audit=("file.create",),
)
async def create(call: Call[NewFile]) -> Response:
    """Declare a file. Upload its bytes next."""
    _refuse_transforms(call.body.sql_transforms)
    fields = call.body.model_dump()
    fields["file_compression"] = call.body.file_compression or ""
    fields["parser_options"] = call.body.parser_options or {}
    record = await call.services.write(lambda: call.services.files.create(call.principal.user_id, **fields))
    call.note("file.create", f"file:{record.id}", file_type=record.file_type)
    return JsonAnswer(_shown(record), 201)


@routes.on("GET", "/api/v2/files", parameters=PAGE, answers={200: FilePage}, errors=(InvalidRequest,))
async def page(call: Call[None]) -> Response:
    """List your own files, newest first."""
    limit, offset = page_of(call.request)
    count, records = await call.services.ask(call.services.files.page, call.principal.user_id, limit, offset)
    return await list_page(call, count, limit, offset, map(_listed, records))


@routes.on("GET", "/api/v2/files/{file_id}", answers={200: FileShown}, errors=(NotFound,))
async def get(call: Call[None]) -> Response:
    """Get one file."""
    record = await _own_file(call)
    return await json_answer_of(call.services, lambda: _shown(record), about_bytes=_about_bytes(record))


@routes.on(
    "PATCH",
    "/api/v2/files/{file_id}",
    body=unread_body({JSON: FileChange}, most_bytes=FILE_BODY_BYTES),
    answers={200: FileShown},
    errors=(NotFound,),
    audit=("file.change",),
)
async def change(call: Call[None]) -> Response:
    """Change the name, the description or the parser options of a file. New options apply from the next upload on."""
    record = await _own_file(call)
    body = await call.read(FileChange)
    _refuse_transforms(body.sql_transforms)
    given = body.model_dump(include=body.model_fields_set - {"sql_transforms"})
    if "parser_options" in given:
        given["parser_options"] = given["parser_options"] or {}
    if given:
        try:
            record = await call.services.write(lambda: call.services.files.change(record.id, **given))
        except RecordGone:
            raise NotFound(f"file {record.id} not found") from None
        call.note("file.change", f"file:{record.id}", fields=sorted(given))
    return await _answer(call, record)


@routes.on(
    "DELETE",
    "/api/v2/files/{file_id}",
    answers={204: None},
    errors=(NotFound,),
    audit=("file.delete",),
)
async def delete(call: Call[None]) -> Response:
    """Delete a file. Datasets that were made from it keep their tables."""
    record = await _own_file(call)
    if await call.services.write(call.services.files.delete, record.id, record.owner_id):
        call.note("file.delete", f"file:{record.id}")
    await call.services.collect_garbage()
    return Response(status_code=204)


@routes.on(
    "POST",
    "/api/v2/upload/files/{file_id}",
    parameters=(
        Parameter("erase", "Accepted without effect: bytes that are not a table are never kept.", text_of(10), "true"),
    ),
    body=upload_body("The bytes of the file, in its declared type. The query may have options of its parser."),
    answers={200: FileShown},
    errors=(InvalidTable, NotFound, Overloaded, RunInterrupted, StorageFull, StoreUnavailable),
    audit=("file.upload",),
    ends_with_caller=True,
)
async def upload(call: Call[None]) -> Response:
    """Upload the bytes of a file. The declared type counts, whatever the ``Content-Type``."""
    record = await _own_file(call)
    options = {**(record.parser_options or {}), **_query_options(call.request)}
    file_type, compression = record.file_type, record.file_compression
    await check_room(call.request, call.services, record.owner_id, file_type, compression, record.object)
    async with received(call.request, call.services) as upload:
        await call.check_again()
        try:
            table = await parsed(call.services, call.principal.user_id, upload, file_type, compression, options)
        except InvalidTable as failure:
            # Bytes that are not a table are not kept, with or without ``erase``. The id can be used again.
            await finished(_failed(call, record, failure))
            raise
    return await _answer(call, await finished(_uploaded(call, record, upload, table)))


async def _uploaded(call: Call[None], record: FileRecord, upload: Received, table: ObjectRecord) -> FileRecord:
    async with kept(call.services, table, gone=f"file {record.id} not found"):
        record = await call.services.write(call.services.files.uploaded, record.id, table, upload.byte_count)
    call.note("file.upload", f"file:{record.id}", bytes=upload.byte_count, stored_bytes=table.byte_count)
    await call.services.collect_garbage()
    return record


async def _failed(call: Call[None], record: FileRecord, failure: InvalidTable) -> None:
    try:
        await call.services.write(call.services.files.failed, record.id, [failure.message])
    except RecordGone:
        raise NotFound(f"file {record.id} not found") from None
    call.note("file.upload", f"file:{record.id}", "refused", reason=failure.message)


async def _answer(call: Call[Any], record: FileRecord) -> Response:
    return await json_after_change(call.services, lambda: _shown(record), _about_bytes(record))


def _about_bytes(record: FileRecord) -> int:
    return 0 if record.object is None else record.object.described_bytes


async def _own_file(call: Call[Any]) -> FileRecord:
    file_id = call.path["file_id"]
    record = await call.services.ask(call.services.files.get, file_id, call.principal.user_id)
    if record is None:
        raise NotFound(f"file {file_id} not found")
    return record


def _refuse_transforms(transforms: list[str] | None) -> None:
    if transforms:
        raise InvalidRequest("sql_transforms are not supported; transform the table in the task instead")


def _query_options(request: Request) -> dict[str, Any]:
    """Return the parser options in the query."""
    return {name: value for name, value in request.query_params.items() if name != "erase"}


def _listed(record: FileRecord) -> dict[str, Any]:
    """Return a file for a list, in which what is long is null."""
    has_errors = record.errors is not None or record.is_valid is not False
    return _shown(record) if has_errors else {**_shown(record), "errors": None}


def _shown(record: FileRecord) -> dict[str, Any]:
    """Return a file as clients see it (protocol 2.2)."""
    table = record.object
    schemas = []
    if table is not None:
        dtypes = dict(table.dtypes) if table.dtypes or not table.column_count else None
        schemas.append(
            {
                "name": record.name,
                "num_rows": table.row_count,
                "num_cols": table.column_count,
                "dtypes": dtypes,
            }
        )
    return {
        "file_id": record.id,
        "file_type": record.file_type,
        "file_compression": record.file_compression,
        "name": record.name,
        "description": record.description,
        "parser_options": record.parser_options,
        "sql_transforms": record.sql_transforms or [],
        "agent_name": record.agent_name,
        "agent_version": record.agent_version,
        "author": record.owner_id,
        "bytes_count": record.bytes_count,
        "created_at": record.created_at.isoformat(),
        "updated_at": record.updated_at.isoformat(),
        "is_valid": bool(record.is_valid),
        "is_uploaded": record.is_uploaded,
        "errors": record.errors or [],
        "tables_schemas": schemas,
    }
