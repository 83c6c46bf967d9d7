"""What clients see: refresh tokens, scopes, pods that are gone, versions of rows."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Bring the tables to this version."""
    op.create_table(
        "pod_record",
        sa.Column("name", sa.String(length=96), nullable=False),
        sa.Column("workload_id", sa.String(length=32), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("started_at", sa.Float(), nullable=False),
        sa.Column("finished_at", sa.Float(), nullable=True),
        sa.Column("exit_code", sa.Integer(), nullable=True),
        sa.Column("last_seen", sa.Float(), nullable=False),
        sa.Column("gone", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_index("pod_record_of", "pod_record", ["workload_id", "started_at", "name"])
    op.create_table(
        "refresh_token",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("text_hash", sa.String(length=64), nullable=False),
        sa.Column("token_id", sa.String(length=32), nullable=False),
        sa.Column("predecessor_id", sa.String(length=32), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=True),
        sa.Column("used_at", sa.Float(), nullable=True),
        sa.Column("replaced_at", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(["token_id"], ["api_token.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("text_hash"),
    )
    op.create_index("ix_refresh_token_token_id", "refresh_token", ["token_id"])
    with op.batch_alter_table("account") as table:
        table.add_column(sa.Column("default_org_id", sa.String(length=32), nullable=True))
    with op.batch_alter_table("api_token") as table:
        table.add_column(sa.Column("expires_in", sa.Integer(), nullable=True))
        table.add_column(sa.Column("refresh_expires_in", sa.Integer(), nullable=True))
        table.add_column(_with_default("refreshable", sa.Boolean(), sa.false()))
    with op.batch_alter_table("org") as table:
        table.add_column(sa.Column("website_url", sa.String(), nullable=True))
        table.add_column(_with_default("logo_image_url", sa.String(), ""))
    with op.batch_alter_table("workspace") as table:
        table.add_column(_with_default("version", sa.BigInteger(), "0"))
        table.add_column(_with_default("token_generation", sa.Integer(), "0"))
        table.drop_index("ix_workspace_owner_id")
    live = sa.text("deleted_at IS NULL")
    active = sa.text("deleted_at IS NULL AND status != 'stopped'")
    _partial_index("workspace_page", ["owner_id", "created_at", "id"], live)
    _partial_index("workspace_active", ["created_at", "id"], active)
    op.create_index("workspace_version", "workspace", ["owner_id", "version"])


def _with_default(name: str, kind: Any, default: Any) -> sa.Column[Any]:
    """Return a column that rows of the version before get this value in."""
    return sa.Column(name, kind, nullable=False, server_default=default)


def _partial_index(name: str, columns: list[str], where: sa.TextClause) -> None:
    op.create_index(name, "workspace", columns, sqlite_where=where, postgresql_where=where)
