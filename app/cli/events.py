"""saga events, aggregate."""

import asyncio
from typing import Annotated

import typer

from app.cli.client import Json, SagaClient
from app.cli.output import aggregate_lines, console, event_table, print_json

AsJson = Annotated[bool, typer.Option("--json", help="Print the server's JSON.")]


def events(
    after: Annotated[
        int, typer.Option(min=0, help="Start after this position (with --stream: after this version).")
    ] = 0,
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 50,
    stream: Annotated[str | None, typer.Option(help="Only this stream, such as account-VINET.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show recorded events, oldest first: of one stream, or of all in their global order."""

    async def run() -> Json:
        async with SagaClient.connect() as client:
            if stream is not None:
                return await client.stream(stream, from_version=after + 1, limit=limit)
            return await client.events(after=after, limit=limit)

    page = asyncio.run(run())
    if as_json:
        print_json(page)
    else:
        console.print(event_table(page["events"]) if page["events"] else "no events")


def aggregate(
    category: Annotated[str, typer.Argument(help="Such as stock or account.", show_default=False)],
    key: Annotated[str, typer.Argument(help="Such as the SKU or the account's id.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Show the state of an aggregate."""

    async def run() -> Json:
        async with SagaClient.connect() as client:
            return await client.aggregate(category, key)

    state = asyncio.run(run())
    if as_json:
        print_json(state)
    else:
        console.print(aggregate_lines(state))
