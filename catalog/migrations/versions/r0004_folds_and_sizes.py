"""Folds of names, and the lengths of long columns."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    # Filled when the next user is added (``auth/users.py``), and not unique: no pair of names fails a migration.
    op.add_column("users", sa.Column("fold", sa.Text, nullable=True))
    op.create_index("ix_users_fold", "users", ["fold"])
    _add_size("files", "options_bytes", "parser_options")
    _add_size("datasets", "payload_bytes", "payload")


def _add_size(table: str, size: str, measured: str) -> None:
    op.add_column(table, sa.Column(size, sa.BigInteger, nullable=True))
    rows = sa.table(table, sa.column(size), sa.column(measured))
    length = sa.func.length(sa.cast(rows.c[measured], sa.Text))
    op.execute(sa.update(rows).values({size: length}))
