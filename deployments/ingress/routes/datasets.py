"""Datasets: tables of nodes and edges, with bindings and encodings."""

import time
from typing import Any

from starlette.responses import Response

from auth.errors import Forbidden
from deployments.ingress.body import read_checked
from deployments.ingress.callers.call import Call, read_promptly
from deployments.ingress.callers.dataset_access import find, permitted, reader_of
from deployments.ingress.callers.finishing import finished
from deployments.ingress.errors import InvalidRequest, NotFound
from deployments.ingress.fields import DESCRIPTION_BYTES, MOST_TITLE
from deployments.ingress.json_answers import JsonAnswer, json_after_change, json_answer_of
from deployments.ingress.paging import list_page, page_of
from deployments.ingress.routes.shapes.datasets import (
    DatasetDescribed,
    DatasetMade,
    DatasetPage,
    DatasetShown,
    TableAttached,
)
from deployments.ingress.routing.declarations import (
    JSON,
    Parameter,
    json_answer,
    link,
    text_of,
    unread_body,
    upload_body,
)
from deployments.ingress.routing.parameters import PAGE, TYPES_IN_PATHS
from deployments.ingress.routing.routes import Routes
from deployments.ingress.uploads.bindings import check_bindings
from deployments.ingress.uploads.new_dataset import ROLE_KEYS, NewDataset, expiry_of, organization_of, tables_of
from deployments.ingress.uploads.receiving import kept, parsed, received
from deployments.ingress.uploads.storage_room import check_room
from runtime.datasets.records import Access, DatasetRecord, ObjectRecord, Role
from runtime.errors import InvalidTable, Overloaded, RunInterrupted, StorageFull, StoreUnavailable

routes = Routes()


@routes.on(
    "POST",
    "/api/v2/upload/datasets",
    body=unread_body({JSON: NewDataset}, most_bytes=DESCRIPTION_BYTES),
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
    audit=("dataset.create",),
)
async def create(call: Call[None]) -> Response:
    """Create a dataset from files, or an empty one to which tables are uploaded next."""
    reading = read_checked(call.request, NewDataset, call.most_bytes)
    payload, body = await read_promptly(reading, call.check_again)
    organization = await organization_of(call, body.org_name)
    tables = await tables_of(call, body, payload)
    expires_at = expiry_of(call.services, payload)
    made = (table for table in tables.values() if isinstance(table, ObjectRecord))
    async with kept(call.services, *made, gone="a file of this dataset was deleted meanwhile"):
        record = await call.services.write(
            lambda: call.services.datasets.create(
                call.principal.user_id,
                body.name or "",
                body.description or "",
                payload,
                tables,
                organization_id=organization,
                expires_at=expires_at,
            )
        )
    call.note("dataset.create", f"dataset:{record.id}")
    data = {"dataset_id": record.id}
    return JsonAnswer({"success": True, "message": "Dataset created", "data": data}, 201)


@routes.on(
    "POST",
    "/api/v2/upload/datasets/{dataset_id}/{role}/{file_type}",
    body=upload_body("The bytes of the table. The query may have options of its parser."),
    answers={200: TableAttached},
    errors=(Forbidden, InvalidTable, NotFound, Overloaded, RunInterrupted, StorageFull, StoreUnavailable),
    audit=("dataset.attach",),
    ends_with_caller=True,
)
async def attach(call: Call[None]) -> Response:
    """Upload one table of a dataset."""
    action = "dataset.attach"
    record = await permitted(call, call.path["dataset_id"], Access.EDIT, action)
    file_type = call.path["file_type"]
    role = next((role for role in ROLE_KEYS if role == call.path["role"]), None)
    if role is None or file_type not in TYPES_IN_PATHS:
        asked = f"{call.path['role']}/{file_type}"
        raise NotFound(f"no such upload: {asked}; use nodes or edges, and one of {', '.join(TYPES_IN_PATHS)}")
    started = time.perf_counter()
    await check_room(call.request, call.services, record.owner_id, file_type, "", record.tables.get(role))
    async with received(call.request, call.services) as upload:
        await call.check_again()
        table = await parsed(
            call.services, call.principal.user_id, upload, file_type, "", dict(call.request.query_params)
        )
    replaced = record.tables.get(role)
    try:
        # The caller may have lost their access while the body arrived.
        await permitted(call, record.id, Access.EDIT, action)
        check_bindings(record.payload, role, table.dtypes, None if replaced is None else replaced.dtypes)
    except (Forbidden, InvalidRequest, NotFound):
        await call.services.discard(table)
        raise
    await finished(_attached(call, record, role, table))
    data = {
        "dataset_id": record.id,
        "dtypes": dict(table.dtypes),
        "num_cols": table.column_count,
        "num_rows": table.row_count,
        "time_parsing_s": round(time.perf_counter() - started, 3),
    }
    answer = {"success": True, "message": f"Dataset {role} created", "data": data}
    return await json_after_change(call.services, lambda: answer, table.described_bytes)


async def _attached(call: Call[None], record: DatasetRecord, role: Role, table: ObjectRecord) -> None:
    async with kept(call.services, table, gone=f"dataset {record.id} not found"):
        await call.services.change(call.services.datasets.attach, record.id, role, table)
    call.note("dataset.attach", f"dataset:{record.id}", role=role, stored_bytes=table.byte_count)
    if role in record.tables:
        await call.services.runners.evict(record.id)
        await call.services.collect_garbage()


@routes.on("GET", "/api/v2/upload/datasets/{dataset_id}", answers={200: DatasetDescribed}, errors=(NotFound,))
async def describe(call: Call[None]) -> Response:
    """Get the body that a dataset was created with."""
    record = (await find(call.services, call.principal, call.path["dataset_id"])).record
    answer = {"success": True, "message": "", "data": {**record.payload, "dataset_id": record.id}}
    return await json_answer_of(call.services, lambda: answer, about_bytes=record.size)


@routes.on(
    "GET",
    "/api/v2/datasets",
    parameters=(
        *PAGE,
        Parameter("search", "Only datasets with this text in their name, description or id.", text_of(MOST_TITLE)),
    ),
    answers={200: DatasetPage},
    errors=(InvalidRequest,),
)
async def page(call: Call[None]) -> Response:
    """List your own datasets and those shared with you, newest first."""
    limit, offset = page_of(call.request)
    search = call.request.query_params.get("search") or None
    reader = reader_of(call.principal)
    count, found = await call.services.ask(call.services.datasets.page, reader, limit, offset, search)
    return await list_page(call, count, limit, offset, (_listed(*item) for item in found))


@routes.on("GET", "/api/v2/datasets/{dataset_id}", answers={200: DatasetShown}, errors=(NotFound,))
async def get(call: Call[None]) -> Response:
    """Get one dataset, with everything that a list may leave out."""
    found = await find(call.services, call.principal, call.path["dataset_id"])
    return await json_answer_of(
        call.services, lambda: _shown(found.record, found.access), about_bytes=found.record.size
    )


@routes.on(
    "DELETE",
    "/api/v2/datasets/{dataset_id}",
    answers={204: None},
    errors=(Forbidden, NotFound),
    audit=("dataset.delete",),
)
async def delete(call: Call[None]) -> Response:
    """Delete a dataset. Only its owner may. Running tasks finish, then its tables are deleted."""
    action = "dataset.delete"
    record = await permitted(call, call.path["dataset_id"], Access.OWNER, action)
    if await call.services.change(call.services.datasets.delete, record.id):
        call.note(action, f"dataset:{record.id}")
    await call.services.runners.evict(record.id)
    await call.services.collect_garbage()
    return Response(status_code=204)


def _listed(record: DatasetRecord, access: Access) -> dict[str, Any]:
    """Return a dataset for a list: without what comes from its body of creation if that is long."""
    shown = _shown(record, access)
    if record.is_long:
        shown |= dict.fromkeys(("node_files", "edge_files", "node_encodings", "edge_encodings", "metadata"))
    return shown


def _shown(record: DatasetRecord, access: Access) -> dict[str, Any]:
    """Return a dataset (protocol 3.3), with ``expires_at`` and the caller's ``access``."""
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
