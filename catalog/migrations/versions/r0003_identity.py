"""An id that tells a catalog from every other."""

from uuid import uuid4

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    identity = op.create_table(
        "identity",
        sa.Column("catalog_id", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("catalog_id", name="pk_identity"),
    )
    op.bulk_insert(identity, [{"catalog_id": uuid4().hex}])
