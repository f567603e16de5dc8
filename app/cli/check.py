"""saga check: whether this code goes on with every saga that is recorded."""

import asyncio
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from app.cli.errors import CliError
from app.cli.output import console, print_json

PASSES: Final = {1: "sagas and events", 2: "again, with another hash seed"}


def check(
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Replay every open saga through this code, and decode all that is stored. Writes nothing.

    Exits with 1 when this code cannot go on with something. To be run before a deploy, beside running
    servers or without one; reads the database of SAGA_DATABASE_URL, or the embedded one.
    """
    from app.checking import CheckFailed, check_twice  # noqa: PLC0415 - the application takes a second to load
    from app.cluster import EmbeddedPostgresError  # noqa: PLC0415
    from app.database import DatabaseUnusable  # noqa: PLC0415
    from app.settings import Settings, SettingsError  # noqa: PLC0415
    from eventstore import BrokenChain, StoreUnavailable  # noqa: PLC0415

    screen = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=screen, disable=not screen.is_terminal, transient=True) as bars:
        tasks = {number: bars.add_task(name, total=None) for number, name in PASSES.items()}

        def show(number: int, position: int, end: int) -> None:
            bars.update(tasks[number], completed=position, total=end)

        try:
            report = asyncio.run(check_twice(Settings.load(), show))
        except (
            SettingsError,
            DatabaseUnusable,
            EmbeddedPostgresError,
            StoreUnavailable,
            CheckFailed,
            BrokenChain,
        ) as error:
            raise CliError(str(error)) from None
    if as_json:
        print_json(report)
    else:
        _print(report)
    if not report["ok"]:
        raise typer.Exit(1)


def _print(report: dict[str, Any]) -> None:
    for finding in report["findings"]:
        saga = f"{finding['saga_id']} ({finding['saga']}): " if finding["saga_id"] else ""
        times = f" ({finding['count']} events)" if finding["count"] > 1 else ""
        console.print(Text.assemble((finding["kind"], "red"), "  ", (saga, "bold"), finding["detail"], times))
    if report["left_out"]:
        console.print(f"and {report['left_out']} more")
    for stored in report["stored"]:
        _print_old(stored)
    found = len(report["findings"]) + report["left_out"]
    console.print(
        f"{report['events']} events, {report['sagas']} sagas of which {report['replayed']} open,"
        f" {report['compensations']} compensations: {found or 'nothing'} found"
    )


def _print_old(stored: dict[str, Any]) -> None:
    """A line for what is read as something else than what it is stored as."""
    name = f"{stored['name']} {stored['schema_version']}"
    if stored["unread"]:
        console.print(f"{stored['kind']}  {name}: {stored['unread']} of {stored['count']} cannot be read")
    elif stored["reads_as"] != [name]:
        today = ", ".join(stored["reads_as"]) or "nothing"
        console.print(f"{stored['kind']}  {name}: {stored['count']}, read as {today}")
