"""A new dataset: its body, and the organization, the tables and the end that follow from it (protocol 3.1)."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from auth.errors import Forbidden
from auth.names import shown
from deployments.ingress.callers.call import Call
from deployments.ingress.errors import InvalidRequest, NotFound
from deployments.ingress.fields import OPTIONS_BYTES, FileList, MostJson, Name, Options, Prose, Title
from deployments.ingress.services import Services
from deployments.ingress.uploads.bindings import check_bindings
from runtime.datasets.records import ObjectRecord, Role

ROLE_KEYS: Final[Mapping[Role, str]] = {"nodes": "node_files", "edges": "edge_files"}
"""The key of the body that names the files of each role."""


_FILE_ID: Final = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
_FILES: Final[dict[str, Any]] = {
    "items": {
        "anyOf": [
            _FILE_ID,
            {"type": "array", "prefixItems": [_FILE_ID, {"const": 0}], "minItems": 2, "maxItems": 2},
        ]
    }
}
"""Ids of files: each as an id, or as an id and 0."""

Bindings = Annotated[dict[str, Any], MostJson(OPTIONS_BYTES)]


class Encodings(BaseModel):
    """Encodings of the nodes or the edges, stored as they are sent."""

    model_config = ConfigDict(extra="allow")

    bindings: Bindings = Field(examples=[{"source": "s", "destination": "d"}])


class NewDataset(BaseModel):
    """A new dataset, stored as it is sent. Unknown keys are kept."""

    model_config = ConfigDict(extra="allow")

    node_encodings: Encodings = Encodings(bindings={})
    edge_encodings: Encodings = Encodings(bindings={})
    metadata: Options = {}
    name: Title | None = None
    description: Prose | None = None
    node_files: FileList | None = Field(None, json_schema_extra=_FILES, description="The files with its nodes.")
    edge_files: FileList | None = Field(None, json_schema_extra=_FILES, description="The files with its edges.")
    org_name: Name | None = Field(None, description="The organization that the dataset belongs to; by default none.")


async def organization_of(call: Call[None], org_name: str | None) -> int | None:
    """Return the id of the organization that a new dataset belongs to, or None.

    ``org_name`` names it. Without a name it is None; if datasets are open to their organization by default, it is the
    only organization that the caller is in. Raises the errors of a switch (protocol 1.6).
    """
    organizations = call.services.organizations
    if org_name:
        try:
            return (await call.services.ask(organizations.enter, call.principal, org_name)).id
        except Forbidden:
            call.note("dataset.create", f"organization:{org_name}", "refused")
            raise
    if call.services.settings.default_access != "organization":
        return None
    ours = [item.id for item in await call.services.ask(organizations.of, call.principal) if item.id is not None]
    return ours[0] if len(ours) == 1 else None


def expiry_of(services: Services, payload: dict[str, Any]) -> datetime | None:
    """Return when a new dataset expires, if it does: without files it is one of those that ``plot()`` sends."""
    life_s = services.settings.plot_expiry_s
    if life_s is None or any(key in payload for key in ROLE_KEYS.values()):
        return None
    return datetime.now(UTC) + timedelta(seconds=life_s)


async def tables_of(call: Call[None], body: NewDataset, payload: dict[str, Any]) -> dict[Role, str | ObjectRecord]:
    """Return the tables of a new dataset: a file's own, or a new one if a role has several files to concatenate.

    Raises ``InvalidRequest`` if something is bound to a column that they do not have.
    """
    named = {role: await _objects_of(call, getattr(body, key) or []) for role, key in ROLE_KEYS.items()}
    for role, found in named.items():
        if found:
            columns = dict.fromkeys(column for table in found for column in table.dtypes)
            check_bindings(payload, role, columns, before=None)
    tables: dict[Role, str | ObjectRecord] = {}
    for role, found in named.items():
        if len(found) == 1:
            tables[role] = found[0].id
        elif found:
            object_ids = [table.id for table in found]
            made = await call.services.runners.concatenate(object_ids, str(call.principal.user_id))
            tables[role] = ObjectRecord(**made)
    return tables


async def _objects_of(call: Call[None], items: list[Any]) -> list[ObjectRecord]:
    """Return the stored tables of files, which are given as ids or as ``[file_id, table_index]``."""
    tables = []
    for item in items:
        file_id, index = (item[0], item[1]) if isinstance(item, list) and len(item) == 2 else (item, 0)
        if not isinstance(file_id, str) or index != 0:
            raise InvalidRequest("a file must be given as its id or as [id, 0]")
        record = await call.services.ask(call.services.files.get, file_id, call.principal.user_id)
        if record is None:
            raise NotFound(f"file {shown(file_id)} not found")
        if record.object is None:
            raise InvalidRequest(f"file {file_id} has no valid bytes yet; upload them first")
        tables.append(record.object)
    return tables
