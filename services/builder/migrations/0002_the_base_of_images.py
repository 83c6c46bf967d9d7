"""the base of images."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Bring the tables to this version."""
    with op.batch_alter_table("image", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("base", sa.String(length=1024), nullable=False, server_default="")
        )


def downgrade() -> None:
    """Take the tables back to the version before."""
    with op.batch_alter_table("image", schema=None) as batch_op:
        batch_op.drop_column("base")
