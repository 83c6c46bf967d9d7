"""Logs of pods that are gone."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Bring the tables to this version."""
    op.create_table(
        "log_chunk",
        sa.Column("pod", sa.String(length=96), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("workload_id", sa.String(length=32), nullable=False),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("kept_at", sa.Float(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("pod", "first"),
    )
    op.create_index("log_chunk_age", "log_chunk", ["kept_at"])
    op.create_index("log_chunk_of", "log_chunk", ["workload_id", "pod", "kept_at"])


def downgrade() -> None:
    """Take the tables back to the version before."""
    op.drop_table("log_chunk")
