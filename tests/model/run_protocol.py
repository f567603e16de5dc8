"""The run protocol of a saga: what its journal, DBOS's rows and the executions of its runs do to each other.

A row of DBOS is one letter, at the place of its run's number:

    E enqueued -> P pending -> S success      dispatched; its owner returned
    D delayed until the deadline, then dispatched like E
    P -> E                                    by the supervisor, when no execution owns the row any more

An execution is one dispatch of a row:

    unread -> going -> ... an append after the other ... -> leaving -> gone, its row is S if it still owns it
    going -> behind -> going                  others appended: its append loses, it reads again
    going, behind -> overtaken -> gone        one of them was a foreign RunStarted: it gives up

Two reductions keep the model small and lose nothing: a lost append and the reading after it are one move, for
it changed nothing; and an execution that owns no row is dropped as soon as it can append no more.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from .explorer import Move
from .journal import (
    COMPENSATE,
    COMPENSATED,
    COMPLETED,
    EMPTY,
    ENDED,
    IN_TIME,
    NEW,
    PARKED,
    QUEUED,
    REQUESTED,
    RUN_NAMED,
    SIGNAL,
    STARTED,
    UNSENT,
    WAITING,
    Journal,
)
from .rules import Rules, Scenario

ENQUEUED, DELAYED, PENDING, SUCCESS = "E", "D", "P", "S"
UNREAD, STARTING, GOING, BEHIND, OVERTAKEN, ENQUEUEING, LEAVING = range(7)

DOUBLED: Final = "doubled"
"""A step or a compensation took effect twice."""
MISSING: Final = "missing"
"""The saga ended without an effect that its end promises."""
ASLEEP: Final = "asleep"
"""Nothing happens any more, and the saga has neither ended nor waits for a signal."""
UNCOVERED: Final = "uncovered"
"""An open saga whose named run no row of DBOS will bring in time: the reconciler would have to help."""
REPARKED: Final = "reparked"
"""A Parked that no early run explains: it comes back, with one more timer, whenever an old row does."""
ENDLESS: Final = "endless"
"""The journal is longer than its faults explain."""
REFUSED: Final = "refused"
"""An append at the right version that names a run which exists: it can never succeed."""


class Execution(NamedTuple):
    """One dispatch of `run`. `seen` is kept only without the fence: with it, going means up to date."""

    run: int
    owns: bool
    phase: int = UNREAD
    announced: bool = False
    due: bool = False
    seen: Journal = EMPTY


class State(NamedTuple):
    """`faults` are those that may still come, `early` the runs that were sent before their time."""

    journal: Journal = EMPTY
    rows: str = ""
    executions: tuple[Execution, ...] = ()
    due: bool = False
    faults: int = 0
    early: int = 0
    refused: bool = False


class RunProtocol:
    """The model: one saga under `rules` in `scenario`."""

    def __init__(self, scenario: Scenario, rules: Rules) -> None:
        self.scenario = scenario
        self.rules = rules
        self.initial = State(faults=scenario.faults)

    # What goes on by itself: the clock, DBOS's queue, the supervisor, the executions.

    def certain_moves(self, state: State) -> Iterator[Move[State]]:
        if state.refused:
            return
        if DELAYED in state.rows and not state.due:
            yield "the deadline passes", state._replace(due=True)
        for number, row in enumerate(state.rows, start=1):
            if row == ENQUEUED or (row == DELAYED and state.due):
                if len(state.executions) < self.scenario.executions_max:
                    yield f"run {number} is dispatched", self._dispatched(state, number)
            elif row == PENDING and not _owned(state, number):
                yield f"the supervisor resumes run {number}", _with_row(state, number, ENQUEUED)
        for execution in dict.fromkeys(state.executions):
            yield self._act(state, execution)

    # What people and faults may do.

    def possible_moves(self, state: State) -> Iterator[Move[State]]:
        if state.refused:
            return
        if state.journal.status == NEW:
            yield from self._starts(state)
        else:
            yield from self._requests(state)
        if state.faults:
            weaker = state._replace(faults=state.faults - 1)
            yield from self._faults(weaker)

    def violations(self, state: State, *, at_rest: bool) -> Iterator[str]:
        journal = state.journal
        step_1, step_2, undone_1, undone_2 = journal.effects
        if max(journal.effects) > 1:
            yield DOUBLED
        if journal.status == COMPLETED and not (step_1 and step_2):
            yield MISSING
        if journal.status == COMPENSATED and (undone_1 != step_1 or undone_2 != step_2):
            yield MISSING
        if journal.entries > self.scenario.entries_max:
            yield ENDLESS
        if journal.parks > 1 + state.early:
            yield REPARKED
        if state.refused:
            yield REFUSED
        elif self._must_go_on(journal):
            if at_rest:
                yield ASLEEP
            if not self._covered(state):
                yield UNCOVERED

    def _must_go_on(self, journal: Journal) -> bool:
        """Neither ended nor waiting for a signal that may never come."""
        if journal.status == NEW or journal.ended:
            return False
        parked = journal.status == WAITING and journal.begun
        waits = parked and journal.signal != IN_TIME and not journal.compensate
        return self.scenario.timeout or not waits

    def _covered(self, state: State) -> bool:
        """DBOS has a row that brings the named run: at once if it is queued, at the deadline if it waits."""
        row = _row(state, state.journal.named)
        return row in (ENQUEUED, PENDING) or (
            row == DELAYED and (state.due or state.journal.status != QUEUED)
        )

    def _starts(self, state: State) -> Iterator[Move[State]]:
        if self.scenario.direct_start and not state.rows:
            starter = Execution(run=1, owns=True, phase=STARTING)
            yield (
                "a direct start inserts the row of run 1",
                state._replace(rows=PENDING, executions=(starter,)),
            )
        number = len(state.rows) + 1 if self.rules.existing_run_is_refused else 1
        if not self.scenario.later:
            yield f"the saga is requested, run {number}", self._named(state, (), REQUESTED, ENQUEUED, number)
            return
        delayed = self._named(state, (), REQUESTED, DELAYED, number)
        parked = delayed.journal._replace(status=WAITING)
        yield f"the saga is requested for later, run {number}", delayed._replace(journal=parked)

    def _requests(self, state: State) -> Iterator[Move[State]]:
        journal = state.journal
        waiting = journal.status == WAITING
        if journal.signal == UNSENT and not journal.ended:
            wakes = waiting and journal.begun and self.rules.waking_signal_names_a_run
            yield "a signal is sent", self._appended(state, (SIGNAL,), ENQUEUED if wakes else None)
        if self.scenario.operator and not journal.compensate and journal.status != COMPENSATED:
            wakes = waiting or journal.ended
            yield (
                "an operator asks to compensate",
                self._appended(state, (COMPENSATE,), ENQUEUED if wakes else None),
            )

    def _faults(self, state: State) -> Iterator[Move[State]]:
        early = state._replace(early=state.early + 1)
        for execution in dict.fromkeys(state.executions):
            yield f"an execution of run {execution.run} dies", _without(state, execution)
            if execution.owns:
                zombie = self._put(_without(state, execution), execution._replace(owns=False))
                yield f"run {execution.run} is resumed falsely", _with_row(zombie, execution.run, ENQUEUED)
        if not state.due:
            for number, row in enumerate(state.rows, start=1):
                if row == DELAYED:
                    yield f"the timer of run {number} fires early", _with_row(early, number, ENQUEUED)
        if self.scenario.hasty_reconciler and state.journal.status != NEW and not state.journal.ended:
            yield "the reconciler names a run", self._appended(early, (RUN_NAMED,), ENQUEUED)

    # An execution.

    def _dispatched(self, state: State, number: int) -> State:
        return self._put(_with_row(state, number, PENDING), Execution(run=number, owns=True))

    def _act(self, state: State, execution: Execution) -> Move[State]:
        """The one thing that this execution does next."""
        run = execution.run
        others = _without(state, execution)
        if execution.phase == LEAVING:
            return f"run {run} returns", self._returned(others, execution)
        if execution.phase == OVERTAKEN:
            if self.rules.superseded_gives_up:
                return f"run {run} meets a foreign RunStarted and gives up", others
            return f"run {run} meets a foreign RunStarted and returns", self._returned(others, execution)
        if execution.phase in (UNREAD, BEHIND):
            return self._read(others, execution)
        if execution.phase == ENQUEUEING:
            parked = _enqueued(others, others.journal.named, DELAYED)
            return f"run {run} enqueues its timer", self._put(parked, execution._replace(phase=LEAVING))
        return self._append(others, execution)

    def _returned(self, others: State, execution: Execution) -> State:
        return _with_row(others, execution.run, SUCCESS) if execution.owns else others

    def _read(self, others: State, execution: Execution) -> Move[State]:
        journal, run = others.journal, execution.run
        if journal.status == NEW:
            goes_on = self.rules.empty_journal_is_closed and not journal.entries
        else:
            named = journal.named == run or not self.rules.unnamed_run_returns
            goes_on = named and not journal.ended
        if not goes_on and not self.rules.finished_run_returns:
            return f"run {run} reads the journal and gives up", others
        phase = GOING if goes_on else LEAVING
        seen = EMPTY if self.rules.appends_are_fenced else journal
        reader = execution._replace(phase=phase, due=others.due and goes_on, seen=seen)
        return f"run {run} reads the journal", self._put(others, reader)

    def _append(self, others: State, execution: Execution) -> Move[State]:
        run = execution.run
        seen = others.journal if self.rules.appends_are_fenced else execution.seen
        if execution.phase == STARTING:
            return self._start_directly(others, execution)
        if seen.status == NEW:
            closed = self._appended(others, (STARTED,), None)
            return f"run {run} closes the empty journal", self._put(closed, execution._replace(phase=LEAVING))
        entry = seen.next_entry(due=execution.due, later=self.scenario.later)
        parks_again = self._has_timer(execution) and self.rules.early_timer_parks_again
        if entry == PARKED and seen.status == WAITING and not parks_again:
            return f"run {run} finds nothing to do", self._put(others, execution._replace(phase=LEAVING))
        return self._append_entry(others, execution, entry)

    def _has_timer(self, execution: Execution) -> bool:
        """Whether what this execution would wait for has a deadline."""
        return self.scenario.timeout or (self.scenario.later and not execution.due)

    def _start_directly(self, others: State, execution: Execution) -> Move[State]:
        """The row exists already, so SagaRequested enqueues nothing."""
        journal = others.journal.evolve(REQUESTED, 1).evolve(STARTED, None)
        started = self._outrun(others._replace(journal=journal), overtaken=True)
        starter = execution._replace(phase=GOING, announced=True)
        return "run 1 appends SagaRequested and RunStarted", self._put(started, starter)

    def _append_entry(self, others: State, execution: Execution, entry: str) -> Move[State]:
        entries = (entry,) if execution.announced else (STARTED, entry)
        timer = entry == PARKED and self._has_timer(execution)
        after = self._appended(others, entries, DELAYED if timer else None)
        phase = LEAVING if entry == PARKED or entry in ENDED else GOING
        if timer and not self.rules.parking_is_one_statement:
            after, phase = after._replace(rows=others.rows), ENQUEUEING
        seen = execution.seen
        if not self.rules.appends_are_fenced:
            for one in entries:
                seen = seen.evolve(one, None)
        writer = execution._replace(phase=phase, announced=True, seen=seen)
        return f"run {execution.run} appends {' and '.join(entries)}", self._put(after, writer)

    # An append: the entries, the row of the run that the last one names, what it means to everybody else.

    def _appended(self, state: State, entries: tuple[str, ...], row: str | None) -> State:
        """`state` after an append; with `row` the last entry names the next run and enqueues it."""
        if row is not None:
            return self._named(state, entries[:-1], entries[-1], row, None)
        journal = state.journal
        for entry in entries:
            journal = journal.evolve(entry, None)
        return self._outrun(state._replace(journal=journal), overtaken=STARTED in entries)

    def _named(
        self, state: State, before: tuple[str, ...], entry: str, row: str, number: int | None
    ) -> State:
        journal = state.journal
        for one in before:
            journal = journal.evolve(one, None)
        if number is None:
            number = 1 + (journal.named if self.rules.numbers_follow_the_journal else journal.starts)
        if self.rules.existing_run_is_refused and _row(state, number) is not None:
            return state._replace(refused=True)
        named = _enqueued(state._replace(journal=journal.evolve(entry, number)), number, row)
        return self._outrun(named, overtaken=STARTED in before)

    def _outrun(self, state: State, *, overtaken: bool) -> State:
        """Everybody else's next append will lose, and will find a foreign RunStarted if there is one."""
        if not self.rules.appends_are_fenced:
            return state
        phase = OVERTAKEN if overtaken else BEHIND
        after = state._replace(executions=())
        for one in state.executions:
            reads_on = one.phase in (STARTING, GOING, BEHIND)
            after = self._put(after, Execution(one.run, one.owns, phase, one.announced) if reads_on else one)
        return after

    def _put(self, state: State, execution: Execution) -> State:
        if execution.phase in (OVERTAKEN, LEAVING) and not execution.owns:
            return state
        return state._replace(executions=tuple(sorted((*state.executions, execution))))


def _owned(state: State, number: int) -> bool:
    return any(execution.owns and execution.run == number for execution in state.executions)


def _row(state: State, number: int) -> str | None:
    row = state.rows[number - 1 : number]
    return row if row.strip() else None


def _with_row(state: State, number: int, row: str) -> State:
    rows = state.rows
    return state._replace(rows=rows[: number - 1] + row + rows[number:])


def _enqueued(state: State, number: int, row: str) -> State:
    """What DBOS does: a new row, or nothing and no word of it when the id exists."""
    if _row(state, number) is not None:
        return state
    return _with_row(state._replace(rows=state.rows.ljust(number)), number, row)


def _without(state: State, execution: Execution) -> State:
    executions = list(state.executions)
    executions.remove(execution)
    return state._replace(executions=tuple(executions))
