"""Pages of a list, by the last row seen and not by a count: a page stays right while rows come.

Rows are ordered by (created_at, id). A key is that pair of the row at the page's edge, in
base64. It opens nothing, since every query filters by what the caller may see, so it is checked
for its form and not signed.

    page = await paginate(session, select(Thing).where(...), query, Thing)
    return ThingList(things=[...page.rows], **page.keys())
"""

import base64
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, NamedTuple, Protocol, TypeVar

from fastapi import Depends, Query
from sqlalchemy import tuple_
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from cassini.runtime.errors import Invalid
from services.api.wire import WireOut

_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)


class Paged(Protocol):
    """A row that can be paged."""

    id: Any
    created_at: Any


Row = TypeVar("Row", bound=Paged)


class PageOut(WireOut):
    """Base of every list that is answered; both keys are always there, null at the ends."""

    prev_key: str | None
    next_key: str | None


class Edge(NamedTuple):
    """Where a page ends."""

    created_at: float
    id: str

    def encode(self) -> str:
        """Return the key that clients send back."""
        return base64.urlsafe_b64encode(json.dumps(self).encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, key: str) -> "Edge":
        """Read a key.

        Raises:
            Invalid: it is not one that was given out.
        """
        try:
            content = base64.b64decode(key + "=" * (-len(key) % 4), altchars=b"-_", validate=True)
            created_at, row_id = json.loads(content)
            edge = cls(float(created_at), str(row_id))
        except (ValueError, TypeError, OverflowError, RecursionError):
            raise _bad_key() from None
        if not math.isfinite(edge.created_at) or not _ID.fullmatch(edge.id):
            raise _bad_key()
        return edge


@dataclass(frozen=True)
class PageQuery:
    """The page a client asks for."""

    size: int = 100
    descending: bool = False
    after: Edge | None = None
    before: Edge | None = None


@dataclass(frozen=True)
class Page(Generic[Row]):
    """The rows of one page, in the order asked for, and the keys of its neighbours."""

    rows: Sequence[Row]
    prev_key: str | None
    next_key: str | None

    def keys(self) -> dict[str, str | None]:
        """Return both keys, to be passed on to the answer."""
        return {"prev_key": self.prev_key, "next_key": self.next_key}


def page_query(
    prev_key: Annotated[str | None, Query(description="Previous page key.")] = None,
    next_key: Annotated[str | None, Query(description="Next page key.")] = None,
    page_size: Annotated[int, Query(ge=1, le=1000, description="Page size.")] = 100,
    descending: Annotated[bool, Query(description="List results in descending order.")] = False,
) -> PageQuery:
    """Read the page that a query string asks for.

    Raises:
        Invalid: a key is not one that was given out, or both are there.
    """
    if prev_key and next_key:
        raise Invalid("give prev_key or next_key, not both", code="bad_page_key")
    return PageQuery(
        size=page_size,
        descending=descending,
        after=Edge.decode(next_key) if next_key else None,
        before=Edge.decode(prev_key) if prev_key else None,
    )


PageDep = Annotated[PageQuery, Depends(page_query)]


async def paginate(
    session: AsyncSession, query: SelectOfScalar[Row], page: PageQuery, table: type[Row]
) -> Page[Row]:
    """Return one page of a query over ``table``; the query itself must not be ordered."""
    backwards = page.before is not None
    edge = page.before or page.after
    downwards = page.descending != backwards
    place = tuple_(col(table.created_at), col(table.id))
    if edge is not None:
        query = query.where(place < tuple(edge) if downwards else place > tuple(edge))
    order = (
        (col(table.created_at).desc(), col(table.id).desc())
        if downwards
        else (col(table.created_at), col(table.id))
    )
    found = list(await session.exec(query.order_by(*order).limit(page.size + 1)))
    more = len(found) > page.size
    rows = found[: page.size]
    if backwards:
        rows.reverse()
    has_next, has_prev = (True, more) if backwards else (more, edge is not None)
    return Page(
        rows=rows,
        prev_key=_key(rows[0]) if rows and has_prev else None,
        next_key=_key(rows[-1]) if rows and has_next else None,
    )


def _key(row: Paged) -> str:
    return Edge(float(row.created_at), str(row.id)).encode()


def _bad_key() -> Invalid:
    return Invalid(
        "the page key is not one that this list gave out: start again without it",
        code="bad_page_key",
    )
