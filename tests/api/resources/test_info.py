from dataclasses import replace

import pytest

from cassini.contracts.catalog import CATALOG
from cassini.contracts.resources import ServiceName
from cassini.runtime.settings import SizeSettings

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

SIZE = {"cloud", "cores", "display", "display_name", "hardware_type", "memory", "name"}


async def test_server_options_name_what_fits_the_machine(admin):
    options = (await admin.get("/api/info/servers")).json()

    assert options["auto_shutoff"][0] == "1 hour"
    assert options["disk_space"][0] == {"value": "10Gi", "display_str": "10 GB"}
    assert list(options["sizes"]) == ["micro", "small", "medium", "machine"]
    for name, size in options["sizes"].items():
        assert size.keys() >= SIZE
        assert (size["name"], type(size["cores"])) == (name, int)


async def test_workspace_options_name_the_defaults(world, admin):
    info = (await admin.get("/api/workspaces/info")).json()

    assert info["server_options"].keys() == {"auto_shutoff", "disk_space", "size"}
    assert info["server_options"]["size"][0]["name"] == "micro"
    assert info["default_images"]["jupyter"]["CPU"]["id"] == world.tag.id
    assert info["default_images"]["rstudio"] == {}
    assert info["default_sizes"]["CPU"]["name"] == "micro"


async def test_the_installation_describes_itself(admin):
    info = (await admin.get("/api/info")).json()
    status = (await admin.get("/api/status")).json()

    assert info["version"] == status["version"]
    assert info["app_serving_domain"] == "cassini.test"
    assert info["auth0"] == {"enabled": False, "connections": {}, "disable_native_login": False}
    assert len(info) >= 20


async def test_sizes_follow_the_backend(world, admin):
    await world.backend(cores=1, memory=512 * 1024**2)

    sizes = (await admin.get("/api/info/servers")).json()["sizes"]

    assert sizes["micro"]["memory"] == "512Mi"


@pytest.fixture
def configured(world, app):
    """Two sizes in the settings, of which one is too large."""
    sizes = (
        SizeSettings(name="huge", cores=64, memory="1Ti", price_per_hour=9),
        SizeSettings(name="tiny", cores=1, memory="512Mi", description="Small"),
    )
    context = world.service.context
    settings = context.settings.model_copy(update={"sizes": sizes})
    app.state.api = replace(context, settings=settings)


async def test_configured_sizes_are_shown_and_the_first_that_fits_is_given(configured, admin):
    options = (await admin.get("/api/info/servers")).json()["sizes"]
    info = (await admin.get("/api/workspaces/info")).json()
    made = (await admin.post("/api/workspaces", json={"name": "a"})).json()

    assert list(options) == ["huge", "tiny"]
    assert (options["huge"]["disabled"], options["huge"]["price_per_hour"]) == (True, 9)
    assert options["huge"]["disabled_message"].startswith("Huge is larger than this machine")
    tiny = options["tiny"]
    assert (tiny["disabled"], tiny["disabled_message"], tiny["description"]) == (False, "", "Small")
    assert info["default_sizes"]["CPU"] == tiny
    assert (made["instance_size"], made["size_display"]) == ("tiny", tiny["display"])


async def test_a_disabled_size_is_refused_with_its_message(configured, admin):
    options = (await admin.get("/api/info/servers")).json()["sizes"]
    body = {"name": "a", "instance_size": "huge"}
    refused = await admin.post("/api/workspaces", json=body)

    assert refused.status_code == 400
    expected = {"code": "size_disabled", "message": options["huge"]["disabled_message"]}
    assert refused.json() == expected


async def test_the_platform_is_ready_when_a_workspace_could_be_started(world):
    why = world.service.could_start

    async def take(envelopes):
        return [None] * len(envelopes)

    async def reason() -> str | None:
        world.service._tasks = {"relay": None}  # as if its loops ran
        health = await why()
        world.service._tasks = {}
        return health.reason

    assert "builder, provisioner, secrets" in str(await reason())
    for name, event in CATALOG.items():
        for reader in event.readers if ServiceName.API in event.writers else ():
            world.ground.bus.subscribe(reader, name, take)
    assert await reason() is None
    await world.image("building")
    assert "being built" in str(await reason())
    await world.image("error", message="no network")
    assert "no network" in str(await reason())
    await world.image("built")
    await world.backend(reachable=False)
    assert "local" in str(await reason())
