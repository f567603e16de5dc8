"""What must hold: after every append, and when nothing more can happen by itself."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from eventstore import RecordedEvent
from tests.simulation.ledger import Effect, Ledger
from tests.simulation.remote import Remote
from tests.simulation.rows import Rows
from workflows.saga import journal
from workflows.saga.codec import EventCodec
from workflows.saga.runs import run_id
from workflows.saga.state import SagaState, fold
from workflows.saga.view import view

ENTRIES_MAX = 1_500


class Witness:
    """Sees every commit, and knows at any time what every journal says and what really happened."""

    def __init__(self, rows: Rows, remote: Remote, codec: EventCodec) -> None:
        self._rows = rows
        self._codec = codec
        self._remote = remote
        self.states: dict[str, SagaState] = {}
        self.ledgers: dict[str, Ledger] = {}
        self.done: dict[str, int] = {}
        self.undone: dict[str, int] = {}
        self.signals: dict[tuple[str, str], str] = {}
        self.tallies: dict[str, Counter[str]] = defaultdict(Counter)

    def commit(self, events: list[RecordedEvent]) -> Iterator[str]:
        """Take in the events of one commit; gives the rules that it breaks."""
        yield from self.take(events)
        for saga_id in dict.fromkeys(saga_of(event) for event in events):
            if saga_id is not None:
                yield from self._covered(self.states[saga_id])

    def take(self, events: list[RecordedEvent]) -> Iterator[str]:
        """The same when nothing is known of the rows that there were then."""
        for event in events:
            yield from self._domain_event(event) if saga_of(event) is None else self._entry(event)

    def _entry(self, event: RecordedEvent) -> Iterator[str]:
        saga_id = event.stream.removeprefix("saga-")
        try:
            state = fold(self._codec, [event], self.states.get(saga_id))
            if state is not None:
                self.states[saga_id] = state
                if event.version % 7 == 0:
                    view(state)
        except Exception as error:
            yield f"{saga_id}: the fold fails at {event.type}: {error!r}"
        ledger = self.ledgers.setdefault(saga_id, Ledger(saga_id))
        ledger.take(event)
        yield from (f"{saga_id}: {violation}" for violation in ledger.violations)
        ledger.violations.clear()
        if event.version > ENTRIES_MAX:
            yield f"{saga_id}: its journal grows and grows"
        if event.type == "StepRejected" and event.data["code"] == "full":
            here = sum(self.tallies[event.data["stream"]].values())
            if here < 2:
                yield f"{saga_id}: step {event.data['step']} was refused on a state that is not so"

    def _domain_event(self, event: RecordedEvent) -> Iterator[str]:
        command = event.metadata["command_id"]
        table = self.undone if command.endswith("/undo") else self.done
        if command in table:
            yield f"command {command} took effect twice"
        table[command] = event.position
        self.tallies[event.stream][event.data["effect"]] += 1 if event.type == "Done" else -1

    def _covered(self, state: SagaState) -> Iterator[str]:
        """A saga that goes on by itself has a row that brings its named run."""
        row = self._rows.rows.get(run_id(state.saga_id, state.named_run))
        if not state.at_rest and not state.asleep and (row is None or not row.active):
            yield f"{state.saga_id}: run {state.named_run} is named, and no row brings it"

    def at_rest(self) -> Iterator[str]:
        """Nothing can happen any more but by a person: what holds then."""
        for run, row in self._rows.rows.items():
            if row.active:
                yield f"the row of {run} is {row.status} and nobody takes it"
        for saga_id, state in self.states.items():
            yield from (f"{saga_id}: {rule}" for rule in self._saga_at_rest(state))
        yield from self._nobody_owns()

    def _saga_at_rest(self, state: SagaState) -> Iterator[str]:
        ledger = self.ledgers[state.saga_id]
        if not state.at_rest:
            yield from self._sleeps(state, ledger)
        stuck = state.stuck
        if stuck and stuck.reason in ("bug", "nondeterminism", "no-progress") and stuck.error != "told to":
            yield f"stuck: {stuck.reason} {stuck.error} {stuck.traceback or ''}"
        for effect in ledger.effects.values():
            reason = self._wrong(state, ledger, effect)
            if reason:
                yield f"step {effect.step} ({effect.key}, {effect.kind}, {effect.status}) {reason}"

    def _sleeps(self, state: SagaState, ledger: Ledger) -> Iterator[str]:
        if not state.parked:
            yield f"{state.status}, run {state.named_run} is named, and nobody runs it"
        elif state.parked_until is not None:
            yield f"its time was {state.parked_until}, and it still waits"
        elif not state.signals_awaited and not state.children_awaited:
            yield "it waits for nothing"
        for signal in state.signals_awaited:
            if signal in ledger.waiting():
                yield f"it waits for the signal {signal}, which is there"
        for step in state.children_awaited:
            child = self.states[state.steps[step].child or ""]
            if child.ended and (not state.compensating or child.status != "completed"):
                yield f"it waits for its child {child.saga_id}, which is {child.status}"

    def _live(self, effect: Effect) -> bool:
        if effect.kind == "call":
            return effect.key in self._remote.sent
        return effect.key in self.done and f"{effect.key}/undo" not in self.undone

    def _wrong(self, state: SagaState, ledger: Ledger, effect: Effect) -> str | None:
        """What is wrong with an effect of a saga that rests; None if nothing is."""
        if effect.kind == "child":
            return self._wrong_child(state, ledger, effect)
        if effect.kind not in ("execute", "call"):
            return None
        live = self._live(effect)
        if live and not effect.undoable and not effect.past_pivot:
            return None  # NOTHING was said aloud
        if live:
            return self._should_not_live(state, ledger, effect)
        stands = effect.status == "succeeded" and not effect.undone and not effect.forgotten
        if stands and not effect.skipped and state.status not in ("compensating", "stuck", "abandoned"):
            return f"is gone, and the saga is {state.status}"
        goes_on = state.status in ("completed", "waiting", "running")
        if goes_on and effect.status == "succeeded" and effect.undone and not effect.forgotten:
            return f"is undone, and the saga is {state.status} as if it were not"
        return None

    def _should_not_live(self, state: SagaState, ledger: Ledger, effect: Effect) -> str | None:
        if effect.undone:
            return "was undone, and its effect is there"
        if effect.final or (effect.skipped and state.status != "compensated"):
            return None
        if effect.forgotten and not effect.skipped and not (effect.past_pivot and not effect.undoable):
            return "was forgotten, and its effect is there"
        if effect.forgotten and state.status == "completed":
            return None  # left aside by force
        match state.status:
            case "completed" if effect.status != "succeeded":
                return "did not succeed, the saga has completed, and its effect is there"
            case "compensated":
                return "is there, and the saga says compensated"
            case "abandoned" if effect.step not in ledger.left:
                return "is there, and is not listed as left"
        return None

    def _wrong_child(self, state: SagaState, ledger: Ledger, effect: Effect) -> str | None:
        child = self.states.get(effect.child or "")
        if child is None:
            return f"names the child {effect.child}, which is not there"
        theirs = self.ledgers[child.saga_id]
        if theirs.reopened or effect.skipped or effect.final:
            return None
        match state.status:
            case "completed" if effect.status == "succeeded" and not effect.undone:
                wrong = child.status != "completed"
            case "completed" if effect.status != "rejected":
                wrong = child.status not in ("compensated", "completed")
            case "compensated":
                wrong = child.status not in ("compensated", "abandoned")
            case _:
                wrong = False
        return f"belongs to a {state.status} saga, and its child is {child.status}" if wrong else None

    def _nobody_owns(self) -> Iterator[str]:
        known = {key for ledger in self.ledgers.values() for key in ledger.effects}
        for key in [*self.done, *self._remote.acted]:
            if key not in known:
                yield f"{key} took effect, and no journal knows of it"
        for command in self.undone:
            if command.removesuffix("/undo") not in self.done:
                yield f"{command} undid what was not done"
        for (saga_id, signal), name in self.signals.items():
            if self.ledgers[saga_id].received.get(signal) != name:
                yield f"{saga_id}: the signal {signal} was accepted, and is not in the journal"


def saga_of(event: RecordedEvent) -> str | None:
    """The saga in whose journal it stands; None for a domain event."""
    category, _, name = event.stream.partition("-")
    return name if category == journal.CATEGORY else None
