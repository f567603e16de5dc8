"""saga start, list, show, watch."""

import asyncio
from typing import Annotated

import typer
from rich.live import Live

from app.cli.client import ask, connect
from app.cli.errors import CliError
from app.cli.inputs import attributes_of, checked_id, read_batch, read_input, start_time
from app.cli.output import (
    console,
    print_json,
    print_json_line,
    saga_line,
    saga_lines,
    saga_table,
)
from app.cli.past import saga_then_lines
from app.client import models

WAIT_SECONDS = 60.0

AsJson = Annotated[bool, typer.Option("--json", help="Print the server's JSON.")]
SagaId = Annotated[str, typer.Argument(help="The id of the saga.", show_default=False)]


def start(
    name: Annotated[str, typer.Argument(help="What kind of saga, such as fulfil-order.", show_default=False)],
    saga_input: Annotated[
        str,
        typer.Argument(
            metavar="[JSON|@FILE|-]", help="Its input: JSON, a file of it, or - for standard input."
        ),
    ] = "-",
    saga_id: Annotated[
        str | None, typer.Option("--id", help="The saga's id; starting it again under it starts nothing.")
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help=f"Wait until it has ended, at most {WAIT_SECONDS:.0f} s.")
    ] = False,
    at: Annotated[
        str | None, typer.Option("--at", metavar="TIME", help="Start it then: 2026-12-24T18:00:00Z.")
    ] = None,
    in_: Annotated[
        str | None, typer.Option("--in", metavar="DURATION", help="Start it after so long: 90s, 15m, 2h, 3d.")
    ] = None,
    batch: Annotated[
        str | None,
        typer.Option(
            "--batch",
            metavar="@FILE|-|JSON",
            help='Start all of these together or none: {"id": …, "input": …} in a JSON array, or one a line.',
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Start a saga, or many. It goes on when this command, or the server, is gone."""
    if batch is not None:
        if wait or saga_id or at or in_ or saga_input != "-":
            raise CliError("--batch says all of its sagas; nothing else can be said with it")
        _start_batch(name, read_batch(batch), as_json)
        return
    document, time = read_input(saga_input), start_time(at, in_)
    if saga_id is not None:
        checked_id(saga_id)
    wait_seconds = WAIT_SECONDS if wait else 0.0
    saga = ask(
        lambda client: client.start(name, document, saga_id=saga_id, wait_seconds=wait_seconds, at=time)
    )
    _print(saga, as_json)


def _start_batch(name: str, sagas: list[models.BatchItem], as_json: bool) -> None:
    answer = ask(lambda client: client.start_batch(name, {"sagas": sagas}))
    if as_json:
        print_json(answer)
    else:
        console.print(saga_table(answer["sagas"]))


def list_(  # noqa: PLR0913, PLR0917 - one an option
    status: Annotated[
        str | None, typer.Option(help="Only those that are running, stuck, completed …")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Only those of this kind.")] = None,
    attribute: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Only those that have it; again for more.")
    ] = None,
    parent: Annotated[str | None, typer.Option(help="Only those that this saga started.")] = None,
    correlation_id: Annotated[str | None, typer.Option(help="Only those that belong together so.")] = None,
    sort: Annotated[
        str, typer.Option(help="requested or updated; downwards with a - before it.")
    ] = "-requested",
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 20,
    after: Annotated[str | None, typer.Option(help="The cursor that the page before ended with.")] = None,
    as_json: AsJson = False,
) -> None:
    """List sagas, newest first unless --sort says otherwise."""
    attributes = attributes_of(attribute or [])
    page = ask(
        lambda client: client.sagas(
            attributes=attributes,
            status=status,
            name=name,
            parent=parent,
            correlation_id=correlation_id,
            sort=sort,
            limit=limit,
            after=after,
        )
    )
    if as_json:
        print_json(page)
        return
    console.print(saga_table(page["sagas"]) if page["sagas"] else "no sagas")
    if page["next"] is not None:
        console.print(f"more with --after {page['next']}", style="dim")


def show(
    saga_id: SagaId,
    position: Annotated[
        str | None,
        typer.Option(
            "--position", help="As of this position, such as 17 or 17@1, with the aggregates it had touched."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show a saga: its steps, their compensations, its outcome; as it is, or as it was."""
    if position is None:
        _print(ask(lambda client: client.saga(saga_id)), as_json)
        return
    then = ask(lambda client: client.saga_at(saga_id, position))
    if as_json:
        print_json(then)
    else:
        console.print(saga_then_lines(then))


def watch(saga_id: SagaId, as_json: AsJson = False) -> None:
    """Follow a saga until it has ended or is stuck. With --json: one line for each change."""
    asyncio.run(_watch(saga_id, as_json))


async def _watch(saga_id: str, as_json: bool) -> None:
    live = Live(console=console, auto_refresh=False) if console.is_terminal and not as_json else None
    latest: models.SagaView | None = None
    async with connect() as client:
        if live is not None:
            live.start()
        try:
            async for latest in client.watch(saga_id):
                if live is not None:
                    live.update(saga_lines(latest), refresh=True)
                elif as_json:
                    print_json_line(latest)
                else:
                    console.print(saga_line(latest), soft_wrap=True)
        finally:
            if live is not None:
                live.stop()
    if latest is None or (latest["ended_at"] is None and latest["status"] != "stuck"):
        raise CliError(f"the server stopped before {saga_id} had ended")


def _print(saga: models.SagaView, as_json: bool) -> None:
    if as_json:
        print_json(saga)
    else:
        console.print(saga_lines(saga))
