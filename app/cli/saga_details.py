"""What a saga waits for, belongs to, and has left: the lines between its head and its steps."""

from collections.abc import Iterator

from rich.text import Text

from app.client import models


def detail_lines(saga: models.SagaView) -> list[Text]:
    """One line each, none for what there is not."""
    return [Text(line, style="dim") for line in (*_relations(saga), *_waits(saga), *_undoing(saga))]


def moment(time: str | None) -> str:
    """An RFC 3339 time without what every line of a table would repeat."""
    return (time or "").replace("T", " ")[:19]


def attributes_text(attributes: dict[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(attributes.items()))


def _relations(saga: models.SagaView) -> Iterator[str]:
    if attributes := saga["attributes"]:
        yield f"attributes: {attributes_text(attributes)}"
    if (parent := saga["parent"]) is not None:
        yield f"parent: {parent['saga_id']} (its step {parent['step']})"
    for step in saga["steps"]:
        if step["saga_id"] is not None:
            yield f"child: {step['saga_id']} (step {step['step']})"


def _waits(saga: models.SagaView) -> Iterator[str]:
    named = []
    if (awaited := saga["waits_for"]) is not None:
        named += [f"the signal {name}" for name in awaited["signals"]]
        named += [f"the end of {child}" for child in awaited["children"]]
    until = saga["resumes_at"]
    if named:
        yield f"waits for {', '.join(named)}" + (f", until {moment(until)} UTC" if until else "")
    elif until:
        yield f"{'starts' if saga['status'] == 'queued' else 'goes on'} at {moment(until)} UTC"
    for step in saga["steps"]:
        undo = step["compensation"]
        if step["retry_at"] is not None:
            yield f"step {step['step']}: attempt {step['attempts'] + 1} at {moment(step['retry_at'])} UTC"
        if undo is not None and undo["retry_at"] is not None:
            attempt = f"attempt {undo['attempts'] + 1} at {moment(undo['retry_at'])} UTC"
            yield f"compensation of step {step['step']}: {attempt} ({undo['error']})"


def _undoing(saga: models.SagaView) -> Iterator[str]:
    if (requested := saga["requested"]) is not None:
        how_far = f" back to step {requested['to_step']}" if requested["to_step"] else ""
        by_force = ", by force" if requested["force"] else ""
        yield f"asked to be undone{how_far}{by_force} by {requested['actor']}: {requested['reason']}"
    if left := saga["left"]:
        yield "left as it is: " + ", ".join(_named(step) for step in left)


def _named(step: models.LeftView) -> str:
    """What was done before a saga began anew has no step any more."""
    return f"{step['name']} (step {step['step']})" if step["step"] else str(step["name"])
