"""What the run protocol promises (`Rules`), and what it is exposed to (`Scenario`)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of the protocol. Each can be taken away alone, to see what it is for."""

    superseded_gives_up: bool = True
    """An execution that meets a foreign RunStarted leaves its row pending; it does not return."""
    early_timer_parks_again: bool = True
    """A timer run that is early by the database's clock parks again; it does not just end."""
    numbers_follow_the_journal: bool = True
    """The next run's number is one more than the largest named; not one more than the runs started."""
    unnamed_run_returns: bool = True
    """A run whose number is not the last one named does not go on."""
    finished_run_returns: bool = True
    """A run that is not named, or whose saga has ended, returns, so that its row ends; it never gives up."""
    existing_run_is_refused: bool = True
    """Naming a run that DBOS has a row of fails the append; it does not quietly enqueue nothing."""
    appends_are_fenced: bool = True
    """An append expects the version that its execution has seen; it is not simply tried again."""
    waking_signal_names_a_run: bool = True
    """A signal to a waiting saga names and enqueues the run that receives it."""
    parking_is_one_statement: bool = True
    """Parked and the row of the timer commit together."""
    empty_journal_is_closed: bool = True
    """An execution that finds no SagaRequested writes its RunStarted before it returns."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """What happens to the saga besides its own progress, and a signal at any time.

    `faults` counts the deaths of executions, living ones taken for dead, and timers that fire early.
    """

    faults: int = 3
    timeout: bool = True
    """The receive has a deadline; else only a signal ends it."""
    operator: bool = False
    """An operator asks once for compensation, at any time."""
    direct_start: bool = False
    """The saga may be started by the row of run 1, before anything is in its journal."""
    hasty_reconciler: bool = False
    """One more fault: the reconciler names a run though DBOS has a row of the named one."""
    later: bool = False
    """The saga starts at a time, and there is no other deadline. It is parked until then."""
    executions_max: int = 3

    @property
    def entries_max(self) -> int:
        """The longest journal: a fault costs at most RunNamed, and RunStarted and Parked once more."""
        undisturbed = 14 if self.operator else 9
        return undisturbed + (3 if self.hasty_reconciler else 2) * self.faults
