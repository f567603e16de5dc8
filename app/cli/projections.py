"""saga projections list, show, retry, skip, rebuild, pause, resume, diff, promote, return, discard."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Final

import typer

from app.cli.client import ask
from app.cli.errors import CliError
from app.cli.output import console, print_json, print_json_line
from app.cli.projection_output import Progress, difference_lines, follower_lines, follower_table
from app.cli.sagas import AsJson
from app.client import SagaClient, models
from app.client.saga_client import FollowerAction

LOOK_SECONDS: Final = 0.5

projections = typer.Typer(
    help="Read models and subscriptions: where they stand, parked ones, rebuilds.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)

FollowerName = Annotated[str, typer.Argument(help="As in `saga projections list`.", show_default=False)]
Why = Annotated[str, typer.Option("--reason", help="Kept in the log, with your name.", show_default=False)]
Of = Annotated[str, typer.Option("--of", help="live, staging or previous.")]
Wait = Annotated[bool, typer.Option("--wait", help="Follow a rebuild until it has caught up with the log.")]
WaitSeconds = Annotated[
    float, typer.Option("--wait-seconds", min=0, max=60, help="How long it may take to catch up.")
]


@projections.command("list")
def list_(as_json: AsJson = False) -> None:
    """Where all followers of the log stand."""
    answer = ask(lambda client: client.projections())
    if as_json:
        print_json(answer)
    else:
        console.print(follower_table(answer["projections"]))


@projections.command()
def show(name: FollowerName, wait: Wait = False, as_json: AsJson = False) -> None:
    """Show one: what is served, a rebuild and its progress, the previous one."""

    async def run(client: SagaClient) -> None:
        view = await client.projection(name)
        if wait and view["staging"] is not None:
            await _follow(client, view, as_json)
        else:
            _print(view, as_json)

    ask(run)


@projections.command()
def retry(name: FollowerName, reason: Why, of: Of = "live", as_json: AsJson = False) -> None:
    """Let a parked one try the event again."""
    _decide(name, "retry", {"reason": reason, "of": of}, as_json)


@projections.command()
def skip(
    name: FollowerName,
    reason: Why,
    of: Of = "live",
    position: Annotated[int | None, typer.Option(help="Only if it is parked before this one.")] = None,
    as_json: AsJson = False,
) -> None:
    """Let a parked one go on behind the event, which is lost to it."""
    given = {} if position is None else {"position": position}
    _decide(name, "skip", {"reason": reason, "of": of, **given}, as_json)


@projections.command()
def rebuild(name: FollowerName, reason: Why, wait: Wait = False, as_json: AsJson = False) -> None:
    """Fill new tables from the log, beside those that are served.

    Ctrl-C ends only the look at it; the servers go on.
    """
    _decide_and_follow(name, "rebuild", reason, wait, as_json)


@projections.command()
def pause(name: FollowerName, reason: Why, as_json: AsJson = False) -> None:
    """Let a rebuild stand still."""
    _decide(name, "pause", {"reason": reason}, as_json)


@projections.command()
def resume(name: FollowerName, reason: Why, wait: Wait = False, as_json: AsJson = False) -> None:
    """Let a rebuild go on."""
    _decide_and_follow(name, "resume", reason, wait, as_json)


@projections.command()
def diff(
    name: FollowerName,
    with_: Annotated[
        str | None, typer.Option("--with", help="staging or previous; else the rebuild if there is one.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Compare all rows, not a sample.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compare what is served with a rebuild, at one position of the log. Exits with 1 when they differ."""
    answer = ask(lambda client: client.difference(name, with_, full))
    if as_json:
        print_json(answer)
    else:
        console.print(difference_lines(answer))
    if not answer["same"]:
        raise typer.Exit(1)


@projections.command()
def promote(
    name: FollowerName, reason: Why, wait_seconds: WaitSeconds = 10.0, as_json: AsJson = False
) -> None:
    """Serve a rebuild; what was served stays as the previous one."""
    _decide(name, "promote", {"reason": reason, "wait_seconds": wait_seconds}, as_json, wait_seconds)


@projections.command("return")
def return_(
    name: FollowerName,
    reason: Why,
    stale: Annotated[
        bool, typer.Option("--stale", help="Also when this code cannot bring it up to date.")
    ] = False,
    wait_seconds: WaitSeconds = 10.0,
    as_json: AsJson = False,
) -> None:
    """Serve the previous one again; a second return takes it back."""
    document = {"reason": reason, "stale": stale, "wait_seconds": wait_seconds}
    _decide(name, "return", document, as_json, wait_seconds)


@projections.command()
def discard(name: FollowerName, reason: Why, of: Of = "staging", as_json: AsJson = False) -> None:
    """Drop a rebuild, or with --of previous what was served before."""
    _decide(name, "discard", {"reason": reason, "of": of}, as_json)


def _decide(
    name: str,
    action: FollowerAction,
    document: Mapping[str, object],
    as_json: bool,
    wait_seconds: float = 0.0,
) -> None:
    _print(ask(lambda client: client.decide(name, action, document, wait_seconds)), as_json)


def _decide_and_follow(name: str, action: FollowerAction, reason: str, wait: bool, as_json: bool) -> None:
    async def run(client: SagaClient) -> None:
        view = await client.decide(name, action, {"reason": reason})
        if wait:
            await _follow(client, view, as_json)
        else:
            _print(view, as_json)

    ask(run)


def _print(view: models.FollowerView, as_json: bool) -> None:
    if as_json:
        print_json(view)
    else:
        console.print(follower_lines(view))


async def _follow(client: SagaClient, view: models.FollowerView, as_json: bool) -> None:
    """Show the progress of a rebuild until it has caught up. Raises CliError when it will not."""
    last = view
    with Progress(enabled=console.is_terminal and not as_json) as progress:
        async for last in _looks(client, view):
            progress.show(last)
            if as_json:
                print_json_line(last)
    name, staging = last["name"], last["staging"]
    if staging is None:
        raise CliError(f"the rebuild of {name} is gone: promoted or discarded by somebody else")
    if staging["state"] != "following":
        why = staging["parked"]["reason"] if staging["parked"] else "resume it to go on"
        raise CliError(f"the rebuild of {name} is {staging['state']}: {why}")
    if not as_json:
        console.print(follower_lines(last))


async def _looks(client: SagaClient, view: models.FollowerView) -> AsyncIterator[models.FollowerView]:
    while True:
        yield view
        staging = view["staging"]
        if staging is None or staging["state"] != "following" or staging["lag"]["events"] == 0:
            return
        await asyncio.sleep(LOOK_SECONDS)
        view = await client.projection(view["name"])
