"""saga signal, compensate, retry, resume, skip, abandon, bulk."""

import asyncio
from typing import Annotated, Final

import typer

from app.cli.client import Json, SagaClient
from app.cli.errors import CliError
from app.cli.inputs import attributes_of, read_input
from app.cli.output import console, outcome_table, preview_lines, print_json, print_json_line, saga_lines
from app.cli.sagas import AsJson, SagaId

Reason = Annotated[str, typer.Option("--reason", help="Kept in the saga's journal.", show_default=False)]
IfVersion = Annotated[
    int | None,
    typer.Option("--if-version", help="Only if its journal is still at this version.", show_default=False),
]
ACTIONS: Final = ("compensate", "retry", "resume", "skip", "abandon")


def signal(
    saga_id: SagaId,
    name: Annotated[str, typer.Argument(help="The name of the signal.", show_default=False)],
    data: Annotated[
        str, typer.Argument(metavar="[JSON|@FILE|-]", help="Its data; - for standard input.")
    ] = "{}",
    signal_id: Annotated[
        str | None, typer.Option("--id", help="Sent again under this id it counts once.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Send a signal to a saga. One that comes early is kept until the saga waits for it."""
    document = {"data": read_input(data)} | ({"id": signal_id} if signal_id is not None else {})
    _operate(saga_id, f"signals/{name}", document, None, as_json)


def compensate(
    saga_id: SagaId,
    reason: Annotated[
        str | None, typer.Option("--reason", help="Kept in the saga's journal.", show_default=False)
    ] = None,
    to_step: Annotated[
        str | None, typer.Option("--to-step", help="Undo only the steps after this one.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Also when something blocks it.")] = False,
    preview: Annotated[
        bool, typer.Option("--preview", help="Do nothing; show the commands that would run.")
    ] = False,
    if_version: IfVersion = None,
    as_json: AsJson = False,
) -> None:
    """Stop a saga and undo what it did, in reverse. A completed one is undone as well, if it can be."""
    if reason is None and not preview:
        raise typer.BadParameter("say why, or ask for a --preview", param_hint="--reason")
    document: Json = {"force": force, "preview": preview}
    document |= {"reason": reason} if reason is not None else {}
    document |= {"to_step": to_step} if to_step is not None else {}
    _operate(saga_id, "compensate", document, if_version, as_json)


def retry(saga_id: SagaId, reason: Reason, if_version: IfVersion = None, as_json: AsJson = False) -> None:
    """Try now what waits for its next attempt, and anew what made the saga stuck."""
    _operate(saga_id, "retry", {"reason": reason}, if_version, as_json)


def resume(saga_id: SagaId, reason: Reason, if_version: IfVersion = None, as_json: AsJson = False) -> None:
    """Let a stuck saga go on from where it stopped."""
    _operate(saga_id, "resume", {"reason": reason}, if_version, as_json)


def skip(
    saga_id: SagaId,
    reason: Reason,
    step: Annotated[
        str | None, typer.Option("--step", help="The compensation of this step; else the first that failed.")
    ] = None,
    if_version: IfVersion = None,
    as_json: AsJson = False,
) -> None:
    """Leave out a compensation that failed; the rest is undone."""
    document = {"reason": reason} | ({"step": step} if step is not None else {})
    _operate(saga_id, "skip", document, if_version, as_json)


def abandon(saga_id: SagaId, reason: Reason, if_version: IfVersion = None, as_json: AsJson = False) -> None:
    """End a saga as it is: nothing more is done, nothing is undone."""
    _operate(saga_id, "abandon", {"reason": reason}, if_version, as_json)


def bulk(
    action: Annotated[str, typer.Argument(help=", ".join(ACTIONS), show_default=False)],
    reason: Reason,
    status: Annotated[str | None, typer.Option(help="Those that are stuck, waiting, completed …")] = None,
    name: Annotated[str | None, typer.Option(help="Those of this kind.")] = None,
    attribute: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Those that have it; again for more.")
    ] = None,
    ids: Annotated[list[str] | None, typer.Option("--id", help="This one; again for more.")] = None,
    yes: Annotated[bool, typer.Option("--yes/--dry-run", help="Do it, or show what it would do.")] = False,
    as_json: AsJson = False,
) -> None:
    """Act on many sagas, one after the other. Without --yes nothing is done: it shows what would be.

    With --json a line for each of the server's answers, which have at most 500 sagas each.
    """
    if action not in ACTIONS:
        raise typer.BadParameter(f"must be one of {', '.join(ACTIONS)}", param_hint="ACTION")
    wanted = {"status": status, "name": name, "attributes": attributes_of(attribute or []), "ids": ids}
    document = {
        "action": action,
        "filter": {field: value for field, value in wanted.items() if value},
        "reason": reason,
        "dry_run": not yes,
    }
    asyncio.run(_bulk(document, as_json))


async def _bulk(document: Json, as_json: bool) -> None:
    async with SagaClient.connect() as client:
        while True:
            answer = await client.bulk(document)
            if as_json:
                print_json_line(answer)
            else:
                console.print(outcome_table(answer["outcomes"]) if answer["outcomes"] else "no sagas")
            if any(each["outcome"] == "unknown" for each in answer["outcomes"]):
                raise CliError("the database did not answer in time; what was done is listed, run it again")
            if answer["next"] is None:
                break
            document["after"] = answer["next"]
    if document["dry_run"] and not as_json:
        console.print("nothing was done; do it with --yes", style="dim")


def _operate(saga_id: str, path: str, document: Json, if_version: int | None, as_json: bool) -> None:
    async def run() -> Json:
        async with SagaClient.connect() as client:
            return await client.operate(saga_id, path, document, if_version)

    answer = asyncio.run(run())
    if as_json:
        print_json(answer)
    else:
        console.print(preview_lines(answer) if answer.get("preview") else saga_lines(answer))
