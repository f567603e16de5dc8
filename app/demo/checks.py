"""What must be true of sagas whatever happened to the servers that ran them.

Each check looks at the evidence only, and says what it counted or what is wrong.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field

from app.demo.client import Json
from app.demo.evidence import Evidence
from app.demo.journals import Journal


@dataclass(frozen=True)
class Check:
    """One thing that must be true. `figure` is what was counted, `faults` are what contradicts it."""

    name: str
    figure: str
    faults: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.faults


SagaCheck = Callable[[Evidence, Collection[str]], Check]


def check_sagas(evidence: Evidence, saga_ids: Collection[str]) -> list[Check]:
    """All checks of this module, of the sagas that are named."""
    checks: tuple[SagaCheck, ...] = (
        every_saga_ended,
        refused_sagas_were_undone_in_reverse,
        no_step_happened_twice,
        no_command_happened_twice,
        steps_and_events_agree,
    )
    return [check(evidence, saga_ids) for check in checks]


def every_saga_ended(evidence: Evidence, saga_ids: Collection[str]) -> Check:
    """Each saga that was accepted is in the log, and has come to its end."""
    statuses = {saga_id: _status(evidence, saga_id) for saga_id in saga_ids}
    counts = Counter(statuses.values())
    figure = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    faults = [f"{saga_id} is {status}" for saga_id, status in statuses.items() if status not in ENDED]
    return Check("every saga ended", figure, faults)


ENDED = ("completed", "compensated")


def _status(evidence: Evidence, saga_id: str) -> str:
    journal = evidence.journals.get(saga_id)
    return journal.status if journal else "missing"


def refused_sagas_were_undone_in_reverse(evidence: Evidence, saga_ids: Collection[str]) -> Check:
    """A saga that was refused undid every step that had acted, last one first; the others undid none."""
    faults, undone, refused = [], 0, 0
    for journal in _journals(evidence, saga_ids):
        expected = journal.to_undo if journal.status == "compensated" else []
        refused += journal.status == "compensated"
        undone += len(journal.undone)
        if journal.undone != expected:
            faults.append(f"{journal.saga_id} undid {journal.undone}, not {expected}")
    return Check("refused sagas were undone, in reverse", f"{refused} sagas, {undone} compensations", faults)


def no_step_happened_twice(evidence: Evidence, saga_ids: Collection[str]) -> Check:
    """Each step has one outcome, each compensation one, each saga one end, and nothing follows the end."""
    faults, steps = [], 0
    for journal in _journals(evidence, saga_ids):
        steps += len(journal.steps)
        faults += [
            f"{journal.saga_id} step {step.number} ended as {step.outcomes}"
            for step in journal.steps.values()
            if len(step.outcomes) != 1
        ]
        faults += [f"{journal.saga_id} undid step {number} twice" for number in _repeated(journal.undone)]
        ends = [place for place, kind in enumerate(journal.types, 1) if kind in END_ENTRIES]
        if journal.ended and ends != [len(journal.types)]:
            faults.append(f"{journal.saga_id} ended at {ends} of {len(journal.types)} entries")
    return Check("no step happened twice", f"{steps} steps", faults)


END_ENTRIES = ("SagaCompleted", "SagaCompensated")


def no_command_happened_twice(evidence: Evidence, _: Collection[str]) -> Check:
    """No two events of one kind come from one command: here each command causes one of a kind at most."""
    caused = [
        f"{command} ({event['type']})" for event in evidence.domain_events if (command := _command_of(event))
    ]
    faults = [f"command {one} is in the log more than once" for one in _repeated(caused)]
    return Check("no command happened twice", f"{len(caused)} events", faults)


def steps_and_events_agree(evidence: Evidence, saga_ids: Collection[str]) -> Check:
    """The events that the journals speak of are there, each under its step's command id, and no others."""
    written = {
        (event["stream"], event["version"]): _command_of(event)
        for event in evidence.domain_events
        if event["metadata"].get("saga_id") in saga_ids
    }
    said = dict(place for journal in _journals(evidence, saga_ids) for place in _places(journal))
    faults = [
        f"{stream} version {version} is by {written.get(place)}, not by {said.get(place)}"
        for place in sorted(written.keys() | said.keys())
        for stream, version in [place]
        if written.get(place) != said.get(place)
    ]
    return Check("the journals and the aggregates agree", f"{len(written)} events", faults)


def _places(journal: Journal) -> Iterator[tuple[tuple[str, int], str]]:
    for step in journal.steps.values():
        command = f"{journal.saga_id}/{step.number}"
        yield from ((place, command) for place in step.written)
        yield from ((place, f"{command}/undo") for place in step.undo_written)


def _journals(evidence: Evidence, saga_ids: Collection[str]) -> list[Journal]:
    """Those that are there; `every_saga_ended` reports the others."""
    return [evidence.journals[saga_id] for saga_id in saga_ids if saga_id in evidence.journals]


def _command_of(event: Json) -> str | None:
    command: str | None = event["metadata"].get("command_id")
    return command


def _repeated(items: Iterable[str]) -> list[str]:
    return [item for item, count in Counter(items).items() if count > 1]
