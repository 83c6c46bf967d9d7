import pytest

from cassini.runtime.log_source import LogLine

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

IMAGE = {
    "access",
    "created_at",
    "description",
    "hardware_type",
    "id",
    "is_base",
    "is_gpu",
    "name",
    "owner",
    "supports",
    "trusted",
}
TAG = {
    "archived",
    "created_at",
    "description",
    "id",
    "image",
    "image_uri",
    "is_external",
    "status",
    "version",
}


async def test_the_built_in_image_is_there_for_everybody(world, ada):
    answer = await ada.get("/api/images")

    (image,) = answer.json()["images"]
    assert image.keys() >= IMAGE
    assert (image["name"], image["access"]) == ("cassini-python", "account")
    assert "jupyterlab" in image["supports"]
    assert image == (await ada.get(f"/api/images/{image['id']}")).json()
    (tag,) = (await ada.get(f"/api/images/{image['id']}/tags")).json()["image_tags"]
    assert tag.keys() >= TAG
    assert (tag["id"], tag["status"], tag["image"]) == (world.tag.id, "built", image)
    assert tag == (await ada.get(f"/api/images/{image['id']}/tags/{tag['id']}")).json()


@pytest.mark.parametrize(
    ("params", "count"),
    [
        ({"name": "python"}, 1),
        ({"name": "%"}, 0),
        ({"supports": "jupyterlab"}, 1),
        ({"supports": "jupyter"}, 0),
        ({"hardware_type": "NVIDIA"}, 0),
        ({"access": "account"}, 1),
        ({"is_base": "False"}, 0),
        ({"owner": "main/admin"}, 1),
    ],
)
async def test_images_are_filtered(admin, params, count):
    answer = await admin.get("/api/images", params=params)

    assert len(answer.json()["images"]) == count


async def test_a_build_is_followed(world, admin):
    path = f"/api/images/{world.tag.image_id}/tags/{world.tag.id}"

    await world.image("building", reason="Installing", message="Installing packages.")

    tag = (await admin.get(path)).json()
    assert (tag["status"], tag["reason"]) == ("building", "Installing")
    building = await admin.get(
        f"/api/images/{world.tag.image_id}/tags", params={"status": "building"}
    )
    assert [each["id"] for each in building.json()["image_tags"]] == [world.tag.id]


async def test_the_build_log_comes_in_pages_with_the_time_of_each_line(world, admin):
    lines = [LogLine(1_769_853_600.0 + number, f"step {number}") for number in range(3)]
    world.logs.builds[world.tag.id] = [*lines, LogLine(None, "no time")]
    path = f"/api/images/{world.tag.image_id}/tags/{world.tag.id}/logs"

    first = (await admin.get(path, params={"page_size": 3})).json()
    second = (await admin.get(path, params={"page_size": 3, "next_key": first["next_key"]})).json()

    assert [line["content"] for line in first["logs"]] == ["step 0", "step 1", "step 2"]
    assert first["logs"][2]["timestamp"] == "2026-01-31T10:00:02+00:00"
    assert [line["content"] for line in second["logs"]] == ["no time"]
    assert second["next_key"] is None
    back = (await admin.get(path, params={"page_size": 3, "prev_key": second["prev_key"]})).json()
    assert back["logs"] == first["logs"]


@pytest.mark.parametrize("path", ["{0}", "{0}/tags", "{0}/tags/{0}", "{1}/tags/{0}"])
async def test_what_is_not_there_is_not_found(world, admin, unknown_id, path):
    where = path.format(unknown_id, world.tag.image_id)

    assert (await admin.get(f"/api/images/{where}")).status_code == 404


async def test_a_second_start_finds_the_image_and_asks_again_only_after_a_failure(world):
    before = await world.wish("image", world.tag.id)
    await world.service.open()
    assert await world.wish("image", world.tag.id) == before

    await world.image("error", message="no network")
    await world.service.open()

    assert (await world.wish("image", world.tag.id)).generation == before.generation + 1
