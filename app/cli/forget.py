"""saga forget: the end of what is known of a person."""

import sys
from typing import Annotated

import typer

from app.cli.client import ask
from app.cli.errors import CliError
from app.cli.output import console, print_json
from app.cli.sagas import AsJson


def forget(
    subject: Annotated[str, typer.Argument(help="The id of the person, such as VINET.", show_default=False)],
    reason: Annotated[
        str, typer.Option("--reason", help="Kept in the log, with your name.", show_default=False)
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether it is meant.")] = False,
    as_json: AsJson = False,
) -> None:
    """Destroy the key of a person: personal data of that person reads "forgotten" everywhere. For ever."""
    if not yes:
        _confirm(subject)
    answer = ask(lambda client: client.forget(subject, reason))
    if as_json:
        print_json(answer)
    elif answer["destroyed"]:
        console.print(f"the key of {subject} is destroyed; event {answer['event_id']} tells of it")
    else:
        console.print(f"there is no key of {subject}: nothing is left to forget")


def _confirm(subject: str) -> None:
    if not sys.stdin.isatty():
        raise CliError("forgetting cannot be undone: say --yes if it is meant")
    typer.confirm(f"Forget {subject}? It cannot be undone.", abort=True, err=True)
