"""What the commands print: tables for people, JSON for programs."""

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from app.cli.saga_details import attributes_text, detail_lines, moment
from app.client import models

STATUS_STYLES: Final = {
    "completed": "green",
    "succeeded": "green",
    "compensated": "yellow",
    "compensating": "yellow",
    "rejected": "red",
    "failed": "red",
    "stuck": "bold red",
    "in-doubt": "bold red",
    "running": "cyan",
    "started": "cyan",
    "waiting": "blue",
    "placed": "cyan",
    "dispatched": "blue",
    "returned": "yellow",
    "cancelled": "yellow",
}
ENDED: Final = frozenset({"completed", "compensated", "abandoned"})
PIPE_COLUMNS: Final = 200
"""The width where no terminal says it has one, and no COLUMNS: a line of a table is one line of a pipe."""

console = Console(
    highlight=False,
    width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else PIPE_COLUMNS,
)


def print_json(document: Any) -> None:
    """Plain, so that it can be piped: no colours, no line breaks of the terminal's making."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def print_json_line(document: Any) -> None:
    sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def status_text(status: str) -> Text:
    return Text(status, style=STATUS_STYLES.get(status, ""))


def saga_lines(saga: models.SagaView) -> Group:
    """One saga: head, what it waits for and belongs to, outcome, steps."""
    head = Text.assemble((saga["saga_id"], "bold"), "  ", saga["name"], "  ", status_text(saga["status"]))
    steps = [_steps(saga["steps"])] if saga["steps"] else []
    return Group(head, *detail_lines(saga), *_outcome(saga), *steps)


def preview_lines(preview: models.PreviewView) -> Group:
    """What undoing a saga would do, in the order in which it would."""
    head = f"{preview['note']} (journal version {preview['journal_version']})"
    blocked = [Text(f"blocked: {reason}", style="red") for reason in preview["blocked_by"]]
    table = table_of("step", "of", "would run", "data", "changed since")
    for step, planned in _planned(preview):
        data = Text(json.dumps(planned["data"], ensure_ascii=False))
        changed = planned["problem"] or _changed(planned["aggregate"])
        table.add_row(step, planned["step_name"], planned["name"], data, changed)
    commands = [table] if preview["commands"] else [Text("there is nothing to undo")]
    stays = [
        Text(f"has no compensation: {step['name']} (step {step['step']})")
        for step in preview["without_compensation"]
    ]
    return Group(Text(head, style="dim"), *blocked, *commands, *stays)


def _planned(preview: models.PreviewView, within: str = "") -> Iterator[tuple[str, models.PlannedView]]:
    """All that would run and where, what a child would undo below the request to it."""
    for planned in preview["commands"]:
        step = within + planned["step"]
        yield step, planned
        if planned["saga"] is not None:
            yield from _planned(planned["saga"], f"{step} > ")


def _changed(aggregate: models.ChangedView | None) -> str:
    if aggregate is None or not aggregate["changed"]:
        return ""
    versions = f"{aggregate['version_then'] or '?'} to {aggregate['version_now']}"
    return f"{aggregate['stream']} {versions}: {', '.join(aggregate['events_since'][-3:])}"


def outcome_table(outcomes: list[models.BulkOutcome]) -> Table:
    """What became of each saga that was acted on, or would."""
    table = table_of("saga", "name", "status", "outcome", "")
    for each in outcomes:
        table.add_row(
            each["saga_id"],
            each["name"],
            status_text(each["status"]),
            each["outcome"],
            each["detail"] or each["code"] or "",
        )
    return table


def saga_line(saga: models.SagaView) -> str:
    """One saga in one line, for logs and pipes."""
    steps = saga["steps"]
    latest = f"  {steps[-1]['step']} {steps[-1]['name']} {steps[-1]['status']}" if steps else ""
    return f"{saga['updated_at']}  {saga['saga_id']}  {saga['status']}{latest}"


def saga_table(sagas: Sequence[models.SagaRow | models.StartedSaga]) -> Table:
    table = table_of("saga", "name", "status", "requested", "ended", "attributes")
    for saga in sagas:
        table.add_row(
            saga["saga_id"],
            saga["name"],
            _status_and_reason(saga),
            moment(saga["requested_at"]),
            moment(saga["ended_at"]),
            attributes_text(saga["attributes"]),
        )
    return table


def _status_and_reason(saga: models.SagaRow | models.StartedSaga) -> Text:
    status = status_text(saga["status"])
    return status.append(f": {saga['stuck']['reason']}") if saga["stuck"] else status


def event_table(events: list[models.EventView]) -> Table:
    table = table_of("position", "recorded", "stream", "version", "type", "data")
    for event in events:
        table.add_row(
            str(event["position"]),
            moment(event["recorded_at"]),
            event["stream"],
            str(event["version"]),
            event["type"],
            Text(json.dumps(event["data"], ensure_ascii=False), overflow="ellipsis", no_wrap=True),
        )
    return table


def why_table(links: list[models.LinkView]) -> Table:
    """The links from an event back to the request that all began with."""
    table = table_of("recorded", "what", "where", "who", "command")
    for link in links:
        event = link["event"]
        table.add_row(
            moment(event["recorded_at"]) if event else "",
            Text(("" if link is links[0] else "because ") + link["says"]),
            f"{event['stream']}@{event['version']}" if event else "",
            link["actor"] or "",
            link["command_id"] or "",
        )
    return table


def aggregate_lines(aggregate: models.AggregateView) -> Group:
    version, recorded_at = aggregate["version"], aggregate["recorded_at"]
    return state_lines(aggregate["stream"], version, recorded_at, aggregate["state"])


def state_lines(stream: str, version: int, recorded_at: str, state: Mapping[str, Any]) -> Group:
    """The state of an aggregate, field by field."""
    table = table_of("field", "value")
    for name, value in state.items():
        table.add_row(name, Text(json.dumps(value, ensure_ascii=False)))
    head = f"  version {version}  {moment(recorded_at)}"
    return Group(Text.assemble((stream, "bold"), head), table)


def _steps(steps: list[models.StepView]) -> Table:
    table = table_of("step", "name", "status", "stream", "attempts", "compensation")
    for step in steps:
        undo = step["compensation"]
        table.add_row(
            step["step"],
            step["name"],
            status_text(step["status"]),
            step["stream"] or "",
            str(step["attempts"]),
            f"{undo['name']} {undo['status']}" if undo else "",
        )
    return table


def _outcome(saga: models.SagaView) -> list[Text]:
    lines = []
    if (error := saga["error"]) is not None:
        at = f" at step {error['step']}" if error.get("step") else ""
        lines.append(Text(f"{error['code']}{at}: {error['detail']}", style="red"))
    if (stuck := saga["stuck"]) is not None:
        at = f" at step {stuck['step']}" if stuck["step"] else ""
        lines.append(Text(f"stuck, {stuck['reason']}{at}: {stuck['error']}", style="red"))
    if saga["result"] is not None:
        lines.append(Text(f"result: {json.dumps(saga['result'], ensure_ascii=False)}"))
    return lines


def table_of(*columns: str) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
