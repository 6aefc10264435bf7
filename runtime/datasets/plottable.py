"""Builds the graph that a task receives from frames and the dataset's create request (protocol 3.1).

The client library's own adapter reads the request, so a task sees what ``graphistry.from_dataset_id`` shows a client.
The parts that the adapter drops (weights, geography, style in the metadata) are added here.

This runs in the template: it uses no network, no session and no thread.
"""

import copy
from collections.abc import Mapping
from typing import Any

import pandas as pd
from graphistry.io.adapters.graphistry_server.dataset import (
    adapt_graphistry_server_dataset_payload_to_plottable_metadata,
)
from graphistry.io.metadata import deserialize_plottable_metadata
from graphistry.pygraphistry import bind
from graphistry.validate.validate_settings import apply_axis_url_defaults

_TEXTS = ("name", "description")
_STYLE_KEYS = ("bg", "fg", "logo", "page")
_DROPPED = {
    "node_weight": "point_weight",
    "node_longitude": "point_longitude",
    "node_latitude": "point_latitude",
}


def build_plottable(
    edges: pd.DataFrame | None, nodes: pd.DataFrame | None, payload: Mapping[str, Any]
) -> Any:  # Any: graphistry's Plottable is a protocol that mypy cannot follow
    """Return the graph of a dataset: frames as given (``_nodes`` is None without a node table), bindings as uploaded.

    ``payload`` is the JSON object of protocol 3.1, with or without ``dataset_id``. Unknown keys and keys of a wrong
    shape are ignored, and no binding is invented (protocol 4.4).
    """
    request = _checked(payload)
    metadata = adapt_graphistry_server_dataset_payload_to_plottable_metadata(request)  # type: ignore[arg-type]
    g = deserialize_plottable_metadata(metadata, bind())
    bindings = request.get("node_encodings", {}).get("bindings", {})
    dropped = {ours: bindings[theirs] for theirs, ours in _DROPPED.items() if theirs in bindings}
    g = g.bind(**dropped)
    if metadata:
        g._url_params = apply_axis_url_defaults(g._url_params, g._complex_encodings) or {}
    if edges is not None:
        g = g.edges(edges)
    if nodes is not None:
        g = g.nodes(nodes)
    return g.bind(dataset_id=request.get("dataset_id"))


def fresh_copy(plottable: Any) -> Any:
    """Return another graph over the same columns, whose bindings and set of columns are its own."""
    copied = copy.copy(plottable)
    for name in ("_edges", "_nodes"):
        frame = getattr(plottable, name)
        if frame is not None:
            setattr(copied, name, frame.copy(deep=False))
    return copied


def _checked(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parts of a create request that the adapter reads, each in the shape that it expects."""
    request: dict[str, Any] = {
        side: _encodings(payload[side])
        for side in ("node_encodings", "edge_encodings")
        if isinstance(payload.get(side), dict)
    }
    for key in ("dataset_id", *_TEXTS):
        if isinstance(payload.get(key), str):
            request[key] = payload[key]
    metadata = payload.get("metadata")
    if isinstance(metadata, dict):
        request["metadata"] = {key: metadata[key] for key in _TEXTS if isinstance(metadata.get(key), str)}
    # PyGraphistry sends style as keys of the metadata (protocol 3.1); responses of protocol 3.4 have it as a key.
    style = _style(payload.get("style")) or _style(metadata)
    if style:
        request["style"] = style
    if isinstance(payload.get("url_params"), dict):
        request["url_params"] = payload["url_params"]
    return request


def _encodings(given: dict[str, Any]) -> dict[str, Any]:
    """Return the bindings that name a column, and the complex encodings unchanged."""
    bindings = given.get("bindings")
    named = (
        {key: value for key, value in bindings.items() if isinstance(value, str) and value}
        if isinstance(bindings, dict)
        else {}
    )
    return {"bindings": named, "complex": given.get("complex")}


def _style(given: Any) -> dict[str, Any]:  # Any: JSON
    """Return the parts of an object that ``style()`` takes."""
    if not isinstance(given, dict):
        return {}
    return {key: given[key] for key in _STYLE_KEYS if isinstance(given.get(key), dict)}
