"""Datasets, as users who may read them see them (protocol 3)."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from deployments.ingress.routes.shapes.base import HexId, Shape, Time
from deployments.ingress.routes.shapes.files import Dtypes
from deployments.ingress.routes.shapes.page import Page
from runtime.datasets.records import Action, Mode

DatasetId = Annotated[HexId, Field(examples=["0a56aa27ec1e4112b1458e960dc6f674"])]


class DatasetIds(Shape):
    """The id of the dataset."""

    dataset_id: DatasetId


class DatasetMade(Shape):
    """The new dataset."""

    success: Literal[True]
    message: str = Field(examples=["Dataset created"])
    data: DatasetIds


class TableRead(DatasetIds):
    """The table that was read."""

    dtypes: Dtypes
    num_cols: int = Field(ge=0, examples=[2])
    num_rows: int = Field(ge=0, examples=[3])
    time_parsing_s: float = Field(ge=0, examples=[0.012])


class TableAttached(Shape):
    """The dataset has the uploaded table now."""

    success: Literal[True]
    message: str = Field(examples=["Dataset edges created"])
    data: TableRead


class Payload(DatasetIds):
    """The body that the dataset was created with, unchanged, and its id."""

    model_config = ConfigDict(extra="allow")


class DatasetDescribed(Shape):
    """The body that the dataset was created with."""

    success: Literal[True]
    message: str
    data: Payload


class DatasetShown(Shape):
    """A dataset. Fields that this server does not use are null."""

    dataset_id: DatasetId
    name: str = Field(examples=["transactions"])
    slug: str = Field(examples=["0a56aa27ec1e4112b1458e960dc6f674"])
    author: int = Field(description="The id of its owner.", examples=[7])
    node_count: int = Field(ge=0, examples=[4])
    edge_count: int = Field(ge=0, examples=[3])
    agent_name: Any = Field(
        description="From `metadata`, like `agent_version` and `uri_tag`.", examples=["pygraphistry"]
    )
    agent_version: Any = Field(examples=["0.61.2"])
    uri_tag: Any
    description: str
    image: None
    created_at: Time
    updated_at: Time
    node_files: list[Any] = Field(description="The files of its nodes, as in the request that created the dataset.")
    edge_files: list[Any]
    node_transform: None
    edge_transform: None
    edge_hypergraph_transform: Any
    compute: None
    layout: None
    node_encodings: dict[str, Any] = Field(examples=[{"bindings": {}}])
    edge_encodings: dict[str, Any] = Field(examples=[{"bindings": {"source": "s", "destination": "d"}}])
    metadata: dict[str, Any]
    timestamp: Time
    legacy_dataset_name: None
    legacy_dataset_author: None
    expires_at: Time | None = Field(description="Null if the dataset stays until it is deleted.")
    access: Literal["view", "edit", "share", "owner"] = Field(description="What the caller may do with the dataset.")


class DatasetPage(Page[DatasetShown]):
    """Your own datasets and those shared with you, newest first."""


class Invited(Shape):
    """An invited user."""

    email: str = Field(description="An e-mail address, or a username.", examples=["ann@example.org"])
    action: Action


class SharedAs(Shape):
    """How the dataset is shared."""

    obj_pk: DatasetId
    mode: Mode
    mode_action: Action = Field(description="What the mode lets users do: 10 view, 20 edit, 30 share.")
    organization: str | None = Field(
        description="The organization that it is shared with, if the mode is `organization`."
    )
    invited_users: list[Invited]


class Shared(Shape):
    """The dataset is shared in this way now."""

    status: Literal["OK"]
    message: str
    data: SharedAs
