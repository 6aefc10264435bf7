"""Users, flags, stored tables, files and datasets."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

TIME = sa.DateTime(timezone=True)
ID = sa.String(32)


def upgrade() -> None:
    version = op.create_table(
        "version",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("value", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_version"),
    )
    op.bulk_insert(version, [{"id": 1, "value": 0}])
    _users_and_flags()
    _objects_and_files()
    _datasets()


def _users_and_flags() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("username", sa.String(150), nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("password_hash", sa.String(255), nullable=False),
        sa.Column("is_admin", sa.Boolean, nullable=False),
        sa.Column("is_active", sa.Boolean, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("tokens_valid_from", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("username", name="uq_users_username"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "flags",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("scope", sa.String(16), nullable=False),
        sa.Column("user_id", sa.Integer, nullable=True),
        sa.Column("value", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_flags"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_flags_user_id", ondelete="CASCADE"),
        sa.UniqueConstraint("name", "user_id", name="uq_flags_name_user_id"),
    )
    only_unaddressed = sa.text("user_id IS NULL")
    op.create_index(
        "ix_flags_unaddressed",
        "flags",
        ["name", "scope"],
        unique=True,
        sqlite_where=only_unaddressed,
        postgresql_where=only_unaddressed,
    )


def _objects_and_files() -> None:
    op.create_table(
        "objects",
        sa.Column("id", ID, nullable=False),
        sa.Column("byte_count", sa.BigInteger, nullable=False),
        sa.Column("row_count", sa.BigInteger, nullable=False),
        sa.Column("column_count", sa.BigInteger, nullable=False),
        sa.Column("dtypes", sa.JSON, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_objects"),
    )
    op.create_table(
        "files",
        sa.Column("id", ID, nullable=False),
        sa.Column("owner_id", sa.Integer, nullable=False),
        sa.Column("file_type", sa.String(16), nullable=False),
        sa.Column("file_compression", sa.String(16), nullable=False),
        sa.Column("name", sa.Text, nullable=True),
        sa.Column("description", sa.Text, nullable=True),
        sa.Column("parser_options", sa.JSON, nullable=False),
        sa.Column("sql_transforms", sa.JSON, nullable=True),
        sa.Column("agent_name", sa.Text, nullable=True),
        sa.Column("agent_version", sa.Text, nullable=True),
        sa.Column("org_name", sa.Text, nullable=True),
        sa.Column("object_id", ID, nullable=True),
        sa.Column("bytes_count", sa.BigInteger, nullable=True),
        sa.Column("is_valid", sa.Boolean, nullable=True),
        sa.Column("is_uploaded", sa.Boolean, nullable=False),
        sa.Column("errors", sa.JSON, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_files"),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name="fk_files_owner_id"),
        sa.ForeignKeyConstraint(["object_id"], ["objects.id"], name="fk_files_object_id"),
    )
    op.create_index("ix_files_object_id", "files", ["object_id"])
    op.create_index("ix_files_owner_id_created_at", "files", ["owner_id", "created_at"])


def _datasets() -> None:
    op.create_table(
        "datasets",
        sa.Column("id", ID, nullable=False),
        sa.Column("owner_id", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("payload", sa.JSON, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("deleted_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_datasets"),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name="fk_datasets_owner_id"),
    )
    op.create_index("ix_datasets_owner_id_created_at", "datasets", ["owner_id", "created_at"])
    op.create_table(
        "dataset_tables",
        sa.Column("dataset_id", ID, nullable=False),
        sa.Column("role", sa.String(8), nullable=False),
        sa.Column("object_id", ID, nullable=False),
        sa.PrimaryKeyConstraint("dataset_id", "role", name="pk_dataset_tables"),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name="fk_dataset_tables_dataset_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["object_id"], ["objects.id"], name="fk_dataset_tables_object_id"),
    )
    op.create_index("ix_dataset_tables_object_id", "dataset_tables", ["object_id"])
