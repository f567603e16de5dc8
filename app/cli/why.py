"""saga why: from what is there back to who asked for it."""

import re
from typing import Annotated, Final

import typer

from app.cli.client import ask
from app.cli.errors import CliError
from app.cli.events import AsJson
from app.cli.output import console, print_json, why_table

_EVENT: Final = re.compile(r"\d{1,13}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_PLACE: Final = re.compile(r"(.+)@(\d{1,10})", re.ASCII)


def why(
    what: Annotated[
        str,
        typer.Argument(
            help="An event: its id, position, or STREAM@VERSION. Or a kind of row: order, account, saga.",
            show_default=False,
        ),
    ],
    key: Annotated[
        str | None, typer.Argument(help="The key of the row, such as 10248.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Walk back from an event or a row: its command, saga and step, parent sagas, and who asked in the end.

    A row is what its last event made it: `saga why order 10248`, `saga why saga fulfil-order-10248`.
    """
    path, version = _path(what, key)
    answer = ask(lambda client: client.why(path, version))
    if as_json:
        print_json(answer)
    else:
        console.print(why_table(answer["links"]))


def _path(what: str, key: str | None) -> tuple[str, int | None]:
    """Where the server answers that. Raises CliError."""
    if key is not None:
        stream = f"{what}-{key}"
    elif _EVENT.fullmatch(what):
        return f"events/{what}", None
    else:
        stream = what
    place = _PLACE.fullmatch(stream)
    if place is None and "-" not in stream:
        raise CliError(f"{what!r} is no event and no stream; of which {what}? give its key as well")
    return (f"streams/{stream}", None) if place is None else (f"streams/{place[1]}", int(place[2]))
