"""saga executors: the processes that run sagas."""

from typing import Final

from rich.table import Table
from rich.text import Text

from app.cli.client import ask
from app.cli.output import console, print_json, table_of
from app.cli.saga_details import moment
from app.cli.sagas import AsJson
from app.client import models

STATES: Final = {"alive": "green", "silent": "yellow", "buried": "dim"}


def executors(as_json: AsJson = False) -> None:
    """List the servers and workers on the database: those that live, and those that were buried lately."""
    answer = ask(lambda client: client.executors())
    if as_json:
        print_json(answer)
    else:
        console.print(_table(answer["executors"]))


def _table(listed: list[models.ListedExecutor]) -> Table:
    table = table_of("executor", "kind", "host", "pid", "since", "last ping", "state", "runs", "slots")
    for each in listed:
        table.add_row(
            each["id"],
            each["kind"],
            each["host"] or "",
            str(each["pid"]),
            moment(each["since"]),
            moment(each["last_ping"]),
            Text(each["state"], STATES.get(each["state"], "")),
            str(each["runs_in_flight"]),
            str(each["slots"] or ""),
        )
    return table
