"""saga verify: whether what was recorded is still what is there."""

import asyncio
import re
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from app.cli.audit import read_anchors
from app.cli.errors import CliError
from app.cli.output import console, print_json

_RANGE: Final = re.compile(r"(\d{1,13})-(\d{1,13})", re.ASCII)


def verify(
    anchor: Annotated[
        list[Path] | None,
        typer.Option(help="A file with an anchor kept elsewhere; may be said again.", show_default=False),
    ] = None,
    from_block: Annotated[
        int, typer.Option("--from", min=1, help="Begin with this block; those before it are believed.")
    ] = 1,
    archived: Annotated[
        list[str] | None,
        typer.Option(
            help="Positions FIRST-LAST whose events may be missing; may be said again.", show_default=False
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Read the whole log again and compare it with its seals, block by block. Writes nothing.

    Says which event was changed, removed or inserted, even by a superuser with all triggers off, and what no
    longer guards the log. Exits with 1 when something is wrong. That events and seals were rewritten together
    is seen only with an anchor. Reads the database of SAGA_DATABASE_URL, or the embedded one.
    """
    from app.cluster import EmbeddedPostgresError  # noqa: PLC0415 - the application takes a second to load
    from app.database import DatabaseUnusable  # noqa: PLC0415
    from app.settings import Settings, SettingsError  # noqa: PLC0415
    from app.verifying import verify_log  # noqa: PLC0415
    from eventstore import EventStoreError  # noqa: PLC0415
    from eventstore.audit.verification import Scope  # noqa: PLC0415

    scope = Scope(from_block, read_anchors(anchor or []), [_range(each) for each in archived or []])
    screen = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    block = from_block
    try:
        with Progress(*columns, console=screen, disable=not screen.is_terminal, transient=True) as bars:
            task = bars.add_task("positions", total=None)

            def show(position: int, end: int, verified_block: int) -> None:
                nonlocal block
                block = max(block, verified_block + 1)
                bars.update(task, completed=position, total=end)

            report = asyncio.run(verify_log(Settings.load(), scope, show))
    except KeyboardInterrupt:
        screen.print(f"interrupted; `saga verify --from {block}` goes on where it was", soft_wrap=True)
        raise typer.Exit(130) from None
    except (SettingsError, DatabaseUnusable, EmbeddedPostgresError, EventStoreError, LookupError) as error:
        raise CliError(str(error)) from None
    document = report.document()
    if as_json:
        print_json(document)
    else:
        _print(document)
    if not report.ok:
        raise typer.Exit(1)


def _range(text: str) -> tuple[int, int]:
    found = _RANGE.fullmatch(text)
    if found is None or int(found[1]) > int(found[2]):
        raise CliError(f"archived positions are two numbers, such as 100-250, not {text!r}")
    return int(found[1]), int(found[2])


def _print(report: dict[str, Any]) -> None:
    for finding in report["findings"]:
        style = "yellow" if finding["warning"] else "red"
        at = "" if finding["block"] is None else f" (block {finding['block']})"
        between = " and ".join(finding["between"] or ())
        around = f"; between {between}" if between and finding["kind"] == "inserted" else ""
        console.print(
            Text.assemble((finding["kind"], style), "  ", finding["detail"], around, at), soft_wrap=True
        )
    if report["left_out"]:
        console.print(f"and {report['left_out']} more")
    blocks = f"blocks {report['from_block']} to {report['last_block']}"
    console.print(
        f"{report['events']} events and {report['commands']} command ids in {blocks}, up to position"
        f" {report['last_position']}; {report['anchors']} anchors; {report['unsealed_events']} events not"
        f" sealed yet: {'sound' if report['ok'] else 'NOT SOUND'}",
        soft_wrap=True,
    )
