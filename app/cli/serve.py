"""saga serve, worker, migrate: the commands that run here and not on a server.

They import what they need when they run: the application takes a second to load, `saga --help` must not.
"""

import asyncio
from collections.abc import Callable
from typing import Annotated

import typer

from app.cli.errors import CliError
from app.cli.output import console, print_json


def serve(
    host: Annotated[str | None, typer.Option(help="The address to listen at. [default: 127.0.0.1]")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="0: any free one. [default: 8000]")
    ] = None,
    until_eof: Annotated[bool, typer.Option("--until-eof", hidden=True)] = False,
) -> None:
    """Run a server: HTTP API, executor and projections in one process.

    Without SAGA_DATABASE_URL it brings its own Postgres, kept in SAGA_DATA_DIR.
    """
    from app.server import run_server  # noqa: PLC0415 - see the module
    from app.settings import Settings  # noqa: PLC0415

    _run_to_the_end(lambda: run_server(Settings.load(host=host, port=port), until_eof=until_eof))


def worker(
    host: Annotated[str | None, typer.Option(help="Where health is told. [default: 127.0.0.1]")] = None,
    health_port: Annotated[
        int | None,
        typer.Option(
            min=1, max=65535, help="Tell health at this port. [default: nowhere]", show_default=False
        ),
    ] = None,
) -> None:
    """Run a worker: an executor and projections, without HTTP API.

    SAGA_DATABASE_URL, SAGA_CARRIER_URL and SAGA_SUPPLIER_URL must be those of the servers.
    """
    from app.server import run_worker  # noqa: PLC0415 - see the module
    from app.settings import Settings  # noqa: PLC0415

    _run_to_the_end(lambda: run_worker(Settings.load(host=host), health_port))


def _run_to_the_end(run: Callable[[], int]) -> None:
    from app.cluster import EmbeddedPostgresError  # noqa: PLC0415 - see the module
    from app.database import DatabaseUnusable  # noqa: PLC0415
    from app.privacy import MasterKeyWrong, NoSubject  # noqa: PLC0415
    from app.security.access import NotSecured  # noqa: PLC0415
    from app.server import CannotListen, end_process  # noqa: PLC0415
    from app.settings import SettingsError  # noqa: PLC0415
    from eventstore import BrokenChain  # noqa: PLC0415

    refusals = (
        *(SettingsError, DatabaseUnusable, EmbeddedPostgresError, CannotListen, BrokenChain),
        *(MasterKeyWrong, NoSubject, NotSecured),
    )
    try:
        exit_code = run()
    except refusals as error:
        raise CliError(str(error)) from None
    end_process(exit_code)


def migrate(
    roles: Annotated[
        bool,
        typer.Option("--roles", help="First make or mend the roles of the addresses, and the database."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Bring the database's schemas up to date. `serve` does it as well.

    With --roles, as the role of SAGA_ADMIN_DATABASE_URL: makes the owner of SAGA_OWNER_DATABASE_URL, the
    application of SAGA_DATABASE_URL, which owns nothing, and readers. It may be said again at any time.
    """
    from app import database  # noqa: PLC0415 - see the module
    from app.cluster import EmbeddedPostgresError  # noqa: PLC0415
    from app.database_roles import set_up_roles  # noqa: PLC0415
    from app.settings import Settings, SettingsError  # noqa: PLC0415

    async def run() -> list[str]:
        settings = Settings.load()
        if roles:
            return await set_up_roles(settings)
        async with database.open_database(settings) as urls:
            await database.migrate(urls)
        return []

    try:
        done = asyncio.run(run())
    except (SettingsError, database.DatabaseUnusable, EmbeddedPostgresError) as error:
        raise CliError(str(error)) from None
    if as_json:
        print_json({"migrated": True, **({"roles": done} if roles else {})})
    elif roles:
        for line in done:
            console.print(line, soft_wrap=True, markup=False)
    else:
        console.print("the database is up to date")
