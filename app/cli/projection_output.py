"""How followers of the log, the progress of a rebuild and differences look on a terminal."""

import json
from datetime import timedelta
from types import TracebackType
from typing import Final, Self

from rich import progress as bars
from rich.console import Group
from rich.table import Table
from rich.text import Text

from app.cli.output import console, table_of
from app.cli.saga_details import moment
from app.client import models

STATES: Final = {"following": "green", "paused": "yellow", "parked": "red", "needs rebuild": "yellow"}
SLOTS: Final[dict[models.Slot, str]] = {"live": "served", "staging": "rebuild", "previous": "previous"}


def follower_table(followers: list[models.FollowerView]) -> Table:
    """One line for each set of tables and each subscription."""
    table = table_of("name", "kind", "tables", "version", "state", "position", "behind", "seconds")
    for follower in followers:
        for slot, title in SLOTS.items():
            if (view := follower[slot]) is None:
                continue
            shown = title if follower["kind"] == "projection" else ""
            table.add_row(
                follower["name"] if slot == "live" else "",
                follower["kind"] if slot == "live" else "",
                shown,
                str(view["version"]) if shown else "",
                _state(follower, slot, view),
                f"{view['lag']['position']} of {view['lag']['of']}",
                str(view["lag"]["events"]),
                f"{view['lag']['seconds']:.1f}",
            )
    return table


def follower_lines(follower: models.FollowerView) -> Group:
    """The same of one, with what it is parked for."""
    lines = []
    if follower["needs_rebuild"]:
        versions = f"version {follower['live']['version']}, the code has {follower['code_version']}"
        lines.append(Text(f"its tables are of {versions}: they stand still until a rebuild is promoted"))
    for slot, title in SLOTS.items():
        view = follower[slot]
        if view is not None and (parked := view["parked"]) is not None:
            where = f"{title}: parked before {parked['type']} at position {parked['position']}"
            since = f"since {moment(parked['since'])}, {parked['attempts']} attempts"
            lines.append(Text(f"{where} ({parked['stream']}, event {parked['event_id']}), {since}", "red"))
            lines.append(Text(f"  {parked['reason']}", "red"))
    return Group(follower_table([follower]), *lines)


def difference_lines(difference: models.Difference) -> Group:
    """Counts of each table, and some of the rows that differ."""
    where = difference["position"]
    positions = f"{difference['position_live']} and {difference['position_other']}"
    head = f"at position {where}" if where is not None else f"at positions {positions}: not the same"
    kind = "all rows" if difference["full"] else "a sample of rows"
    other = difference["other"]
    table = table_of("table", "rows served", f"rows {other}", "only served", f"only {other}", "differ")
    lines = []
    for each in difference["tables"]:
        counts = (each[name] for name in ("only_live_count", "only_other_count", "differing_count"))
        table.add_row(each["table"], str(each["rows_live"]), str(each["rows_other"]), *map(str, counts))
        lines.extend(_rows(each))
    verdict = Text("no difference", "green") if difference["same"] else Text("they differ", "red")
    return Group(Text(f"{difference['name']}, {head}, {kind}"), table, *lines, verdict)


def _rows(table: models.TableDifference) -> list[Text]:
    name = table["table"]
    lines = [Text(f"{name} {_json(key)}: only served") for key in table["only_live"]]
    lines += [Text(f"{name} {_json(key)}: only in the other") for key in table["only_other"]]
    for row in table["differing"]:
        changes = (f"{column} {_json(old)} -> {_json(new)}" for column, (old, new) in row["columns"].items())
        lines.append(Text(f"{name} {_json(row['key'])}: {', '.join(changes)}"))
    for where, columns in (
        ("served", table["columns_only_live"]),
        ("in the other", table["columns_only_other"]),
    ):
        if columns:
            lines.append(Text(f"{name}: columns only {where}: {', '.join(columns)}"))
    return lines


class Progress:
    """A bar that moves while a rebuild takes in the log."""

    def __init__(self, *, enabled: bool) -> None:
        self._bars = bars.Progress(
            bars.TextColumn("{task.description}"),
            bars.BarColumn(),
            bars.TextColumn("{task.completed:.0f} of {task.total:.0f}"),
            bars.TextColumn("{task.fields[speed]}"),
            console=console,
            transient=True,
            disable=not enabled,
        )
        self._task = self._bars.add_task("rebuild", total=1, speed="")

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._bars.stop()

    def show(self, follower: models.FollowerView) -> None:
        """Where the rebuild is now."""
        if (staging := follower["staging"]) is None:
            return
        rate, eta = staging["events_per_second"], staging["eta_seconds"]
        speed = f"{rate:.0f} events/s" if rate else staging["state"]
        left = f", {timedelta(seconds=round(eta))} left" if eta is not None else ""
        lag = staging["lag"]
        self._bars.update(self._task, completed=lag["position"], total=max(lag["of"], 1), speed=speed + left)


def _state(follower: models.FollowerView, slot: models.Slot, view: models.SlotView) -> Text:
    state: str = "needs rebuild" if slot == "live" and follower["needs_rebuild"] else view["state"]
    if state == "following" and not view["followed"]:
        state = "standing"  # of a version, or a name, that this server's code does not have
    return Text(state, STATES.get(state, "dim"))


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
