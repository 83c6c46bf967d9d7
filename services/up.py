"""``cassini up``: run the embedded form in the foreground, and say what happens meanwhile.

Standard output is for the person (progress, the address, the sign-in link); the log goes to
standard error. The first start builds the built-in image: the last line of its build log is shown
until a workspace could be started.
"""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any

from cassini.runtime.settings import PlatformSettings
from services.embedded import Platform
from services.places import Places
from services.serving import bind

_PROGRESS_SECONDS = 0.5
_TRUST = (
    "Everyone who works here shares this machine and its kernel: one trust domain. "
    "Give accounts to people you trust."
)

Say = Callable[[str], None]


async def up(settings: PlatformSettings, *, stop_workloads: bool, say: Say) -> None:
    """Run until a signal comes.

    Raises:
        CassiniError: it cannot be started; the message says why and what to do.
    """
    places = Places(settings.home)
    with places.problems_told():
        places.prepare()
        places.hold()
        listener = bind(settings.host, settings.port)
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(name, stop.set)
        platform = Platform(settings, places)
        try:
            await platform.start(listener)
            places.announce(settings.url)
            await _until_first(stop.wait(), _announce(platform, settings, say))
            await stop.wait()
            say("Stopping …" if stop_workloads else "Stopping; servers go on running …")
        finally:
            await platform.stop(stop_workloads=stop_workloads)
            places.release()


async def _announce(platform: Platform, settings: PlatformSettings, say: Say) -> None:
    """Tell how far the start is, and at its end the address and a sign-in link."""
    said: dict[str, str] = {}
    while not (health := await platform.health()).ready:
        # What is waited for comes before its details, however quickly these come.
        told = {"reason": health.reason or "", "progress": await platform.progress() or ""}
        for kind, line in told.items():
            if line and line != said.get(kind):
                say(line)
        said = told
        await asyncio.sleep(_PROGRESS_SECONDS)
    say("")
    say(f"Cassini is ready:  {settings.url}")
    say(f"Sign in (once, within 15 minutes):  {await platform.api.sign_in_link()}")
    say(_TRUST)


async def _until_first(*works: Coroutine[Any, Any, object]) -> None:
    tasks = [asyncio.create_task(work) for work in works]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    for task in done:
        task.result()
