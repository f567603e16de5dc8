"""saga keys rewrap: the keys of personal data, on the database itself."""

import asyncio
from typing import Annotated

import typer

from app.cli.errors import CliError
from app.cli.output import console, print_json

app = typer.Typer(help="The keys of personal data.", no_args_is_help=True, rich_markup_mode="rich")


@app.callback()
def keys() -> None:
    """The keys of personal data."""


@app.command()
def rewrap(
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Wrap every key with the first master key of SAGA_MASTER_KEY. Servers may go on meanwhile.

    Reads the database of SAGA_DATABASE_URL, or the embedded one.
    """
    from app.cluster import EmbeddedPostgresError  # noqa: PLC0415 - the application takes a second to load
    from app.database import DatabaseUnusable, migrate, open_database  # noqa: PLC0415
    from app.privacy import KeyLocked, Keys, MasterKeys, MasterKeyWrong  # noqa: PLC0415
    from app.settings import Settings, SettingsError  # noqa: PLC0415
    from eventstore import StoreUnavailable  # noqa: PLC0415
    from eventstore.connections import store_pool  # noqa: PLC0415

    async def run() -> int:
        settings = Settings.load()
        if settings.master_key is None:
            raise CliError("set SAGA_MASTER_KEY to the new master key, and behind a comma the one before")
        async with open_database(settings) as urls:
            await migrate(urls)
            async with store_pool(urls.app, 1) as pool:
                found = Keys(pool, MasterKeys.of(settings.master_key))
                await found.check()  # all of them or none
                return await found.rewrap()

    refusals = (
        *(SettingsError, DatabaseUnusable, EmbeddedPostgresError, StoreUnavailable),
        *(KeyLocked, MasterKeyWrong),
    )
    try:
        count = asyncio.run(run())
    except refusals as error:
        raise CliError(str(error)) from None
    if as_json:
        print_json({"rewrapped": count})
    else:
        console.print(f"{count} keys are wrapped anew; none needs another master key now")
