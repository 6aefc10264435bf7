"""Datasets: bindings and encodings over tables (contract 3)."""

import asyncio
import time
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from auth.principal import Principal
from deployments.body import checked, page_body, page_of, read_json
from deployments.errors import InvalidRequest, NotFound
from deployments.incoming import parsed, received
from deployments.openapi.declarations import Parameter, json_answer, link, upload_body
from deployments.openapi.parameters import FILE_TYPES as INLINE_FORMATS
from deployments.openapi.parameters import PAGE
from deployments.routes.shapes.datasets import (
    DatasetDescribed,
    DatasetMade,
    DatasetPage,
    DatasetShown,
    Shared,
    TableAttached,
)
from deployments.routing import Routes
from deployments.services import Services, services_of
from runtime.datasets.records import DatasetRecord, ObjectRecord, RecordGone, Role, is_id
from runtime.errors import InvalidTable, Overloaded, RunInterrupted, StorageFull

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
    """Body of ``POST /api/v2/upload/datasets/`` (contract 3.1), stored verbatim; unknown keys are kept."""

    model_config = ConfigDict(extra="allow")

    node_encodings: Encodings = Encodings()
    edge_encodings: Encodings = Encodings()
    metadata: dict[str, Any] = {}
    name: str | None = None
    description: str | None = None
    node_files: list[Any] | None = Field(None, json_schema_extra=_FILES, description="Files of its nodes.")
    edge_files: list[Any] | None = Field(None, json_schema_extra=_FILES, description="Files of its edges.")


class ShareLink(BaseModel):
    """Body of ``POST /api/v2/share/link/`` (contract 3.6)."""

    model_config = ConfigDict(extra="ignore")

    obj_pk: str = Field(description="The dataset's id.", examples=["0a56aa27ec1e4112b1458e960dc6f674"])
    obj_type: str = "dataset"
    mode: str = "private"
    invited_users: list[Any] = []


@routes.on(
    "POST",
    "/api/v2/upload/datasets",
    body=NewDataset,
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
    errors=(InvalidTable, NotFound, Overloaded, RunInterrupted, StorageFull),
)
async def create(request: Request) -> Response:
    """Create a dataset of files, or an empty one whose tables follow inline."""
    services = services_of(request)
    principal = await services.principal(request)
    payload = await read_json(request)
    body = checked(NewDataset, payload)
    tables: dict[Role, str | ObjectRecord] = {}
    for role, key in _ROLE_FILES:
        object_ids = await _objects_of(services, principal, getattr(body, key) or [])
        if len(object_ids) == 1:
            tables[role] = object_ids[0]
        elif object_ids:
            tables[role] = ObjectRecord(**await services.runners.concatenate(object_ids))
    name, description = body.name or "", body.description or ""
    try:
        record = await asyncio.to_thread(
            services.datasets.create, principal.user_id, name, description, payload, tables
        )
    except RecordGone:
        raise NotFound("a file of this dataset was deleted meanwhile") from None
    data = {"dataset_id": record.id}
    return JSONResponse({"success": True, "message": "Dataset created", "data": data}, 201)


@routes.on(
    "POST",
    "/api/v2/upload/datasets/{dataset_id}/{role}/{file_type}",
    body=upload_body("The table's bytes. Options of its parser may stand in the query."),
    answers={200: TableAttached},
    errors=(InvalidTable, NotFound, Overloaded, RunInterrupted, StorageFull),
)
async def attach(request: Request) -> Response:
    """Give a dataset one table inline (contract 3.2)."""
    services = services_of(request)
    record = await own_dataset(request, services)
    role, file_type = request.path_params["role"], request.path_params["file_type"]
    if role not in ("nodes", "edges") or file_type not in INLINE_FORMATS:
        raise NotFound(
            f"no such upload: {role}/{file_type}; use nodes or edges, and one of {', '.join(INLINE_FORMATS)}"
        )
    started = time.perf_counter()
    async with received(request, services) as upload:
        table = await parsed(services, upload, file_type, "", dict(request.query_params))
    try:
        await services.change(services.datasets.attach, record.id, role, table)
    except RecordGone:
        raise NotFound(f"dataset {record.id} not found") from None
    if role in record.tables:
        await services.runners.evict(record.id)
        await services.collect_garbage()
    data = {
        "dataset_id": record.id,
        "dtypes": dict(table.dtypes),
        "num_cols": table.column_count,
        "num_rows": table.row_count,
        "time_parsing_s": round(time.perf_counter() - started, 3),
    }
    return JSONResponse({"success": True, "message": f"Dataset {role} created", "data": data})


@routes.on("GET", "/api/v2/upload/datasets/{dataset_id}", answers={200: DatasetDescribed}, errors=(NotFound,))
async def describe(request: Request) -> Response:
    """What a dataset was created with (contract 3.4)."""
    record = await own_dataset(request, services_of(request))
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
async def page(request: Request) -> Response:
    """One's own datasets, newest first."""
    services = services_of(request)
    principal = await services.principal(request)
    limit, offset = page_of(request)
    search = request.query_params.get("search") or None
    count, records = await asyncio.to_thread(services.datasets.page, principal.user_id, limit, offset, search)
    return JSONResponse(page_body(request, count, limit, offset, [_shown(record) for record in records]))


@routes.on("GET", "/api/v2/datasets/{dataset_id}", answers={200: DatasetShown}, errors=(NotFound,))
async def get(request: Request) -> Response:
    """One dataset, as the list shows it."""
    return JSONResponse(_shown(await own_dataset(request, services_of(request))))


@routes.on("DELETE", "/api/v2/datasets/{dataset_id}", answers={204: None}, errors=(NotFound,))
async def delete(request: Request) -> Response:
    """Delete a dataset: running tasks finish, then its bytes go (contract 3.5)."""
    services = services_of(request)
    record = await own_dataset(request, services)
    await services.change(services.datasets.delete, record.id)
    await services.runners.evict(record.id)
    await services.collect_garbage()
    return Response(status_code=204)


@routes.on("POST", "/api/v2/share/link", body=ShareLink, answers={200: Shared}, errors=(NotFound,))
async def share(request: Request) -> Response:
    """Set who else may use a dataset. This version knows ``private`` only, which every dataset is (contract 3.6)."""
    services = services_of(request)
    principal = await services.principal(request)
    body = checked(ShareLink, await read_json(request))
    await find_own(services, principal, body.obj_pk)
    if body.mode != "private" or body.invited_users:
        raise InvalidRequest(
            "this server cannot share datasets with others yet; mode must be private, without invited users"
        )
    return JSONResponse({"status": "OK", "message": "", "data": {"obj_pk": body.obj_pk, "mode": "private"}})


async def own_dataset(request: Request, services: Services) -> DatasetRecord:
    """The dataset that the path names, if it is the caller's. Raises ``Unauthenticated``, ``NotFound``."""
    principal = await services.principal(request)
    return await find_own(services, principal, request.path_params["dataset_id"])


async def find_own(services: Services, principal: Principal, dataset_id: str) -> DatasetRecord:
    """The caller's dataset of that id; for others' it answers as if there were none. Raises ``NotFound``."""
    record = None
    if is_id(dataset_id):  # what is no id is not worth remembering
        record = await services.snapshot.get(("dataset", dataset_id), lambda: services.datasets.get(dataset_id))
    if record is None or record.owner_id != principal.user_id:
        raise NotFound(f"dataset {dataset_id} not found")
    return record


async def _objects_of(services: Services, principal: Principal, items: list[Any]) -> list[str]:
    """Ids of the stored tables that ``node_files`` / ``edge_files`` name: file ids, or ``[file_id, table_index]``."""
    object_ids = []
    for item in items:
        file_id, index = (item[0], item[1]) if isinstance(item, list) and len(item) == 2 else (item, 0)
        if not isinstance(file_id, str) or index != 0:
            raise InvalidRequest("a file must be given as its id, or as [id, 0]")
        record = await asyncio.to_thread(services.files.get, file_id, principal.user_id)
        if record is None:
            raise NotFound(f"file {file_id} not found")
        if record.object is None:
            raise InvalidRequest(f"file {file_id} has no valid bytes yet; upload them first")
        object_ids.append(record.object.id)
    return object_ids


def _shown(record: DatasetRecord) -> dict[str, Any]:
    """A dataset as the list shows it (contract 3.3)."""
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
    }
