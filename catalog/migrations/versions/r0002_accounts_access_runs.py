"""Personal keys, organizations, groups, shares, runs, audit."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

TIME = sa.DateTime(timezone=True)
ID = sa.String(32)


def upgrade() -> None:
    _keys_and_tokens()
    _organizations()
    _groups_and_flags()
    _datasets()
    _shares()
    _runs()
    _audit()


def _keys_and_tokens() -> None:
    op.create_table(
        "personal_keys",
        sa.Column("id", ID, nullable=False),
        sa.Column("user_id", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("secret_hash", sa.String(64), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("last_used_at", TIME, nullable=True),
        sa.Column("revoked_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_personal_keys"),
        _belongs_to("personal_keys", "user_id", "users"),
    )
    op.create_index("ix_personal_keys_user_id", "personal_keys", ["user_id"])
    op.create_table(
        "revoked_tokens",
        sa.Column("jti", sa.String(64), nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("jti", name="pk_revoked_tokens"),
    )
    op.create_index("ix_revoked_tokens_expires_at", "revoked_tokens", ["expires_at"])


def _organizations() -> None:
    op.create_table(
        "organizations",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("slug", sa.String(150), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_organizations"),
        sa.UniqueConstraint("slug", name="uq_organizations_slug"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "memberships",
        sa.Column("organization_id", sa.Integer, nullable=False),
        sa.Column("user_id", sa.Integer, nullable=False),
        sa.Column("role", sa.String(8), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "user_id", name="pk_memberships"),
        _belongs_to("memberships", "organization_id", "organizations"),
        _belongs_to("memberships", "user_id", "users"),
    )
    op.create_index("ix_memberships_user_id", "memberships", ["user_id"])


def _groups_and_flags() -> None:
    op.create_table(
        "groups",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("name", sa.String(150), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_groups"),
        sa.UniqueConstraint("name", name="uq_groups_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "group_members",
        sa.Column("group_id", sa.Integer, nullable=False),
        sa.Column("user_id", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("group_id", "user_id", name="pk_group_members"),
        _belongs_to("group_members", "group_id", "groups"),
        _belongs_to("group_members", "user_id", "users"),
    )
    op.create_index("ix_group_members_user_id", "group_members", ["user_id"])
    _add_reference("flags", "group_id", "groups")
    op.add_column("flags", sa.Column("percent", sa.Integer, nullable=True))
    op.create_index("ix_flags_name_group_id", "flags", ["name", "group_id"], unique=True)
    unaddressed = sa.text("user_id IS NULL AND group_id IS NULL")
    op.drop_index("ix_flags_unaddressed", "flags")
    op.create_index(
        "ix_flags_unaddressed",
        "flags",
        ["name", "scope"],
        unique=True,
        sqlite_where=unaddressed,
        postgresql_where=unaddressed,
    )


def _datasets() -> None:
    op.add_column("datasets", sa.Column("expires_at", TIME, nullable=True))
    _add_reference("datasets", "organization_id", "organizations")
    op.create_index("ix_datasets_expires_at", "datasets", ["expires_at"])
    op.create_index("ix_datasets_organization_id", "datasets", ["organization_id"])


def _shares() -> None:
    op.create_table(
        "shares",
        sa.Column("dataset_id", ID, nullable=False),
        sa.Column("mode", sa.String(16), nullable=False),
        sa.Column("organization_id", sa.Integer, nullable=True),
        sa.Column("mode_action", sa.String(8), nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("dataset_id", name="pk_shares"),
        _belongs_to("shares", "dataset_id", "datasets"),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name="fk_shares_organization_id"),
    )
    op.create_index("ix_shares_organization_id", "shares", ["organization_id"])
    op.create_table(
        "share_invites",
        sa.Column("dataset_id", ID, nullable=False),
        sa.Column("email", sa.String(320), nullable=False),
        sa.Column("action", sa.String(8), nullable=False),
        sa.PrimaryKeyConstraint("dataset_id", "email", name="pk_share_invites"),
        _belongs_to("share_invites", "dataset_id", "datasets"),
    )
    op.create_index("ix_share_invites_email", "share_invites", ["email"])


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("id", ID, nullable=False),
        sa.Column("owner_id", sa.Integer, nullable=False),
        sa.Column("dataset_id", ID, nullable=False),
        sa.Column("engine", sa.String(16), nullable=False),
        sa.Column("output_type", sa.String(16), nullable=False),
        sa.Column("format", sa.String(16), nullable=False),
        sa.Column("run_label", sa.Text, nullable=True),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("cause", sa.String(64), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("started_at", TIME, nullable=True),
        sa.Column("ended_at", TIME, nullable=True),
        sa.Column("queue_s", sa.Double, nullable=True),
        sa.Column("seat_s", sa.Double, nullable=True),
        sa.Column("run_s", sa.Double, nullable=True),
        sa.Column("encode_s", sa.Double, nullable=True),
        sa.Column("peak_memory_bytes", sa.BigInteger, nullable=True),
        sa.Column("result_bytes", sa.BigInteger, nullable=True),
        sa.Column("stdout", sa.Text, nullable=False),
        sa.Column("stderr", sa.Text, nullable=False),
        sa.Column("stdout_truncated", sa.Boolean, nullable=False),
        sa.Column("stderr_truncated", sa.Boolean, nullable=False),
        sa.Column("failure", sa.JSON, nullable=True),
        sa.Column("versions", sa.JSON, nullable=True),
        sa.Column("source", sa.Text, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name="fk_runs_owner_id"),
    )
    op.create_index("ix_runs_owner_id_created_at", "runs", ["owner_id", "created_at"])
    op.create_index("ix_runs_created_at", "runs", ["created_at"])


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("actor_id", sa.Integer, nullable=True),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("outcome", sa.String(32), nullable=False),
        sa.Column("detail", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_at", "audit", ["at"])


def _belongs_to(table: str, column: str, owner: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{owner}.id"], name=f"fk_{table}_{column}", ondelete="CASCADE")


def _add_reference(table: str, column: str, target: str) -> None:
    """Add a column that refers to ``target.id``, in SQL that both databases know.

    Alembic's own way on SQLite is to make the table again, and dropping a table there deletes, by cascade, the rows
    that refer to it. There is no ON DELETE, because SQLite's catalog would not show it for a column added so.
    """
    op.execute(
        f'ALTER TABLE "{table}" ADD COLUMN {column} INTEGER CONSTRAINT fk_{table}_{column} REFERENCES "{target}" (id)'
    )
