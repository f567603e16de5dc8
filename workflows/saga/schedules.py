"""Sagas that start by the clock: what a team declares, and what happens when a time has come.

DBOS keeps the schedules: in each executor it waits for the next time, and enqueues one workflow for it, under
an id made from schedule and time. All that this workflow does is to start the saga, whose id is made from
them too. So it may be enqueued, and may run, as often as it likes.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from croniter import CroniterBadDateError, croniter
from pydantic import BaseModel

SCHEDULED_NAME: Final = re.compile(r"[A-Za-z0-9._:-]{1,90}")
_OF_ONE_PROCESS: Final = re.compile(r"(?<![A-Z])[RH](?![A-Z])")
"""Random and hashed fields: each executor would have times of its own."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Start the saga at each time that `cron` names, once in the whole cluster.

    `cron` has five fields, or six with the seconds first, and is read in `timezone`, an IANA name. `input`
    makes the saga's input from the time that is due, in that zone; it is a pure function. The saga id is the
    saga's name and the time in UTC. It starts at that time or up to ten seconds later.

    A time at which no executor runs is left out. With `catch_up` the next executor that starts also starts
    what was left out since the schedule last fired, however much that is; a time that comes in the very
    moment in which DBOS does so may still be left out.
    """

    cron: str
    input: Callable[[datetime], BaseModel | dict[str, Any]]
    timezone: str = "UTC"
    catch_up: bool = False

    def __post_init__(self) -> None:
        if not croniter.is_valid(self.cron, second_at_beginning=True) or _OF_ONE_PROCESS.search(
            self.cron.upper()
        ):
            raise ValueError(f"{self.cron!r} is no cron expression with times that all executors agree on")
        try:
            croniter(self.cron, datetime.now(UTC), second_at_beginning=True).get_next(datetime)
        except CroniterBadDateError:
            raise ValueError(f"{self.cron!r} names no time that ever comes") from None
        try:
            ZoneInfo(self.timezone)
        except (LookupError, ValueError, OSError):
            raise ValueError(f"{self.timezone!r} is no time zone") from None


def check_scheduled_name(name: str) -> None:
    """Raises ValueError for the name of a saga that cannot be a part of ids."""
    if not SCHEDULED_NAME.fullmatch(name):
        raise ValueError(f"a saga with a schedule has a name of 1 to 90 of A-Z a-z 0-9 . _ : -, not {name!r}")


def scheduled_id(name: str, due: datetime) -> str:
    """The id of the saga that starts at this time."""
    return f"{name}-{due.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
