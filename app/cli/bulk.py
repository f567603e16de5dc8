"""saga bulk: one action on many sagas."""

import asyncio
from typing import Annotated, Final, cast

import typer

from app.cli.client import connect
from app.cli.errors import CliError
from app.cli.inputs import attributes_of, read_input
from app.cli.output import console, outcome_table, print_json_line
from app.cli.sagas import AsJson
from app.client import models

ACTIONS: Final = ("compensate", "retry", "resume", "skip", "abandon", "signal")


def bulk(  # noqa: PLR0913 - each is an option
    action: Annotated[str, typer.Argument(help=", ".join(ACTIONS), show_default=False)],
    *,
    reason: Annotated[
        str | None, typer.Option(help="Kept in the sagas' journals; of all but signal.", show_default=False)
    ] = None,
    status: Annotated[str | None, typer.Option(help="Those that are stuck, waiting, completed …")] = None,
    name: Annotated[str | None, typer.Option(help="Those of this kind.")] = None,
    attribute: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Those that have it; again for more.")
    ] = None,
    parent: Annotated[str | None, typer.Option(help="Those that this saga started.")] = None,
    correlation_id: Annotated[str | None, typer.Option(help="Those that belong together so.")] = None,
    ids: Annotated[list[str] | None, typer.Option("--id", help="This one; again for more.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Of compensate: also what something blocks.")
    ] = False,
    signal: Annotated[str | None, typer.Option(help="Of signal: its name.")] = None,
    signal_id: Annotated[str | None, typer.Option(help="Of signal: under this id it counts once.")] = None,
    data: Annotated[
        str | None, typer.Option(metavar="JSON|@FILE|-", help="Of signal: its data; - for standard input.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes/--dry-run", help="Do it, or show what it would do.")] = False,
    as_json: AsJson = False,
) -> None:
    """Act on many sagas, one after the other. Without --yes nothing is done: it shows what would be.

    With --json a line for each of the server's answers, which have at most 500 sagas each.
    """
    if action not in ACTIONS:
        raise typer.BadParameter(f"must be one of {', '.join(ACTIONS)}", param_hint="ACTION")
    needed = {"--signal": signal, "--signal-id": signal_id} if action == "signal" else {"--reason": reason}
    if missing := [option for option, value in needed.items() if value is None]:
        raise typer.BadParameter(f"{action} needs it", param_hint=missing[0])
    wanted = {
        "status": status,
        "name": name,
        "attributes": attributes_of(attribute or []),
        "parent": parent,
        "correlation_id": correlation_id,
        "ids": ids,
    }
    more = {
        "reason": reason,
        "force": force,
        "signal": signal,
        "id": signal_id,
        "data": None if data is None else read_input(data),
    }
    document = {
        "action": action,
        "filter": {field: value for field, value in wanted.items() if value},
        "dry_run": not yes,
        **{field: value for field, value in more.items() if value not in (None, False)},
    }
    # The server says which of what was typed it does not take: a status, an attribute.
    asyncio.run(_bulk(cast("models.BulkRequest", document), set(ids or ()), as_json))


async def _bulk(document: models.BulkRequest, left: set[str], as_json: bool) -> None:
    """Raises CliError; also when some of the sagas that were named are `left`, after all others."""
    async with connect() as client:
        while True:
            answer = await client.bulk(document)
            if as_json:
                print_json_line(answer)
            else:
                console.print(outcome_table(answer["outcomes"]) if answer["outcomes"] else "no sagas")
            if any(each["outcome"] == "unknown" for each in answer["outcomes"]):
                raise CliError("the database did not answer in time; what was done is listed, run it again")
            left -= {each["saga_id"] for each in answer["outcomes"]}
            if answer["next"] is None:
                break
            document["after"] = answer["next"]
    if document["dry_run"] and not as_json:
        console.print("nothing was done; do it with --yes", style="dim")
    if left:
        raise CliError(f"no such saga, or not one that the filter means: {', '.join(sorted(left))}")
