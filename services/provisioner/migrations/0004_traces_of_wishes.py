"""Which trace a wish came with."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Bring the tables to this version."""
    with op.batch_alter_table("workload", schema=None) as batch_op:
        batch_op.add_column(sa.Column("traceparent", sa.String(length=55), nullable=True))

    with op.batch_alter_table("backend", schema=None) as batch_op:
        batch_op.add_column(sa.Column("traceparent", sa.String(length=55), nullable=True))


def downgrade() -> None:
    """Take the tables back to the version before."""
    with op.batch_alter_table("backend", schema=None) as batch_op:
        batch_op.drop_column("traceparent")

    with op.batch_alter_table("workload", schema=None) as batch_op:
        batch_op.drop_column("traceparent")
