"""What receipts take."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_ROW_BYTES = 512


def upgrade() -> None:
    op.add_column("runs", sa.Column("kept_bytes", sa.BigInteger, nullable=True))
    texts = ("stdout", "stderr", "failure", "source")
    rows = sa.table("runs", sa.column("kept_bytes"), *map(sa.column, texts))
    lengths = (sa.func.coalesce(sa.func.length(sa.cast(rows.c[name], sa.Text)), 0) for name in texts)
    op.execute(sa.update(rows).values(kept_bytes=sum(lengths, sa.literal(_ROW_BYTES))))
    op.create_index("ix_runs_owner_id_kept_bytes", "runs", ["owner_id", "kept_bytes"])
