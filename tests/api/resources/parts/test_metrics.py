"""``/metrics`` of a workspace: what may be asked, and the shape of the answer."""

from datetime import UTC, datetime

import pytest

from cassini.runtime.log_source import PodMetrics
from services.api.resources.parts.metrics import metrics_router
from services.api.resources.parts.metrics_schemas import MetricType

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

AT = 1_800_000_000.0  # 2027-01-15T08:00:00 UTC
HOUR = 3600.0
DAY = 24 * HOUR
SERIES = {
    "cpu": ((AT, 500.0), (AT + 30, 1000.0), (AT + 60, 0.12345)),
    "memory": ((AT, 1048576.0),),
    "network_in": (),
}


async def made(client):
    return (await client.post("/api/workspaces", json={"name": "first"})).json()["id"]


async def ask(client, resource_id, **query):
    return await client.get(f"/api/workspaces/{resource_id}/metrics", params=query)


def iso(seconds):
    return datetime.fromtimestamp(seconds, UTC).isoformat()


@pytest.fixture
async def resource_id(world, admin):
    found = await made(admin)
    world.logs.used[found] = [PodMetrics(f"{found}-3-0-2", SERIES)]
    return found


async def test_a_series_has_every_field_of_the_contract(admin, resource_id):
    answer = (await ask(admin, resource_id)).json()
    assert set(answer) == {"cpu", "memory", "network_in", "network_out", "gpu", "gpu_memory"}
    assert answer["cpu"] == [
        {
            "pod_name": f"{resource_id}-3-0-2",
            "labels": {
                "saturncloud.io/resource-id": resource_id,
                "saturncloud.io/resource-type": "workspace",
                "saturncloud.io/resource-name": "first",
                "cassini/revision": "3",
                "cassini/rank": "0",
                "cassini/attempt": "2",
            },
            "stats": {"avg": 500.041, "min": 0.123, "max": 1000.0, "last": 0.123},
            "data": [
                {"datetime": "2027-01-15T08:00:00+00:00", "value": 500.0},
                {"datetime": "2027-01-15T08:00:30+00:00", "value": 1000.0},
                {"datetime": "2027-01-15T08:01:00+00:00", "value": 0.123},
            ],
        }
    ]
    assert [each["stats"] for each in answer["memory"]] == [
        dict.fromkeys(("avg", "min", "max", "last"), 1048576.0)
    ]


async def test_nothing_known_yet_is_an_empty_list_and_what_cannot_be_measured_null(
    admin, resource_id
):
    answer = (await ask(admin, resource_id)).json()
    assert answer["network_in"] == []
    assert (answer["network_out"], answer["gpu"], answer["gpu_memory"]) == (None, None, None)


async def test_a_workspace_that_never_ran_has_empty_lists(admin):
    answer = (await ask(admin, await made(admin))).json()
    assert answer == {
        **{name: [] for name in ("cpu", "memory", "network_in", "network_out")},
        **dict.fromkeys(("gpu", "gpu_memory")),
    }


@pytest.mark.parametrize("metric", list(MetricType))
async def test_types_that_were_not_asked_for_are_null(admin, resource_id, metric):
    whole = (await ask(admin, resource_id)).json()
    answer = (await ask(admin, resource_id, type=metric)).json()
    assert answer == {name: whole[name] if name == metric else None for name in whole}


async def test_without_a_time_it_is_the_last_hour(world, admin, resource_id):
    await ask(admin, resource_id)
    now = world.clock.time
    assert world.logs.asked == {
        "start": pytest.approx(now - HOUR, abs=1),
        "end": pytest.approx(now, abs=1),
        "step": 30,
    }


TIMES = {
    "with a zone": ("2027-01-15T09:00:00+01:00", AT),
    "in UTC": ("2027-01-15T08:00:00Z", AT),
    "without a zone": ("2027-01-15T08:00:00", AT),
    "as the official client writes it": ("2027-01-15T08:00:00.500000+0000", AT + 0.5),
}


@pytest.mark.parametrize("case", TIMES)
async def test_a_time_is_read(world, admin, resource_id, case):
    text, expected = TIMES[case]
    assert (await ask(admin, resource_id, end=text)).status_code == 200
    assert (world.logs.asked["start"], world.logs.asked["end"]) == (expected - HOUR, expected)


@pytest.mark.parametrize(
    ("hours", "step"),
    [(0.2, 15), (0.5, 15), (1, 30), (6, 180), (24, 900), (7 * 24, 2 * HOUR), (90 * 24, DAY)],
)
async def test_the_usual_resolution_makes_about_a_hundred_points(
    world, admin, resource_id, hours, step
):
    query = {"start": iso(AT - hours * HOUR), "end": iso(AT)}
    assert (await ask(admin, resource_id, **query)).status_code == 200
    assert world.logs.asked["step"] == step
    assert hours * HOUR / step <= 120


@pytest.mark.parametrize(
    ("text", "step"),
    [("15", 15), ("30s", 30), ("1m", 60), ("5m", 300), ("1h", 3600), ("1d", 86400), ("90", 90)],
)
async def test_a_resolution_is_read(world, admin, resource_id, text, step):
    assert (await ask(admin, resource_id, resolution=text)).status_code == 200
    assert world.logs.asked["step"] == step


REFUSED = {
    "an unknown type": ({"type": "disk"}, "type"),
    "two types": ({"type": "cpu,memory"}, "type"),
    "a time that is none": ({"start": "yesterday"}, "start"),
    "an end before the start": ({"start": iso(AT), "end": iso(AT - 1)}, "before the end"),
    "an end at the start": ({"start": iso(AT), "end": iso(AT)}, "before the end"),
    "a start that is still to come": ({"start": iso(AT + DAY)}, "before the end"),
    "no resolution": ({"resolution": "often"}, "30s, 5m or 2h"),
    "a resolution below what is measured": ({"resolution": "14s"}, "15 seconds"),
    "a resolution of zero": ({"resolution": "0"}, "15 seconds"),
    "a negative resolution": ({"resolution": "-60"}, "30s, 5m or 2h"),
    "a resolution of more than a day": ({"resolution": "2d"}, "a day"),
    "a long resolution": ({"resolution": "1" * 17}, "resolution"),
    "too many points": (
        {"start": iso(AT - DAY), "end": iso(AT), "resolution": "1m"},
        "the smallest resolution for this time is 87s",
    ),
    "too long a time": ({"start": "0001-01-01T00:00:00", "end": iso(AT)}, "at most 1000 days"),
    "the end of time": ({"end": "9999-12-31T23:59:59-14:00", "start": iso(AT)}, "1000 days"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_makes_no_sense_is_refused_with_what_to_do(world, admin, resource_id, case):
    query, words = REFUSED[case]
    answer = await ask(admin, resource_id, **query)
    assert answer.status_code == 400
    assert words in answer.json()["message"]
    assert world.logs.asked == {}


async def test_the_smallest_resolution_that_was_named_is_taken(admin, resource_id):
    query = {"start": iso(AT - DAY), "end": iso(AT), "resolution": "87s"}
    assert (await ask(admin, resource_id, **query)).status_code == 200


async def test_other_peoples_metrics_are_not_there(world, admin, ada, resource_id):
    assert (await ask(ada, resource_id)).status_code == 404
    assert (await ask(admin, "f" * 32)).status_code == 404


def test_every_kind_has_the_route_under_its_own_name(database_url):
    (route,) = metrics_router("deployment", None).routes
    assert route.path == "/api/deployments/{deployment_id}/metrics"
    assert [each.alias for each in route.dependant.path_params] == ["deployment_id"]
