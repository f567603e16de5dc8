"""saga events, aggregate."""

from typing import Annotated

import typer

from app.cli.client import ask
from app.cli.errors import CliError
from app.cli.output import aggregate_lines, console, event_table, print_json
from app.cli.past import history_lines
from app.client import models

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
    page: models.StreamPage | models.EventPage
    if stream is not None:
        page = ask(lambda client: client.stream(stream, from_version=after + 1, limit=limit))
    else:
        page = ask(lambda client: client.events(after=after, limit=limit))
    if as_json:
        print_json(page)
    else:
        console.print(event_table(page["events"]) if page["events"] else "no events")


def aggregate(
    category: Annotated[str, typer.Argument(help="Such as stock or account.", show_default=False)],
    key: Annotated[str, typer.Argument(help="Such as the SKU or the account's id.", show_default=False)],
    version: Annotated[
        int | None,
        typer.Option("--version", min=1, help="As of this version; with --history: back from it."),
    ] = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="TIME", help="As of this time: 2026-11-25T18:00:00Z.")
    ] = None,
    position: Annotated[
        str | None,
        typer.Option("--position", help="As of this position of the whole store, such as 17 or 17@1."),
    ] = None,
    history: Annotated[
        bool, typer.Option("--history", help="What happened to it, the latest first.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="With --history: how many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show the state of an aggregate, as it is or as it was; or its history."""
    if history and (as_of is not None or position is not None):
        raise CliError("--history takes no --as-of and no --position")
    if history:
        page = ask(lambda client: client.history(category, key, start=version, limit=limit))
        if as_json:
            print_json(page)
        else:
            console.print(history_lines(page))
        return
    document = ask(
        lambda client: client.aggregate(category, key, version=version, as_of=as_of, position=position)
    )
    if as_json:
        print_json(document)
    else:
        console.print(aggregate_lines(document))
