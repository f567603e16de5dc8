"""The journal of the modelled saga, as far as it decides what may happen next.

The saga is `step 1; receive a signal, with or without a timeout; step 2; end`. The fold keeps no history: two
journals that allow the same future are one state of the model.
"""

from typing import Final, NamedTuple

REQUESTED: Final = "SagaRequested"
STARTED: Final = "RunStarted"
STEP_1: Final = "StepSucceeded 1"
STEP_2: Final = "StepSucceeded 2"
PARKED: Final = "Parked"
RUN_NAMED: Final = "RunNamed"
TIMED_OUT: Final = "TimedOut"
SIGNAL: Final = "SignalSent"
COMPENSATE: Final = "CompensationRequested"
UNDONE_1: Final = "StepCompensated 1"
UNDONE_2: Final = "StepCompensated 2"
COMPLETED: Final = "SagaCompleted"
COMPENSATED: Final = "SagaCompensated"

NEW, QUEUED, RUNNING, WAITING = "new", "queued", "running", "waiting"
ENDED: Final = (COMPLETED, COMPENSATED)
EFFECTS: Final = (STEP_1, STEP_2, UNDONE_1, UNDONE_2)

UNSENT, IN_TIME, LATE = 0, 1, 2


class Journal(NamedTuple):
    """The fold. `named` is the largest run number named; `effects` counts each of EFFECTS."""

    entries: int = 0
    starts: int = 0
    named: int = 0
    parks: int = 0
    status: str = NEW
    effects: tuple[int, ...] = (0, 0, 0, 0)
    signal: int = UNSENT
    timed_out: bool = False
    compensate: bool = False

    @property
    def ended(self) -> bool:
        return self.status in ENDED

    def evolve(self, entry: str, run: int | None) -> "Journal":
        """The journal with one more entry, which names `run`, or no run."""
        effects = self.effects
        if entry in EFFECTS:
            place = EFFECTS.index(entry)
            effects = (*effects[:place], effects[place] + 1, *effects[place + 1 :])
        return Journal(
            self.entries + 1,
            self.starts + (entry == STARTED),
            self.named if run is None else run,
            self.parks + (entry == PARKED),
            self._status_after(entry, run),
            effects,
            (LATE if self.timed_out else IN_TIME) if entry == SIGNAL else self.signal,
            self.timed_out or entry == TIMED_OUT,
            self.compensate or entry == COMPENSATE,
        )

    def _status_after(self, entry: str, run: int | None) -> str:
        if entry == STARTED:
            return NEW if self.status == NEW else RUNNING
        if entry == PARKED:
            return WAITING
        if entry in ENDED:
            return entry
        return self.status if run is None else QUEUED

    @property
    def begun(self) -> bool:
        return self.effects[0] > 0

    def next_entry(self, *, due: bool, later: bool) -> str:
        """What the saga's code appends next, having read this journal when the deadline was `due` or not.

        `later`: the deadline is that of the start.
        """
        step_1, step_2, undone_1, undone_2 = self.effects
        if self.compensate:
            if step_2 > undone_2:
                return UNDONE_2
            return UNDONE_1 if step_1 > undone_1 else COMPENSATED
        if not step_1:
            return PARKED if later and not due else STEP_1
        if not step_2 and self.signal != IN_TIME and not self.timed_out:
            return TIMED_OUT if due and not later else PARKED
        return COMPLETED if step_2 else STEP_2


EMPTY: Final = Journal()
