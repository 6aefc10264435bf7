"""The catalog's tables: users, their rights, their uploads and their runs.

Migrations (``catalog/migrations``) build this schema step by step; a test holds the two together. Ids of
files, datasets and objects are 32 lower-case hex digits (protocol 0.2). Times are UTC, sizes bytes.
"""

import sqlalchemy as sa
from sqlalchemy import Boolean, Column, ForeignKey, Index, String, Table

from catalog.column_types import OrderedJSON, UserText, UtcDateTime

REVISION = "0005"
"""The newest migration. ``open_catalog`` requires it."""

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

# One row, made with the database. The store of tables knows this id, so no other catalog takes its tables for garbage.
identity = Table("identity", metadata, Column("catalog_id", String(ID_LENGTH), primary_key=True))

# ``fold`` is what look-alikes of the name share (``auth/folds.py``), null for a name from before there were folds.
# It begins with the version of the rules, so that names are folded again when these change.
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
    Column("fold", UserText, nullable=True, index=True),
    sqlite_autoincrement=True,
)

# The secret is 256 random bits, so a plain SHA-256 of it, in hex, is as good as a slow hash. A revoked key
# keeps its row.
personal_keys = Table(
    "personal_keys",
    metadata,
    Column("id", String(ID_LENGTH), primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", UserText, nullable=False),
    Column("secret_hash", String(64), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("last_used_at", UtcDateTime, nullable=True),
    Column("revoked_at", UtcDateTime, nullable=True),
)

# Tokens that were revoked before they expired. Rows past ``expires_at`` have no effect and may be deleted.
revoked_tokens = Table(
    "revoked_tokens",
    metadata,
    Column("jti", String(64), primary_key=True),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
)

# Organizations that somebody made. Each user also has a personal one of the same name, without a row (protocol 1.7).
organizations = Table(
    "organizations",
    metadata,
    Column("id", sa.Integer, primary_key=True),
    Column("slug", String(150), nullable=False, unique=True),
    Column("name", UserText, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    sqlite_autoincrement=True,
)

# ``role`` is "member" or "admin".
memberships = Table(
    "memberships",
    metadata,
    Column("organization_id", ForeignKey("organizations.id", ondelete="CASCADE"), primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True),
    Column("role", String(8), nullable=False),
)

# Groups only say for whom a flag is set.
groups = Table(
    "groups",
    metadata,
    Column("id", sa.Integer, primary_key=True),
    Column("name", String(150), nullable=False, unique=True),
    sqlite_autoincrement=True,
)

group_members = Table(
    "group_members",
    metadata,
    Column("group_id", ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True),
)

# A row answers a flag for a scope. Scopes that name nobody (everyone, staff, percent) have one row each, scopes
# that name somebody one row for each of them (user_id or group_id). ``percent`` (0 to 100) belongs to the scope
# of that name. No CHECK on scope: new scopes are new rows.
flags = Table(
    "flags",
    metadata,
    Column("id", sa.Integer, primary_key=True),
    Column("name", String(100), nullable=False),
    Column("scope", String(16), nullable=False),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=True),
    Column("value", Boolean, nullable=False),
    Column("group_id", ForeignKey("groups.id"), nullable=True),
    Column("percent", sa.Integer, nullable=True),
    sa.UniqueConstraint("name", "user_id"),
    Index(None, "name", "group_id", unique=True),
    Index(
        "ix_flags_unaddressed",
        "name",
        "scope",
        unique=True,
        sqlite_where=sa.text("user_id IS NULL AND group_id IS NULL"),
        postgresql_where=sa.text("user_id IS NULL AND group_id IS NULL"),
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

# ``options_bytes`` is what ``parser_options``, ``name`` and ``description`` take.
# ``is_valid`` is null until bytes were parsed; ``object_id`` is set while they are valid (protocol 2).
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
    Column("options_bytes", sa.BigInteger, nullable=True),
    Index(None, "owner_id", "created_at"),
)

# ``payload`` is the body that created it, verbatim (protocol 3.4). A deleted dataset keeps its row, without
# texts and tables. ``payload_bytes`` is its length.
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
    Column("expires_at", UtcDateTime, nullable=True, index=True),
    Column("organization_id", ForeignKey("organizations.id"), nullable=True, index=True),
    Column("payload_bytes", sa.BigInteger, nullable=True),
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

# A dataset without a row is shared as the setting ``default_access`` says. ``mode`` is "private", "organization" (of
# ``organization_id``) or "public"; ``mode_action`` as clients send it: "10" view, "20" edit, "30" share.
shares = Table(
    "shares",
    metadata,
    Column("dataset_id", ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True),
    Column("mode", String(16), nullable=False),
    Column("organization_id", ForeignKey("organizations.id"), nullable=True, index=True),
    Column("mode_action", String(8), nullable=False),
    Column("message", UserText, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
)

# ``email`` is an address in lower case, or a username as it is.
share_invites = Table(
    "share_invites",
    metadata,
    Column("dataset_id", ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True),
    Column("email", String(320), primary_key=True, index=True),
    Column("action", String(8), nullable=False),
)

# A receipt. ``state`` is "queued", "running" or "ended"; ``cause`` says how it ended. ``source`` is set only if
# the operator keeps it. ``kept_bytes`` is about what the row takes. No foreign key to the dataset: a receipt outlives
# it.
runs = Table(
    "runs",
    metadata,
    Column("id", String(ID_LENGTH), primary_key=True),
    Column("owner_id", ForeignKey("users.id"), nullable=False),
    Column("dataset_id", String(ID_LENGTH), nullable=False),
    Column("engine", String(16), nullable=False),
    Column("output_type", String(16), nullable=False),
    Column("format", String(16), nullable=False),
    Column("run_label", UserText, nullable=True),
    Column("state", String(8), nullable=False),
    Column("cause", String(64), nullable=True),
    Column("created_at", UtcDateTime, nullable=False, index=True),
    Column("started_at", UtcDateTime, nullable=True),
    Column("ended_at", UtcDateTime, nullable=True),
    Column("queue_s", sa.Double, nullable=True),
    Column("seat_s", sa.Double, nullable=True),
    Column("run_s", sa.Double, nullable=True),
    Column("encode_s", sa.Double, nullable=True),
    Column("peak_memory_bytes", sa.BigInteger, nullable=True),
    Column("result_bytes", sa.BigInteger, nullable=True),
    Column("stdout", UserText, nullable=False, default=""),
    Column("stderr", UserText, nullable=False, default=""),
    Column("stdout_truncated", Boolean, nullable=False, default=False),
    Column("stderr_truncated", Boolean, nullable=False, default=False),
    Column("failure", OrderedJSON, nullable=True),
    Column("versions", OrderedJSON, nullable=True),
    Column("source", UserText, nullable=True),
    Column("kept_bytes", sa.BigInteger, nullable=True),
    Index(None, "owner_id", "created_at"),
    Index(None, "owner_id", "kept_bytes"),
)

# Append-only: no code updates or deletes a row. ``actor`` is a name and ``actor_id`` no foreign key, because a line
# outlives its user.
audit = Table(
    "audit",
    metadata,
    Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    Column("at", UtcDateTime, nullable=False, index=True),
    Column("actor_id", sa.Integer, nullable=True),
    Column("actor", UserText, nullable=False),
    Column("address", UserText, nullable=False),
    Column("action", String(64), nullable=False),
    Column("target", UserText, nullable=False),
    Column("outcome", String(32), nullable=False),
    Column("detail", OrderedJSON, nullable=False),
    sqlite_autoincrement=True,
)
