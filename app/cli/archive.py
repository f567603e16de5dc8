"""saga archive: copies of the journals of sagas that ended long ago, to write, to check and to read."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, cast

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from app.cli.audit import read_anchors
from app.cli.client import Json
from app.cli.errors import CliError
from app.cli.inputs import time_before
from app.cli.output import console, event_table, print_json, print_json_line
from app.client import models

app = typer.Typer(no_args_is_help=True, help="Verified copies of old journals. Nothing leaves the database.")

ArchiveFile = Annotated[Path, typer.Argument(help="What `saga archive write` wrote.", show_default=False)]


@app.command()
def write(
    folder: Annotated[Path, typer.Argument(help="Where the files are kept.", show_default=False)],
    older_than: Annotated[
        str | None, typer.Option(help="Sagas that ended so long ago, such as 90d.", show_default=False)
    ] = None,
    ended_before: Annotated[
        str | None, typer.Option(help="Sagas that ended before this time (RFC 3339).", show_default=False)
    ] = None,
    file_events: Annotated[int, typer.Option(min=1, max=1_000_000, help="Events of one file.")] = 200_000,
    as_json: Annotated[bool, typer.Option("--json", help="Print each file's manifest, one a line.")] = False,
) -> None:
    """Copy the journals of sagas that ended long ago into files of the folder, which need no database.

    Only what is not there yet is written; a file appears whole or not at all, and none is replaced.
    Interrupted, it is run again. Reads the database of SAGA_DATABASE_URL, or the embedded one.
    """
    from app.archiving import archive  # noqa: PLC0415 - see main.py
    from app.settings import Settings  # noqa: PLC0415

    before = time_before(ended_before, older_than)
    screen = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()

    async def run() -> int:
        files = 0
        with Progress(*columns, console=screen, disable=not screen.is_terminal, transient=True) as bars:
            task = bars.add_task("positions", total=None)

            def show(position: int, end: int) -> None:
                bars.update(task, completed=position, total=end)

            async for written in archive(Settings.load(), folder, before, file_events, show):
                files += 1
                if as_json:
                    print_json_line({"file": str(written.file), **written.manifest})
                else:
                    counts = f"{written.manifest['streams']} sagas, {written.manifest['events']} events"
                    console.print(f"{written.file}: {counts}", soft_wrap=True)
        return files

    with _one_line():
        files = asyncio.run(run())
    if not files and not as_json:
        console.print("nothing to archive")


@app.command()
def verify(
    file: ArchiveFile,
    anchor: Annotated[
        list[Path] | None,
        typer.Option(help="A file with anchors kept elsewhere; may be said again.", show_default=False),
    ] = None,
    database: Annotated[bool, typer.Option(help="Also compare every event with the database.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Check a file: that it is whole, and that its events are in the sealed log up to its last block.

    That block is believed unless an anchor names it, or one before it. Exits with 1 when something is wrong.
    """
    from app.archiving import compare  # noqa: PLC0415 - see main.py
    from app.settings import Settings  # noqa: PLC0415
    from eventstore.audit.archives import Verification  # noqa: PLC0415

    by_block: dict[int, list[Any]] = {}
    for each in read_anchors(anchor or []):
        by_block.setdefault(each.block, []).append(each)
    verification = Verification(by_block)
    with _one_line():
        manifest = verification.read(file)
        if anchor and not verification.anchors_met:
            raise CliError(
                f"{file} has no block of these anchors: its last one is {manifest['anchor']['block']}"
            )
        faults = asyncio.run(compare(Settings.load(), verification)) if database else []
    if faults:
        more = f", and {len(faults) - 1} more" if len(faults) > 1 else ""
        raise CliError(f"{faults[0]}{more}")
    if as_json:
        print_json({"ok": True, "anchors": verification.anchors_met, "database": database, **manifest})
    else:
        compared = f"{verification.anchors_met} anchors" + (", as in the database" if database else "")
        console.print(
            f"{manifest['streams']} streams, {manifest['events']} events, sealed up to block"
            f" {manifest['anchor']['block']}; {compared}: sound",
            soft_wrap=True,
        )


@app.command("list")
def list_(
    file: ArchiveFile,
    as_json: Annotated[bool, typer.Option("--json", help="Print one object a line.")] = False,
) -> None:
    """List the streams of a file: how many events, the last one, and when."""
    with _one_line():
        for stream in _streams(file):
            if as_json:
                print_json_line(stream)
            else:
                console.print(
                    "{stream}  {events}  {last_type}  {recorded_at}".format(**stream), soft_wrap=True
                )


@app.command()
def show(
    file: ArchiveFile,
    stream: Annotated[str, typer.Argument(help="Such as saga-fulfil-order-10248.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Print as the server would.")] = False,
) -> None:
    """Show the events of a stream in a file, as `saga events --stream STREAM` does."""
    with _one_line():
        events = [_as_served(event) for event in _events(file) if event["stream"] == stream]
    if not events:
        raise CliError(f"{file} has no stream {stream}")
    if as_json:
        print_json({"events": events, "next": None})
    else:
        console.print(event_table(events))


def _events(file: Path) -> Iterator[Json]:
    from eventstore.audit.archives import events_of  # noqa: PLC0415 - see main.py

    return events_of(file)


def _as_served(event: Json) -> models.EventView:
    served = {name: value for name, value in event.items() if name != "commit_position"} | {
        "data": orjson.loads(event["data"]),
        "metadata": orjson.loads(event["metadata"]),
    }
    return cast("models.EventView", served)


def _streams(file: Path) -> Iterator[Json]:
    stream: Json | None = None
    for event in _events(file):
        if stream is not None and event["version"] == 1:
            yield stream
        stream = {
            "stream": event["stream"],
            "events": event["version"],
            "last_type": event["type"],
            "recorded_at": event["recorded_at"],
        }
    if stream is not None:
        yield stream


@contextmanager
def _one_line() -> Iterator[None]:
    """What can go wrong, as the one line that a command says. Raises CliError."""
    from app.archiving import CannotArchive  # noqa: PLC0415 - see main.py
    from app.cluster import EmbeddedPostgresError  # noqa: PLC0415
    from app.database import DatabaseUnusable  # noqa: PLC0415
    from app.settings import SettingsError  # noqa: PLC0415
    from eventstore import EventStoreError  # noqa: PLC0415
    from eventstore.audit.archives import InvalidArchive  # noqa: PLC0415

    ours = CannotArchive, EventStoreError, InvalidArchive
    refusals = *ours, DatabaseUnusable, EmbeddedPostgresError, SettingsError
    try:
        yield
    except refusals as error:
        raise CliError(str(error)) from None
    except OSError as error:
        raise CliError(f"cannot read or write {error.filename or 'a file'}: {error.strerror}") from None
