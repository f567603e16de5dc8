"""saga dump, restore: the whole database in one file, and back."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console

from app.cli.errors import CliError
from app.cli.output import console, print_json

T = TypeVar("T")
AsJson = Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")]


def dump(
    file: Annotated[Path, typer.Argument(help="The file to write; it must not exist.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Dump the whole database into one file, as of one moment, while servers run.

    It has all that is recorded, whatever is encrypted in it and the keys for that: keep it as the database.
    """
    from app.backup import dump as dump_database  # noqa: PLC0415 - see main.py
    from app.settings import Settings  # noqa: PLC0415

    dumped = _run("dumping", lambda: dump_database(Settings.load(), file))
    if as_json:
        print_json({"file": str(dumped.file), "bytes": dumped.bytes})
    else:
        console.print(f"{dumped.file}: {dumped.bytes:,} bytes", soft_wrap=True)


def restore(
    file: Annotated[Path | None, typer.Argument(help="What `saga dump` wrote.", show_default=False)] = None,
    finish: Annotated[
        bool,
        typer.Option("--finish", help="The database was restored by other means: only do what is left."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Restore a dump into an empty database, all or nothing; then start a server on it.

    Positions that may have been given since the dump are burnt, so that nobody outside takes new events for
    those that he has seen. Run again after an interruption it goes on. Be sure that no server runs on the
    original any more: both would carry on the same sagas.
    """
    from app.backup import restore as restore_database  # noqa: PLC0415 - see main.py
    from app.settings import Settings  # noqa: PLC0415

    if (file is None) != finish:
        raise CliError("give either a file or --finish")
    restored = _run("restoring", lambda: restore_database(Settings.load(), file))
    if as_json:
        print_json(
            {
                "restored_at": restored.restored_at.isoformat(),
                "last_position": restored.last_position,
                "first_position": restored.first_position,
            }
        )
    else:
        console.print(
            f"restored up to position {restored.last_position}; new events begin at"
            f" {restored.first_position}. Compare it with an anchor: saga verify --anchor FILE",
            soft_wrap=True,
        )


def _run(doing: str, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    from app.backup import CannotBackUp  # noqa: PLC0415 - see main.py
    from app.cluster import EmbeddedPostgresError  # noqa: PLC0415
    from app.database import DatabaseUnusable  # noqa: PLC0415
    from app.postgres_tools import ToolFailed  # noqa: PLC0415
    from app.settings import SettingsError  # noqa: PLC0415

    refusals = SettingsError, CannotBackUp, ToolFailed, DatabaseUnusable, EmbeddedPostgresError
    screen = Console(stderr=True)
    try:
        with screen.status(f"{doing} the database"):
            return asyncio.run(work())
    except refusals as error:
        raise CliError(str(error)) from None
