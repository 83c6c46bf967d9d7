"""api_status, info."""

from tests.clients.walks.ground import Ground


def installation(ground: Ground) -> None:
    status = ground.api.api_status.get()
    assert "2026.02.01" <= status["version"]
    info = ground.api.info.get()
    assert status["version"] == info["version"]
    assert not info["is_multicluster"]
    assert not info["whitelabel"]["enabled"]


def server_options(ground: Ground) -> None:
    options = ground.api.info.get_server_options()
    assert "1 hour" == options["auto_shutoff"][0]
    assert "10Gi" == options["disk_space"][0]["value"]
    micro = options["sizes"]["micro"]
    assert ("micro", 1, 0, "CPU") == (
        micro["name"],
        micro["cores"],
        micro["gpu"],
        micro["hardware_type"],
    )
