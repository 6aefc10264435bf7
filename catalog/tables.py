"""The catalog's tables: who there is, what they may do, what they uploaded.

Migrations (``catalog/migrations``) build this schema step by step; a test holds the two together. Ids of
files, datasets and objects are 32 lower-case hex digits (contract 0.2). Times are UTC, sizes bytes.
"""

import sqlalchemy as sa
from sqlalchemy import Boolean, Column, ForeignKey, Index, String, Table

from catalog.column_types import OrderedJSON, UserText, UtcDateTime

REVISION = "0001"
"""The newest migration, which ``open_catalog`` insists on."""

ID_LENGTH = 32

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

# One row. Every committed write raises ``value``, so that replicas learn of changes by polling one number.
version = Table(
    "version",
    metadata,
    Column("id", sa.Integer, primary_key=True, autoincrement=False),
    Column("value", sa.BigInteger, nullable=False),
)

# sqlite_autoincrement: the id of a removed user is never given to another, whose tokens would then match.
users = Table(
    "users",
    metadata,
    Column("id", sa.Integer, primary_key=True),
    Column("username", String(150), nullable=False, unique=True),
    Column("email", UserText, nullable=False),
    Column("name", UserText, nullable=False),
    Column("password_hash", String(255), nullable=False),
    Column("is_admin", Boolean, nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("tokens_valid_from", UtcDateTime, nullable=False),
    sqlite_autoincrement=True,
)

# A row answers a flag for a scope. Scopes that name nobody (everyone; later staff, percent) have one row
# each, scopes that name somebody one row for each of them (user_id; later group_id). No CHECK on scope: new
# scopes are new rows.
flags = Table(
    "flags",
    metadata,
    Column("id", sa.Integer, primary_key=True),
    Column("name", String(100), nullable=False),
    Column("scope", String(16), nullable=False),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=True),
    Column("value", Boolean, nullable=False),
    sa.UniqueConstraint("name", "user_id"),
    Index(
        "ix_flags_unaddressed",
        "name",
        "scope",
        unique=True,
        sqlite_where=sa.text("user_id IS NULL"),
        postgresql_where=sa.text("user_id IS NULL"),
    ),
)

# A stored table: immutable bytes under a random id. ``dtypes`` is {column: dtype} in column order.
objects = Table(
    "objects",
    metadata,
    Column("id", String(ID_LENGTH), primary_key=True),
    Column("byte_count", sa.BigInteger, nullable=False),
    Column("row_count", sa.BigInteger, nullable=False),
    Column("column_count", sa.BigInteger, nullable=False),
    Column("dtypes", OrderedJSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

# ``is_valid`` is null until bytes were parsed; ``object_id`` is set while they are valid (contract 2).
files = Table(
    "files",
    metadata,
    Column("id", String(ID_LENGTH), primary_key=True),
    Column("owner_id", ForeignKey("users.id"), nullable=False),
    Column("file_type", String(16), nullable=False),
    Column("file_compression", String(16), nullable=False),
    Column("name", UserText, nullable=True),
    Column("description", UserText, nullable=True),
    Column("parser_options", OrderedJSON, nullable=False),
    Column("sql_transforms", OrderedJSON, nullable=True),
    Column("agent_name", UserText, nullable=True),
    Column("agent_version", UserText, nullable=True),
    Column("org_name", UserText, nullable=True),
    Column("object_id", ForeignKey("objects.id"), nullable=True, index=True),
    Column("bytes_count", sa.BigInteger, nullable=True),
    Column("is_valid", Boolean, nullable=True),
    Column("is_uploaded", Boolean, nullable=False),
    Column("errors", OrderedJSON, nullable=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Index(None, "owner_id", "created_at"),
)

# ``payload`` is the body that created it, verbatim (contract 3.4). A deleted dataset keeps its row, and no
# tables.
datasets = Table(
    "datasets",
    metadata,
    Column("id", String(ID_LENGTH), primary_key=True),
    Column("owner_id", ForeignKey("users.id"), nullable=False),
    Column("name", UserText, nullable=False),
    Column("description", UserText, nullable=False),
    Column("payload", OrderedJSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("deleted_at", UtcDateTime, nullable=True),
    Index(None, "owner_id", "created_at"),
)

# ``role`` is "edges" or "nodes".
dataset_tables = Table(
    "dataset_tables",
    metadata,
    Column("dataset_id", ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True),
    Column("role", String(8), primary_key=True),
    Column("object_id", ForeignKey("objects.id"), nullable=False, index=True),
)
