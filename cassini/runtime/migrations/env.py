"""Alembic's environment: runs the versions on the connection that ``upgrade`` was given."""

from typing import Any, Literal

from alembic import context
from sqlmodel.sql.sqltypes import AutoString


def _plain_strings(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    """Write SQLModel's own string type as the plain one that it is."""
    if kind == "type" and isinstance(item, AutoString):
        return f"sa.String(length={item.length})" if item.length else "sa.String()"
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=context.config.attributes["target_metadata"],
    render_as_batch=True,
    render_item=_plain_strings,
)
with context.begin_transaction():
    context.run_migrations()
