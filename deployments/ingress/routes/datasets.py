"""Datasets: bindings and encodings over tables (protocol 3)."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response

from auth.errors import Forbidden
from deployments.ingress.body import checked, page_body, page_of, read_json
from deployments.ingress.callers.call import Call
from deployments.ingress.callers.dataset_access import find, permitted, reader_of
from deployments.ingress.errors import InvalidRequest, NotFound
from deployments.ingress.routes.shapes.datasets import (
    DatasetDescribed,
    DatasetMade,
    DatasetPage,
    DatasetShown,
    TableAttached,
)
from deployments.ingress.routing.declarations import JSON, Parameter, json_answer, link, unread_body, upload_body
from deployments.ingress.routing.parameters import FILE_TYPES as INLINE_FORMATS
from deployments.ingress.routing.parameters import PAGE
from deployments.ingress.routing.routes import Routes
from deployments.ingress.services import Services
from deployments.ingress.uploads.receiving import parsed, received
from deployments.ingress.uploads.storage_room import check_room
from runtime.datasets.records import Access, DatasetRecord, ObjectRecord, RecordGone, Role
from runtime.errors import InvalidTable, Overloaded, RunInterrupted, StorageFull, StoreUnavailable
from runtime.uploads import MOST_PARTS

routes = Routes()

_ROLE_FILES: tuple[tuple[Role, str], ...] = (("nodes", "node_files"), ("edges", "edge_files"))


_FILE_ID: Final = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
_FILES: Final[dict[str, Any]] = {
    "items": {
        "anyOf": [
            _FILE_ID,
            {"type": "array", "prefixItems": [_FILE_ID, {"const": 0}], "minItems": 2, "maxItems": 2},
        ]
    }
}
"""An id, or an id and 0."""


class Encodings(BaseModel):
    """``node_encodings`` and ``edge_encodings``; stored as they came."""

    model_config = ConfigDict(extra="allow")

    bindings: dict[str, Any] = Field({}, examples=[{"source": "s", "destination": "d"}])


class NewDataset(BaseModel):
    """Body of ``POST /api/v2/upload/datasets/`` (protocol 3.1), stored verbatim; unknown keys are kept."""

    model_config = ConfigDict(extra="allow")

    node_encodings: Encodings = Encodings()
    edge_encodings: Encodings = Encodings()
    metadata: dict[str, Any] = {}
    name: str | None = None
    description: str | None = None
    node_files: list[Any] | None = Field(None, json_schema_extra=_FILES, description="Files of its nodes.")
    edge_files: list[Any] | None = Field(None, json_schema_extra=_FILES, description="Files of its edges.")
    org_name: str | None = Field(None, description="The organization that it belongs to; without, to none.")


@routes.on(
    "POST",
    "/api/v2/upload/datasets",
    body=unread_body({JSON: NewDataset}),
    answers={
        201: json_answer(
            DatasetMade,
            links={
                "get": link("datasets_get", dataset_id="$response.body#/data/dataset_id"),
                "describe": link("datasets_describe", dataset_id="$response.body#/data/dataset_id"),
                "attach": link("datasets_attach", dataset_id="$response.body#/data/dataset_id"),
                "run": link("python_run", dataset_id="$response.body#/data/dataset_id"),
                "delete": link("datasets_delete", dataset_id="$response.body#/data/dataset_id"),
            },
        )
    },
    errors=(Forbidden, InvalidTable, NotFound, Overloaded, RunInterrupted, StorageFull, StoreUnavailable),
)
async def create(call: Call[None]) -> Response:
    """Create a dataset of files, or an empty one whose tables follow inline."""
    payload = await read_json(call.request)
    body = checked(NewDataset, payload)
    organization_id = await _organization_of(call, body.org_name)
    tables = await _tables_of(call, body)
    expires_at = _expiry(call.services, payload)
    try:
        record = await asyncio.to_thread(
            lambda: call.services.datasets.create(
                call.principal.user_id,
                body.name or "",
                body.description or "",
                payload,
                tables,
                organization_id=organization_id,
                expires_at=expires_at,
            )
        )
    except (RecordGone, StorageFull) as failure:
        for table in tables.values():
            if isinstance(table, ObjectRecord):
                await call.services.discard(table)
        if isinstance(failure, RecordGone):
            raise NotFound("a file of this dataset was deleted meanwhile") from None
        raise
    call.note("dataset.create", f"dataset:{record.id}")
    data = {"dataset_id": record.id}
    return JSONResponse({"success": True, "message": "Dataset created", "data": data}, 201)


@routes.on(
    "POST",
    "/api/v2/upload/datasets/{dataset_id}/{role}/{file_type}",
    body=upload_body("The table's bytes. Options of its parser may stand in the query."),
    answers={200: TableAttached},
    errors=(Forbidden, InvalidTable, NotFound, Overloaded, RunInterrupted, StorageFull, StoreUnavailable),
)
async def attach(call: Call[None]) -> Response:
    """Give a dataset one table inline (protocol 3.2)."""
    action = "dataset.attach"
    record = await permitted(call, call.path["dataset_id"], Access.EDIT, action)
    file_type = call.path["file_type"]
    role = next((role for role, _ in _ROLE_FILES if role == call.path["role"]), None)
    if role is None or file_type not in INLINE_FORMATS:
        asked = f"{call.path['role']}/{file_type}"
        raise NotFound(f"no such upload: {asked}; use nodes or edges, and one of {', '.join(INLINE_FORMATS)}")
    started = time.perf_counter()
    await check_room(call.request, call.services, record.owner_id, file_type, "", record.tables.get(role))
    async with received(call.request, call.services) as upload:
        table = await parsed(call.services, upload, file_type, "", dict(call.request.query_params))
    try:
        await call.services.change(call.services.datasets.attach, record.id, role, table)
    except (RecordGone, StorageFull) as failure:
        await call.services.discard(table)
        if isinstance(failure, RecordGone):
            raise NotFound(f"dataset {record.id} not found") from None
        raise
    call.note(action, f"dataset:{record.id}", role=role, stored_bytes=table.byte_count)
    if role in record.tables:
        await call.services.runners.evict(record.id)
        await call.services.collect_garbage()
    data = {
        "dataset_id": record.id,
        "dtypes": dict(table.dtypes),
        "num_cols": table.column_count,
        "num_rows": table.row_count,
        "time_parsing_s": round(time.perf_counter() - started, 3),
    }
    return JSONResponse({"success": True, "message": f"Dataset {role} created", "data": data})


@routes.on("GET", "/api/v2/upload/datasets/{dataset_id}", answers={200: DatasetDescribed}, errors=(NotFound,))
async def describe(call: Call[None]) -> Response:
    """What a dataset was created with (protocol 3.4)."""
    record = (await find(call.services, call.principal, call.path["dataset_id"])).record
    return JSONResponse({"success": True, "message": "", "data": {**record.payload, "dataset_id": record.id}})


@routes.on(
    "GET",
    "/api/v2/datasets",
    parameters=(
        *PAGE,
        Parameter("search", "Only those with this text in name, description or id.", {"type": "string"}),
    ),
    answers={200: DatasetPage},
    errors=(InvalidRequest,),
)
async def page(call: Call[None]) -> Response:
    """One's own datasets and those shared with one, newest first."""
    limit, offset = page_of(call.request)
    search = call.request.query_params.get("search") or None
    reader = reader_of(call.principal)
    count, found = await asyncio.to_thread(call.services.datasets.page, reader, limit, offset, search)
    return JSONResponse(page_body(call.request, count, limit, offset, [_shown(*item) for item in found]))


@routes.on("GET", "/api/v2/datasets/{dataset_id}", answers={200: DatasetShown}, errors=(NotFound,))
async def get(call: Call[None]) -> Response:
    """One dataset, as the list shows it."""
    found = await find(call.services, call.principal, call.path["dataset_id"])
    return JSONResponse(_shown(found.record, found.access))


@routes.on("DELETE", "/api/v2/datasets/{dataset_id}", answers={204: None}, errors=(Forbidden, NotFound))
async def delete(call: Call[None]) -> Response:
    """Delete a dataset: running tasks finish, then its bytes go (protocol 3.5). Its owner's alone."""
    action = "dataset.delete"
    record = await permitted(call, call.path["dataset_id"], Access.OWNER, action)
    if await call.services.change(call.services.datasets.delete, record.id):
        call.note(action, f"dataset:{record.id}")
    await call.services.runners.evict(record.id)
    await call.services.collect_garbage()
    return Response(status_code=204)


async def _organization_of(call: Call[None], org_name: str | None) -> int | None:
    """The organisation that a new dataset belongs to, which ``org_name`` names. Raises as a switch does (protocol 1.6).

    None for the user's own, and where none is named; unless datasets are open to their organisation by default: then
    the only one that he is in is meant.
    """
    organizations = call.services.organizations
    if org_name:
        try:
            return (await asyncio.to_thread(organizations.enter, call.principal, org_name)).id
        except Forbidden:
            call.note("dataset.create", f"organization:{org_name}", "refused")
            raise
    if call.services.settings.default_access != "organization":
        return None
    ours = [item.id for item in await asyncio.to_thread(organizations.of, call.principal) if item.id is not None]
    return ours[0] if len(ours) == 1 else None


def _expiry(services: Services, payload: dict[str, Any]) -> datetime | None:
    """When a new dataset ends: some do whose tables follow inline, which is what ``plot()`` sends."""
    life_s = services.settings.plot_expiry_s
    if life_s is None or any(key in payload for _, key in _ROLE_FILES):
        return None
    return datetime.now(UTC) + timedelta(seconds=life_s)


async def _tables_of(call: Call[None], body: NewDataset) -> dict[Role, str | ObjectRecord]:
    """The tables of a new dataset: that of a file, or a new one where several files of a role are concatenated."""
    named = {role: await _objects_of(call, getattr(body, key) or []) for role, key in _ROLE_FILES}
    tables: dict[Role, str | ObjectRecord] = {}
    for role, object_ids in named.items():
        if len(object_ids) == 1:
            tables[role] = object_ids[0]
        elif object_ids:
            tables[role] = ObjectRecord(**await call.services.runners.concatenate(object_ids))
    return tables


async def _objects_of(call: Call[None], items: list[Any]) -> list[str]:
    """Ids of the stored tables that ``node_files`` / ``edge_files`` name: file ids, or ``[file_id, table_index]``."""
    if len(items) > MOST_PARTS:
        raise InvalidRequest(f"a table can be made of {MOST_PARTS} files at most, not of {len(items)}")
    object_ids = []
    for item in items:
        file_id, index = (item[0], item[1]) if isinstance(item, list) and len(item) == 2 else (item, 0)
        if not isinstance(file_id, str) or index != 0:
            raise InvalidRequest("a file must be given as its id, or as [id, 0]")
        record = await asyncio.to_thread(call.services.files.get, file_id, call.principal.user_id)
        if record is None:
            raise NotFound(f"file {file_id} not found")
        if record.object is None:
            raise InvalidRequest(f"file {file_id} has no valid bytes yet; upload them first")
        object_ids.append(record.object.id)
    return object_ids


def _shown(record: DatasetRecord, access: Access) -> dict[str, Any]:
    """A dataset as the list shows it (protocol 3.3), with ``expires_at``, and what the caller may do (``access``)."""
    payload, tables = record.payload, record.tables
    metadata = payload.get("metadata") or {}
    created = record.created_at.isoformat()
    return {
        "dataset_id": record.id,
        "name": record.name,
        "slug": record.id,
        "author": record.owner_id,
        "node_count": tables["nodes"].row_count if "nodes" in tables else 0,
        "edge_count": tables["edges"].row_count if "edges" in tables else 0,
        "agent_name": metadata.get("agent"),
        "agent_version": metadata.get("agentversion"),
        "uri_tag": metadata.get("usertag"),
        "description": record.description,
        "image": None,
        "created_at": created,
        "updated_at": record.updated_at.isoformat(),
        "node_files": payload.get("node_files") or [],
        "edge_files": payload.get("edge_files") or [],
        "node_transform": None,
        "edge_transform": None,
        "edge_hypergraph_transform": payload.get("edge_hypergraph_transform"),
        "compute": None,
        "layout": None,
        "node_encodings": payload.get("node_encodings") or {},
        "edge_encodings": payload.get("edge_encodings") or {},
        "metadata": metadata,
        "timestamp": created,
        "legacy_dataset_name": None,
        "legacy_dataset_author": None,
        "expires_at": None if record.expires_at is None else record.expires_at.isoformat(),
        "access": access.name.lower(),
    }
