"""What the commands print of the past."""

import json
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from app.cli.output import saga_lines, state_lines, table_of
from app.cli.saga_details import moment
from app.client import models


def history_lines(page: models.ChangePage) -> Group:
    """What happened to an aggregate: each event with what it changed, and who caused it."""
    table = table_of("version", "position", "recorded", "type", "changed", "by")
    for change in page["changes"]:
        table.add_row(
            str(change["version"]),
            str(change["position"]),
            moment(change["recorded_at"]),
            change["type"],
            Text("\n".join(map(_difference, change["changes"]))),
            Text(_cause(change)),
        )
    more = (
        [Text(f"more with --history --version {page['next']}", style="dim")]
        if page["next"] is not None
        else []
    )
    return Group(Text(page["stream"], style="bold"), table, *more)


def saga_then_lines(then: models.SagaThenView) -> Group:
    """A saga and the aggregates it had touched at one position, and where to look next."""
    head = Text(f"as of position {then['position']}; its last change before was at {then['changed_at']}")
    states = [_state(each) for each in then["aggregates"]]
    left_out = [] if then["all_touched"] else [Text("it had touched more aggregates than these")]
    children = [
        Text(
            f"child at this position: saga show {child['saga_id']} --position {then['position']}", style="dim"
        )
        for child in then["children"]
    ]
    stops = [
        f"{name}: --position {position}"
        for name, position in then["positions"].items()
        if position not in (None, then["position"])
    ]
    around = [Text("; ".join(stops), style="dim")] if stops else []
    return Group(head, saga_lines(then["saga"]), *states, *left_out, *children, *around)


def _state(aggregate: models.TouchedView) -> Group | Text | Table:
    version, state, recorded_at = aggregate["version"], aggregate["state"], aggregate["recorded_at"]
    if state is None or version is None or recorded_at is None:
        return Text(f"{aggregate['stream']}  nothing had happened to it")
    return state_lines(aggregate["stream"], version, recorded_at, state)


def _difference(difference: models.FieldChange) -> str:
    """One line: what it was and what it is."""
    sides = {"old": difference.get("old"), "new": difference.get("new")}
    shown = {"add": ["new"], "remove": ["old"], "replace": ["old", "new"]}[difference["op"]]
    values = " -> ".join(_short(sides[side]) for side in shown)
    sign = {"add": "+", "remove": "-", "replace": ""}[difference["op"]]
    return f"{sign}{difference['path'] or '/'} {values}"


def _short(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _cause(change: models.ChangeView) -> str:
    if change["saga_id"] is not None:
        return f"{change['saga_id']} step {change['step']}"
    return change["actor"] or ""
