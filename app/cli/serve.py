"""saga serve, migrate: the commands that run here and not on a server.

They import what they need when they run: the application takes a second to load, `saga --help` must not.
"""

import asyncio
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
    from app.cluster import EmbeddedPostgresError  # noqa: PLC0415 - see the module
    from app.database import DatabaseUnusable  # noqa: PLC0415
    from app.executors import LeaseLost  # noqa: PLC0415
    from app.privacy import MasterKeyWrong, NoSubject  # noqa: PLC0415
    from app.server import CannotListen, end_process, run_server  # noqa: PLC0415
    from app.settings import Settings, SettingsError  # noqa: PLC0415
    from eventstore import BrokenChain  # noqa: PLC0415

    refusals = (
        *(SettingsError, DatabaseUnusable, EmbeddedPostgresError, LeaseLost, CannotListen, BrokenChain),
        *(MasterKeyWrong, NoSubject),
    )
    try:
        exit_code = run_server(Settings.load(host=host, port=port), until_eof=until_eof)
    except refusals as error:
        raise CliError(str(error)) from None
    end_process(exit_code)


def migrate(
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Bring the database's schemas up to date. `serve` does it as well."""
    from app import database  # noqa: PLC0415 - see the module
    from app.cluster import EmbeddedPostgresError  # noqa: PLC0415
    from app.settings import Settings, SettingsError  # noqa: PLC0415

    async def run() -> None:
        async with database.open_database(Settings.load()) as urls:
            await database.migrate(urls)

    try:
        asyncio.run(run())
    except (SettingsError, database.DatabaseUnusable, EmbeddedPostgresError) as error:
        raise CliError(str(error)) from None
    if as_json:
        print_json({"migrated": True})
    else:
        console.print("the database is up to date")
