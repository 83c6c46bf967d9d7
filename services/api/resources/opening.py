"""The link that opens a running workspace, with JupyterLab's own token. Never stored anywhere."""

from urllib.parse import urlencode

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.contracts.workloads import WorkloadDeclaredV1
from cassini.runtime.errors import Conflict
from services.api.auth.caller import Caller
from services.api.context import ApiContext, WorkspaceLink
from services.api.resources.jupyter import jupyter_token
from services.api.resources.models import Workspace
from services.api.resources.status import ResourceStatus

_SHOWN = 100


async def open_url(session: AsyncSession, api: ApiContext, row: Workspace) -> str:
    """Return JupyterLab's address with its token.

    Raises:
        Conflict: the workspace does not run; the message says what it does.
    """
    wish = await api.declarations.wish(session, "workload", row.id)
    if row.status != ResourceStatus.RUNNING or row.address is None or wish is None:
        why = f": {row.message}" if row.message else ""
        message = f"{row.name} is {row.status}, it opens when it runs{why}"
        raise Conflict(message, code="not_running")
    if not isinstance(wish, WorkloadDeclaredV1):
        raise TypeError("a workload's wish is of another type")
    token = jupyter_token(api, row.id, wish.revision)
    return f"{row.address}lab?{urlencode({'token': token})}"


def page_url(row: Workspace, base_url: str) -> str:
    """Return JupyterLab's own address while it runs, else the page that opens it once it does."""
    return row.address or f"{base_url}/workspaces/{row.id}/open"


async def workspaces_of(session: AsyncSession, caller: Caller) -> list[WorkspaceLink]:
    """Return the caller's workspaces by name, as the plain page lists them."""
    query = select(Workspace).where(
        col(Workspace.owner_id).in_(caller.owner_ids), col(Workspace.deleted_at).is_(None)
    )
    if caller.scope.resources is not None:
        query = query.where(col(Workspace.id).in_(caller.scope.resources))
    rows = (await session.exec(query.order_by(col(Workspace.name)).limit(_SHOWN))).all()
    return [
        WorkspaceLink(
            name=row.name,
            status=row.status,
            href=f"/workspaces/{row.id}/open" if row.address else None,
            reason=row.message,
        )
        for row in rows
    ]
