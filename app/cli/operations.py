"""saga signal, compensate, retry, resume, skip, abandon."""

from collections.abc import Awaitable, Callable
from typing import Annotated

import typer

from app.cli.client import ask
from app.cli.inputs import read_input
from app.cli.output import console, preview_lines, print_json, saga_lines
from app.cli.sagas import AsJson, SagaId
from app.client import SagaClient, models
from app.client.saga_client import SagaAction

Reason = Annotated[str, typer.Option("--reason", help="Kept in the saga's journal.", show_default=False)]
IfVersion = Annotated[
    int | None,
    typer.Option("--if-version", help="Only if its journal is still at this version.", show_default=False),
]


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
    document: models.SignalRequest = {"data": read_input(data)}
    if signal_id is not None:
        document["id"] = signal_id
    _print_answer(lambda client: client.signal(saga_id, name, document), as_json)


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
    document: models.CompensateRequest = {"force": force}
    if reason is not None:
        document["reason"] = reason
    if to_step is not None:
        document["to_step"] = to_step
    if preview:
        _preview(saga_id, document, as_json)
    else:
        _print_answer(lambda client: client.compensate(saga_id, document, if_version), as_json)


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
    document: models.SkipRequest = {"reason": reason}
    if step is not None:
        document["step"] = step
    _operate(saga_id, "skip", document, if_version, as_json)


def abandon(saga_id: SagaId, reason: Reason, if_version: IfVersion = None, as_json: AsJson = False) -> None:
    """End a saga as it is: nothing more is done, nothing is undone."""
    _operate(saga_id, "abandon", {"reason": reason}, if_version, as_json)


def _operate(
    saga_id: str, action: SagaAction, document: models.SkipRequest, if_version: int | None, as_json: bool
) -> None:
    _print_answer(lambda client: client.operate(saga_id, action, document, if_version), as_json)


def _print_answer(request: Callable[[SagaClient], Awaitable[models.SagaView]], as_json: bool) -> None:
    answer = ask(request)
    if as_json:
        print_json(answer)
    else:
        console.print(saga_lines(answer))


def _preview(saga_id: str, document: models.CompensateRequest, as_json: bool) -> None:
    answer = ask(lambda client: client.preview(saga_id, document))
    if as_json:
        print_json(answer)
    else:
        console.print(preview_lines(answer))
