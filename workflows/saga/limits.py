"""How many runs of one kind of saga go on at one time, how often one begins, and which is taken first."""

from dataclasses import dataclass
from typing import Final

PRIORITY_LAST: Final = 2**31 - 1
PRIORITY_DEFAULT: Final = 100
"""Of every saga that declares none: DBOS takes a run without a priority before all others."""


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` runs begin in any `seconds`, in all executors together."""

    count: int
    seconds: float

    def __post_init__(self) -> None:
        _check_count("count", self.count)
        if not 0 < self.seconds < float("inf"):
            raise ValueError(f"seconds must be more than 0, not {self.seconds}")


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds the runs of one kind of saga. None: nothing does, but the slots of each executor.

    At most `concurrency` of its runs are under way in all executors together, at most `per_executor` in each,
    and they begin at most at `rate`. What is counted are *runs*, not sagas: one that is parked has none, and
    when it is woken that is one run more. A run whose process died counts until it is resumed.

    `priority` says which run is taken first when several wait in one queue: the smaller number, 100 for sagas
    that declare none, and among equal numbers the run that was enqueued first. A run that is under way is
    not interrupted. Sagas with another limit wait in a queue of their own and compete among themselves only.
    """

    concurrency: int | None = None
    per_executor: int | None = None
    rate: Rate | None = None
    priority: int | None = None

    def __post_init__(self) -> None:
        for name, count in (("concurrency", self.concurrency), ("per_executor", self.per_executor)):
            if count is not None:
                _check_count(name, count)
        if self.concurrency and self.per_executor and self.per_executor > self.concurrency:
            raise ValueError(f"per_executor ({self.per_executor}) exceeds concurrency ({self.concurrency})")
        if self.priority is not None and not 1 <= self.priority <= PRIORITY_LAST:
            raise ValueError(f"priority must be 1 to {PRIORITY_LAST}, not {self.priority}")

    @property
    def need_a_queue(self) -> bool:
        """Whether runs that obey these must wait apart from the others."""
        return (self.concurrency, self.per_executor, self.rate) != (None, None, None)


def _check_count(name: str, count: int) -> None:
    if count < 1:
        raise ValueError(f"{name} must be at least 1, not {count}")
