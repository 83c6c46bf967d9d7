"""What a person reads while the first start goes on."""

from pathlib import Path

from cassini.runtime.service import Health
from cassini.runtime.settings import PlatformSettings
from services.up import _announce


class BuildingPlatform:
    """A platform whose build tells its first line before anybody has asked for a reason."""

    def __init__(self, *looks: tuple[str | None, str | None]) -> None:
        self.looks = list(looks)
        self.api = self

    async def health(self) -> Health:
        reason = self.looks[0][0] if self.looks else None
        return Health(ready=reason is None, reason=reason)

    async def progress(self) -> str | None:
        return self.looks.pop(0)[1]

    async def sign_in_link(self) -> str:
        return "a link"


async def test_what_is_waited_for_is_told_before_its_details(monkeypatch):
    monkeypatch.setattr("services.up._PROGRESS_SECONDS", 0)
    told: list[str] = []
    looks = [("being built", "line 1"), ("being built", "line 2"), ("no backend", None)]
    await _announce(BuildingPlatform(*looks), PlatformSettings(home=Path("/x")), told.append)
    assert ["being built", "line 1", "line 2", "no backend", ""] == told[:5]
    assert "ready" in told[5]
