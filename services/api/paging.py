"""Pages of a list, by the last row seen and not by a count: a page stays right while rows come.

Rows are ordered by (created_at, id); a page's key is that pair of the row at its edge, signed.

    page = await paginate(session, select(Thing).where(...), query, Thing)
    return ThingList(things=[...page.rows], **page.keys())
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Protocol, TypeVar

from fastapi import Depends, Query
from sqlalchemy import tuple_
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from services.api.page_keys import PageAsked, PageAskedDep, PageEnds
from services.api.wire import WireOut


class Paged(Protocol):
    """A row that can be paged."""

    id: Any
    created_at: Any


Row = TypeVar("Row", bound=Paged)


class PageOut(WireOut):
    """Base of every list that is answered; both keys are always there, null at the ends."""

    prev_key: str | None
    next_key: str | None


@dataclass(frozen=True)
class PageQuery(PageAsked):
    """The page a client asks for, and in which direction the list is to be read."""

    descending: bool = False


@dataclass(frozen=True)
class Page(PageEnds, Generic[Row]):
    """The rows of one page, in the order asked for, and the keys of its neighbours."""

    rows: Sequence[Row]


def page_query(
    asked: PageAskedDep,
    descending: Annotated[bool, Query(description="List results in descending order.")] = False,
) -> PageQuery:
    """Read the page that a query string asks for."""
    return PageQuery(**vars(asked), descending=descending)


PageDep = Annotated[PageQuery, Depends(page_query)]


async def paginate(
    session: AsyncSession, query: SelectOfScalar[Row], page: PageQuery, table: type[Row]
) -> Page[Row]:
    """Return one page of a query over ``table``; the query itself must not be ordered.

    Raises:
        Invalid: the key is not one that a list of these rows gave out.
    """
    backwards = bool(page.prev_key)
    key = page.prev_key or page.next_key
    downwards = page.descending != backwards
    if key:
        place = tuple_(col(table.created_at), col(table.id))
        edge = tuple(page.keys.read(table.__name__, key))
        query = query.where(place < edge if downwards else place > edge)
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
    has_next, has_prev = (True, more) if backwards else (more, bool(key))

    def key_of(row: Row) -> str:
        return page.keys.make(table.__name__, (float(row.created_at), str(row.id)))

    return Page(
        rows=rows,
        prev_key=key_of(rows[0]) if rows and has_prev else None,
        next_key=key_of(rows[-1]) if rows and has_next else None,
    )
