"""What still belongs to somebody, in words, until it is really gone."""

from services.api.resources.belongings import belongings_of

PATH = "/api/workspaces"


async def test_things_belong_to_their_owner_until_they_are_seen_to_be_gone(world, ada, admin):
    owners = (await ada.get("/api/user/owners")).json()["owners"]

    async def belongings():
        async with world.ground.database.read() as session:
            return await belongings_of(session, [owner["id"] for owner in owners])

    assert await belongings() == []
    ids = [(await ada.post(PATH, json={"name": name})).json()["id"] for name in ("b", "a")]
    await admin.post(PATH, json={"name": "another"})
    assert await belongings() == ["the workspace a", "the workspace b"]
    await ada.delete(f"{PATH}/{ids[0]}")
    assert await belongings() == ["the workspace a", "the workspace b (being deleted)"]
    await world.workload(ids[0], "absent")
    assert await belongings() == ["the workspace a"]


async def test_the_platforms_own_image_belongs_to_the_first_admin(world, admin):
    owners = (await admin.get("/api/user/owners")).json()["owners"]
    async with world.ground.database.read() as session:
        found = await belongings_of(session, [owners[0]["id"]])
    assert found == ["the image cassini-python"]
