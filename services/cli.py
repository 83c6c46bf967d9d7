"""The command line: ``cassini up``, ``cassini admin …``, and the generated pages.

Commands import what they run when they run, so that ``--help`` and ``admin`` stay quick.
"""

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from cassini import __version__
from cassini.contracts.resources import ServiceName
from cassini.runtime.errors import CassiniError, Invalid
from cassini.runtime.logs import configure_logging
from cassini.runtime.settings import PlatformSettings, S, load_settings

_PLAIN: dict[str, Any] = {
    "no_args_is_help": True,
    "add_completion": False,
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
}

app = typer.Typer(help="Cassini: a data-science platform on your own machine.", **_PLAIN)
admin = typer.Typer(help="Look after a platform from its own machine, running or not.", **_PLAIN)
user = typer.Typer(help="People who may sign in.", **_PLAIN)
app.add_typer(admin, name="admin")
admin.add_typer(user, name="user")
letters = typer.Typer(help="Events that a service could not handle and gave up.", **_PLAIN)
admin.add_typer(letters, name="dead-letters")

Home = Annotated[
    Path | None, typer.Option(help="The data directory (CASSINI_HOME).", show_default=False)
]
BrokerAddress = Annotated[
    str | None,
    typer.Option(
        "--broker",
        envvar="CASSINI_BROKER_ADMIN_URL",
        help="The distributed form: amqp://user:password@host/ of the broker's administrator.",
        show_default=False,
    ),
]
LetterIds = Annotated[list[str] | None, typer.Argument(help="Their ids.", metavar="ID …")]
AllLetters = Annotated[bool, typer.Option("--all", help="All there are.")]
UserName = Annotated[str, typer.Option("--user", help="Whose it is.")]


@app.command("up")
def run_up(
    home: Home = None,
    host: Annotated[str | None, typer.Option(help="The address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="The port to listen on (CASSINI_PORT).")] = None,
    stop_workloads: Annotated[
        bool,
        typer.Option(
            "--stop-workloads",
            help="At the end, end running servers too; the next start does start them again.",
        ),
    ] = False,
) -> None:
    """Run the whole platform on this machine, until Ctrl-C."""
    from services.up import up  # noqa: PLC0415 - loads all five services

    settings = _settings(PlatformSettings, home=home, host=host, port=port)
    configure_logging(level=settings.log_level, form=settings.log_format)
    _run(up(settings, stop_workloads=stop_workloads, say=_say))


@app.command("run")
def run_service(
    name: Annotated[ServiceName, typer.Argument(help="Which service.", metavar="SERVICE")],
    host: Annotated[str | None, typer.Option(help="The api's address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="The api's port (CASSINI_PORT).")] = None,
) -> None:
    """Run one service of the distributed form (api, scheduler, builder, secrets, provisioner)."""
    from services.distributed.run import run  # noqa: PLC0415
    from services.distributed.settings import DistributedSettings  # noqa: PLC0415

    settings = _settings(DistributedSettings, host=host, port=port)
    configure_logging(level=settings.log_level, form=settings.log_format)
    _run(run(name, settings))


@app.command("migrate")
def run_migrate(
    names: Annotated[
        list[ServiceName] | None, typer.Argument(help="Which; default: all.", metavar="SERVICE …")
    ] = None,
    database_url: Annotated[
        str | None, typer.Option(help="postgresql+asyncpg://… (CASSINI_DATABASE_URL)")
    ] = None,
    private: Annotated[
        Path | None,
        typer.Option(help="Where `cassini keys` put the passwords: each service its own user."),
    ] = None,
) -> None:
    """Bring the tables of the distributed form to this release; waits for the database."""
    from services.distributed.migrate import migrate  # noqa: PLC0415

    configure_logging(level="warning")
    url = _settings(PlatformSettings, database_url=database_url).database_address
    if url is None:
        raise _failure(Invalid("name the database: --database-url or CASSINI_DATABASE_URL"))
    _run(migrate(names or list(ServiceName), url, private, _say))


@app.command("keys")
def run_keys(
    private: Annotated[Path, typer.Argument(help="A directory for private keys, by service.")],
    public: Annotated[Path, typer.Argument(help="A directory for what all services read.")],
    owner: Annotated[
        int | None, typer.Option(help="The uid that the services run as (root only).")
    ] = None,
) -> None:
    """Make the keys and passwords of a distributed installation; keeps those that are there."""
    from services.distributed.keys import make_keys  # noqa: PLC0415

    make_keys(private, public, owner=owner)


@admin.callback()
def _quietly() -> None:
    """Look after a platform from its own machine, running or not."""
    configure_logging(level="warning")


@admin.command("sign-in-link")
def sign_in_link(username: UserName = "admin", home: Home = None) -> None:
    """Print a link that signs a person in once, within 15 minutes."""
    from services.admin import make_sign_in_link  # noqa: PLC0415

    print(_run(make_sign_in_link(_settings(PlatformSettings, home=home), username)))  # noqa: T201


@admin.command("token")
def token(username: UserName = "admin", home: Home = None) -> None:
    """Print a new API token, and nothing else."""
    from services.admin import make_token  # noqa: PLC0415

    print(_run(make_token(_settings(PlatformSettings, home=home), username)))  # noqa: T201


@admin.command("wait")
def wait(home: Home = None) -> None:
    """Wait until a workspace could be started here, saying what is waited for."""
    from services.admin import wait_ready  # noqa: PLC0415

    print(_run(wait_ready(_settings(PlatformSettings, home=home), _say)))  # noqa: T201


@admin.command("strays")
def strays(home: Home = None) -> None:
    """List what was found running or kept that no workspace stands for; nothing removes it.

    There is some only after an older copy of the API's database was put back. Strays are stopped
    and their homes are kept in homes/<id> of the data directory.
    """
    from services.admin import find_strays  # noqa: PLC0415

    for line in _run(find_strays(_settings(PlatformSettings, home=home))):
        _say(line)


@letters.command("list")
def list_letters(home: Home = None, broker: BrokerAddress = None) -> None:
    """List them: id, type, id of the resource, who gave it up, and why."""
    from services.admin import list_dead_letters  # noqa: PLC0415

    for line in _run(list_dead_letters(_settings(PlatformSettings, home=home), broker)):
        _say(line)


@letters.command("replay")
def replay_letters(
    ids: LetterIds = None,
    every: AllLetters = False,
    home: Home = None,
    broker: BrokerAddress = None,
) -> None:
    """Deliver them again, as after the cause is mended."""
    _say(f"Replayed {_change_letters(ids, every, home, broker, discard=False)}.")


@letters.command("discard")
def discard_letters(
    ids: LetterIds = None,
    every: AllLetters = False,
    home: Home = None,
    broker: BrokerAddress = None,
) -> None:
    """Remove them for good."""
    _say(f"Discarded {_change_letters(ids, every, home, broker, discard=True)}.")


@user.command("add")
def add_user(
    name: Annotated[str, typer.Argument(help="Lower case letters, digits and hyphens.")],
    home: Home = None,
) -> None:
    """Make a user; sign-in-link --user NAME lets them in."""
    from services.admin import make_user  # noqa: PLC0415

    for line in _run(make_user(_settings(PlatformSettings, home=home), name)):
        _say(line)


@app.command("events")
def print_events() -> None:
    """Print docs/events.md."""
    from services.reference import events_page  # noqa: PLC0415

    sys.stdout.write(events_page())


@app.command("settings")
def print_settings() -> None:
    """Print docs/settings.md."""
    from services.reference import settings_page  # noqa: PLC0415

    sys.stdout.write(settings_page())


@app.command("openapi")
def print_openapi() -> None:
    """Print services/api/openapi.json."""
    from services.reference import openapi_file  # noqa: PLC0415 - loads the API

    sys.stdout.write(openapi_file())


@app.command("version")
def print_version() -> None:
    """Print the version."""
    _say(__version__)


def _change_letters(
    ids: list[str] | None, every: bool, home: Path | None, broker: str | None, *, discard: bool
) -> int:
    from services.admin import change_dead_letters  # noqa: PLC0415

    if every == bool(ids):
        raise _failure(Invalid("name the ids of dead letters, or --all"))
    settings = _settings(PlatformSettings, home=home)
    return int(_run(change_dead_letters(settings, broker, ids or (), discard=discard)))


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - the command line's own output


def _settings(kind: type[S], **flags: Any) -> S:
    try:
        return load_settings(kind, **flags)
    except CassiniError as error:
        raise _failure(error) from None


def _run(work: Any) -> Any:
    try:
        return asyncio.run(work)
    except CassiniError as error:
        raise _failure(error) from None


def _failure(error: CassiniError) -> typer.Exit:
    """Say what happened and what to do, on standard error."""
    typer.echo(f"cassini: {error.message}", err=True)
    return typer.Exit(2)
