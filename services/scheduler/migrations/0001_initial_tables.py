"""initial tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Bring the tables to this version."""
    op.create_table(
        "declaration",
        sa.Column("noun", sa.String(length=32), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("wish", sa.JSON(), nullable=False),
        sa.Column("wish_digest", sa.String(length=64), nullable=False),
        sa.Column("observed_generation", sa.Integer(), nullable=False),
        sa.Column("observed_sequence", sa.BigInteger(), nullable=False),
        sa.Column("fact", sa.JSON(), nullable=True),
        sa.Column("stray", sa.Boolean(), nullable=False),
        sa.Column("emitted_at", sa.Float(), nullable=False),
        sa.Column("emit_tries", sa.Integer(), nullable=False),
        sa.Column("emit_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("noun", "id"),
    )
    with op.batch_alter_table("declaration", schema=None) as batch_op:
        batch_op.create_index("declaration_emit", ["emit_at"], unique=False)

    op.create_table(
        "outbox",
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("event_id", sa.String(length=32), nullable=False),
        sa.Column("destination", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=32), nullable=False),
        sa.Column("envelope", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.Float(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("position"),
        sa.UniqueConstraint("event_id", "destination"),
    )
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.create_index("outbox_due", ["state", "next_at"], unique=False)


def downgrade() -> None:
    """Take the tables back to the version before."""
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.drop_index("outbox_due")

    op.drop_table("outbox")
    with op.batch_alter_table("declaration", schema=None) as batch_op:
        batch_op.drop_index("declaration_emit")

    op.drop_table("declaration")
