"""Pages hold every row once, in order, both ways, while rows come and go."""

import pytest
from sqlmodel import select

from cassini.contracts.resources import new_id
from services.api.auth.models import User
from services.api.page_keys import PageKeys
from services.api.paging import PageQuery, paginate

KEYS = PageKeys(b"a key of this test")


def query(**given):
    return PageQuery(keys=KEYS, **given)


@pytest.fixture
async def rows(api):
    """Seven users; three of them were made in the same instant."""
    times = [1.1, 2.2, 3.3, 3.3, 3.3, 4.4, 5.5]
    made = [
        User(id=new_id(), username=f"u{number}", created_at=time)
        for number, time in enumerate(times)
    ]
    async with api.database.write() as session:
        session.add_all(made)
    return [row.id for row in sorted(made, key=lambda row: (row.created_at, row.id))]


async def walk(api, **given):
    pages, key = [], ""
    while True:
        async with api.database.read() as session:
            page = await paginate(session, select(User), query(next_key=key, **given), User)
        pages.append(page)
        key = page.next_key
        if key is None:
            return pages


@pytest.mark.parametrize("size", [1, 2, 3, 6, 7, 8])
@pytest.mark.parametrize("descending", [False, True])
async def test_pages_hold_every_row_once(api, rows, size, descending):
    pages = await walk(api, size=size, descending=descending)
    seen = [row.id for page in pages for row in page.rows]
    assert seen == (rows[::-1] if descending else rows)
    assert pages[0].prev_key is None
    assert len(pages) == -(-len(rows) // size)


@pytest.mark.parametrize("descending", [False, True])
async def test_prev_key_leads_back_over_the_same_pages(api, rows, descending):
    pages = await walk(api, size=3, descending=descending)
    key = pages[-1].prev_key
    back = []
    while key is not None:
        async with api.database.read() as session:
            asked = query(prev_key=key, size=3, descending=descending)
            page = await paginate(session, select(User), asked, User)
        back.append([row.id for row in page.rows])
        assert page.next_key is not None
        key = page.prev_key
    assert back[::-1] == [[row.id for row in page.rows] for page in pages[:-1]]


async def test_a_row_that_is_gone_does_not_shift_the_next_page(api, rows):
    async with api.database.read() as session:
        first = await paginate(session, select(User), query(size=3), User)
    async with api.database.write() as session:
        await session.delete(first.rows[-1])
    async with api.database.read() as session:
        asked = query(size=3, next_key=first.next_key)
        second = await paginate(session, select(User), asked, User)
    assert [row.id for row in second.rows] == rows[3:6]


async def test_an_empty_list_has_no_keys(api):
    async with api.database.read() as session:
        page = await paginate(session, select(User), query(), User)
    assert page.keys() == {"prev_key": None, "next_key": None}


async def test_a_key_of_another_list_is_refused(client, world):
    users = await client.get("/api/users?page_size=1", headers=world.owner.header)
    key = users.json()["next_key"]
    response = await client.get(f"/api/orgs?next_key={key}", headers=world.owner.header)
    assert (response.status_code, response.json()["code"]) == (400, "bad_page_key")


@pytest.mark.parametrize("size", ["0", "1001", "-1", "x", "9" * 30])
async def test_page_sizes_out_of_range_are_400(client, world, size):
    response = await client.get(f"/api/orgs?page_size={size}", headers=world.owner.header)
    assert response.status_code == 400


async def test_booleans_may_be_spelled_as_python_does(client, world):
    for word in ("True", "False", "true", "1"):
        response = await client.get(f"/api/orgs?descending={word}", headers=world.owner.header)
        assert response.status_code == 200


async def test_both_keys_are_always_in_an_answer(client, world):
    answer = (await client.get("/api/orgs", headers=world.owner.header)).json()
    assert (answer["prev_key"], answer["next_key"]) == (None, None)
