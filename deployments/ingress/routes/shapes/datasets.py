"""Datasets, as users who may read them see them (protocol 3)."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from deployments.ingress.fields import (
    DESCRIPTION_BYTES,
    MOST_INVITES,
    AnyShort,
    Described,
    Dtypes,
    Email,
    FileList,
    Id,
    MostJson,
    Name,
    Prose,
    Seconds,
    Title,
    Whole,
    Word,
)
from deployments.ingress.routes.shapes.base import HexId, Shape, Time
from deployments.ingress.routes.shapes.page import Page
from runtime.datasets.records import Action, Mode

DatasetId = Annotated[HexId, Field(examples=["0a56aa27ec1e4112b1458e960dc6f674"])]


class DatasetIds(Shape):
    """The id of the dataset."""

    dataset_id: DatasetId


class DatasetMade(Shape):
    """The new dataset."""

    success: Literal[True]
    message: Title = Field(examples=["Dataset created"])
    data: DatasetIds


class TableRead(DatasetIds):
    """The table that was read."""

    dtypes: Dtypes
    num_cols: Whole = Field(examples=[2])
    num_rows: Whole = Field(examples=[3])
    time_parsing_s: Seconds = Field(examples=[0.012])


class TableAttached(Shape):
    """The dataset has the uploaded table now."""

    success: Literal[True]
    message: Title = Field(examples=["Dataset edges created"])
    data: TableRead


class Payload(DatasetIds):
    """The body that the dataset was created with, unchanged, and its id."""

    model_config = ConfigDict(extra="allow")


class DatasetDescribed(Shape):
    """The body that the dataset was created with."""

    success: Literal[True]
    message: Title
    data: Payload


class DatasetListed(Shape):
    """A dataset in a list. What comes from a long body of its creation is null there: get the dataset for it.

    A long body has more than 4096 bytes. A long description is cut.
    """

    dataset_id: DatasetId
    name: Title = Field(examples=["transactions"])
    slug: Word = Field(examples=["0a56aa27ec1e4112b1458e960dc6f674"])
    author: Id = Field(description="The id of its owner.", examples=[7])
    node_count: Whole = Field(examples=[4])
    edge_count: Whole = Field(examples=[3])
    agent_name: AnyShort = Field(
        description="From `metadata`, like `agent_version` and `uri_tag`.", examples=["pygraphistry"]
    )
    agent_version: AnyShort = Field(examples=["0.61.2"])
    uri_tag: AnyShort
    description: Prose
    image: None
    created_at: Time
    updated_at: Time
    node_files: FileList | None = Field(
        description="The files of its nodes, as in the request that created the dataset."
    )
    edge_files: FileList | None
    node_transform: None
    edge_transform: None
    edge_hypergraph_transform: Annotated[Any, MostJson(DESCRIPTION_BYTES)]
    compute: None
    layout: None
    node_encodings: Described | None = Field(examples=[{"bindings": {}}])
    edge_encodings: Described | None = Field(examples=[{"bindings": {"source": "s", "destination": "d"}}])
    metadata: Described | None
    timestamp: Time
    legacy_dataset_name: None
    legacy_dataset_author: None
    expires_at: Time | None = Field(description="Null if the dataset stays until it is deleted.")
    access: Literal["view", "edit", "share", "owner"] = Field(description="What the caller may do with the dataset.")


class DatasetShown(DatasetListed):
    """A dataset. Fields that this server does not use are null."""

    node_files: FileList = Field(description="The files of its nodes, as in the request that created the dataset.")
    edge_files: FileList
    node_encodings: Described = Field(examples=[{"bindings": {}}])
    edge_encodings: Described = Field(examples=[{"bindings": {"source": "s", "destination": "d"}}])
    metadata: Described


class DatasetPage(Page[DatasetListed]):
    """Your own datasets and those shared with you, newest first."""


class Invited(Shape):
    """An invited user."""

    email: Email = Field(description="An e-mail address, or a username.", examples=["ann@example.org"])
    action: Action


class SharedAs(Shape):
    """How the dataset is shared."""

    obj_pk: DatasetId
    mode: Mode
    mode_action: Action = Field(description="What the mode lets users do: 10 view, 20 edit, 30 share.")
    organization: Name | None = Field(
        description="The organization that it is shared with, if the mode is `organization`."
    )
    invited_users: list[Invited] = Field(max_length=MOST_INVITES)


class Shared(Shape):
    """The dataset is shared in this way now."""

    status: Literal["OK"]
    message: Title
    data: SharedAs
