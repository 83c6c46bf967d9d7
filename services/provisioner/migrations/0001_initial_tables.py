"""initial tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Bring the tables to this version."""
    op.create_table(
        "backend",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("declarer", sa.String(length=16), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("wish_digest", sa.String(length=64), nullable=False),
        sa.Column("wish", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("fact", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("tombstone", sa.Boolean(), nullable=False),
        sa.Column("due_at", sa.Float(), nullable=True),
        sa.Column("asked", sa.Integer(), nullable=False),
        sa.Column("claim_token", sa.String(length=32), nullable=True),
        sa.Column("claim_expires", sa.Float(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("surprises", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("backend", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_backend_due_at"), ["due_at"], unique=False)

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

    op.create_table(
        "workload",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("declarer", sa.String(length=16), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("wish_digest", sa.String(length=64), nullable=False),
        sa.Column("wish", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("fact", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("tombstone", sa.Boolean(), nullable=False),
        sa.Column("due_at", sa.Float(), nullable=True),
        sa.Column("asked", sa.Integer(), nullable=False),
        sa.Column("claim_token", sa.String(length=32), nullable=True),
        sa.Column("claim_expires", sa.Float(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("surprises", sa.Integer(), nullable=False),
        sa.Column("observed", sa.JSON(), nullable=False),
        sa.Column("leases", sa.JSON(), nullable=False),
        sa.Column("lease_id", sa.String(length=32), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("workload", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_workload_due_at"), ["due_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_workload_lease_id"), ["lease_id"], unique=False)


def downgrade() -> None:
    """Take the tables back to the version before."""
    with op.batch_alter_table("workload", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_workload_lease_id"))
        batch_op.drop_index(batch_op.f("ix_workload_due_at"))

    op.drop_table("workload")
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.drop_index("outbox_due")

    op.drop_table("outbox")
    with op.batch_alter_table("declaration", schema=None) as batch_op:
        batch_op.drop_index("declaration_emit")

    op.drop_table("declaration")
    with op.batch_alter_table("backend", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_backend_due_at"))

    op.drop_table("backend")
