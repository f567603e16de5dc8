"""A process killed at every point between two appends of an order: the next one leaves no trace of it.

Four series run side by side: for an order that completes and one that is compensated late, killed before and
after every append. In a series each server ends the order at which its predecessor was killed, and is killed
itself at the next point of an order of its own.
"""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final, Literal

import httpx
import pytest

from app.embedded import EmbeddedPostgres
from tests.conftest import Database, fresh_database
from tests.recovery.faults import DieAtAppend, ShortCalls, When
from tests.recovery.launcher import serving
from tests.recovery.shop import (
    Look,
    assert_books_balance,
    await_end,
    open_shop,
    order,
    place,
    saga,
    saga_of,
)

# The first test waits for all series: dozens of servers, one after the other.
pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(900)]

Ending = Literal["completed", "compensated"]
History = dict[str, list[tuple[str, Any]]]
"""What a saga wrote, by stream: types and data."""

APPENDS: Final[dict[Ending, int]] = {"completed": 14, "compensated": 18}
ANNOUNCED: Final[dict[Ending, list[int]]] = {"completed": [6], "compensated": [6, 12]}
"""The appends after which a request is on its way to the carrier."""

WHEN: Final[tuple[When, ...]] = ("before", "after")
POINTS: Final = [
    (ending, when, number) for ending in APPENDS for when in WHEN for number in range(1, APPENDS[ending] + 1)
]
UNDISTURBED: Final = 0
CALLS: Final = ShortCalls(seconds=6)
"""Long enough for a busy machine: what had to be tried again would not be as in an undisturbed run."""


@dataclass(frozen=True)
class Series:
    """One order of an ending for each append, killed before or after it, and an undisturbed one."""

    database: Database
    ending: Ending
    when: When

    def order_id(self, number: int) -> str:
        return f"{self.ending}-{self.when}-{number:02}"

    def run(self) -> None:
        with (
            serving(self.database, CALLS) as server,
            httpx.Client(base_url=server.url, timeout=60) as http,
        ):
            open_shop(http, takes_money=self.ending == "completed")
            place(http, order(self.order_id(UNDISTURBED)))
            await_end(http, saga_of(self.order_id(UNDISTURBED)))
            server.stop()
        for number in range(1, APPENDS[self.ending] + 1):
            self._kill_at(number)
        with (
            serving(self.database, CALLS) as server,
            httpx.Client(base_url=server.url, timeout=60) as http,
        ):
            place(http, order(self.order_id(APPENDS[self.ending])))
            await_end(http, saga_of(self.order_id(APPENDS[self.ending])))
            assert {saga(http, saga_of(order_id))["status"] for order_id in self.order_ids} == {self.ending}
            assert_books_balance(http, completed=len(self.order_ids) if self.ending == "completed" else 0)

    def _kill_at(self, number: int) -> None:
        order_id = self.order_id(number)
        doom = DieAtAppend(saga_of(order_id), number, self.when)
        with (
            serving(self.database, doom, CALLS) as server,
            httpx.Client(base_url=server.url, timeout=60) as http,
        ):
            place(http, order(self.order_id(number - 1)))  # its client may have got no answer
            await_end(http, saga_of(self.order_id(number - 1)))
            with suppress(httpx.TransportError):
                place(http, order(order_id))
            assert server.exit_code() == -9

    @property
    def order_ids(self) -> list[str]:
        return [self.order_id(number) for number in range(APPENDS[self.ending] + 1)]

    def history(self, number: int) -> History:
        """What the saga wrote; names of its own, and traces of executions, left out."""
        look, order_id = Look(self.database), self.order_id(number)
        [booking] = look.bookings(order_id)
        history: History = {}
        for event in look.events(saga_of(order_id)):
            if not _is_trace_of_an_execution(event):
                data = json.dumps(event["data"]).replace(order_id, "ORDER")
                data = data.replace(booking["tracking"] or "-", "TRACKING")
                stream = event["stream"].replace(order_id, "ORDER")
                history.setdefault(stream, []).append((event["type"], _without_versions(json.loads(data))))
        return {stream: _side_by_side_sorted(events) for stream, events in history.items()}


def _side_by_side_sorted(events: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Steps of one gather end in any order. Here those are neighbours that sent the same command."""
    in_order: list[tuple[str, Any]] = []
    for (kind, _), group in groupby(events, lambda event: (event[0], event[1].get("name"))):
        neighbours = list(group)
        if kind == "StepSucceeded":
            neighbours.sort(key=lambda event: event[1]["step"])
        in_order += neighbours
    return in_order


def _is_trace_of_an_execution(event: dict[str, Any]) -> bool:
    if event["type"] in ("StepStarted", "CompensationAttempted"):
        return bool(event["data"]["attempt"] > 1)
    return event["type"] in ("RunStarted", "StepFailed", "Parked")


def _without_versions(data: Any) -> Any:
    """Other orders wrote to the same streams: how many events a step wrote counts, not their versions. Nor
    does it count with which run a saga begins: one killed before its journal leaves the first behind."""
    if "saga_version" in data:
        del data["run"]
    if "first_version" in data:
        data["events"] = data.pop("last_version") - data.pop("first_version") + 1
    return data


@pytest.fixture(scope="module")
def all_series(
    postgres_server: EmbeddedPostgres, template_database: str
) -> Iterator[dict[tuple[Ending, When], Series]]:
    with ExitStack() as stack, ThreadPoolExecutor() as threads:
        series = {
            (ending, when): Series(
                stack.enter_context(fresh_database(postgres_server, template_database)), ending, when
            )
            for ending in APPENDS
            for when in WHEN
        }
        for running in [threads.submit(one.run) for one in series.values()]:
            running.result()
        yield series


AllSeries = dict[tuple[Ending, When], Series]


@pytest.mark.parametrize(("ending", "when", "number"), POINTS)
def test_the_streams_are_those_of_an_undisturbed_run(
    all_series: AllSeries, ending: Ending, when: When, number: int
) -> None:
    series = all_series[ending, when]

    assert series.history(number) == series.history(UNDISTURBED)


@pytest.mark.parametrize(("ending", "when", "number"), POINTS)
def test_the_carrier_has_one_booking(all_series: AllSeries, ending: Ending, when: When, number: int) -> None:
    series = all_series[ending, when]

    [booking] = Look(series.database).bookings(series.order_id(number))

    assert booking["booked_at"] is not None
    assert (booking["cancelled_at"] is not None) == (ending == "compensated")


@pytest.mark.parametrize("ending", APPENDS)
def test_every_append_was_killed_at(all_series: AllSeries, ending: Ending) -> None:
    series = all_series[ending, "before"]

    journal = Look(series.database).journal(saga_of(series.order_id(UNDISTURBED)))

    assert len({entry["commit_position"] for entry in journal}) == APPENDS[ending]


@pytest.mark.parametrize(("ending", "when", "number"), POINTS)
def test_only_a_request_on_its_way_is_in_doubt(
    all_series: AllSeries, ending: Ending, when: When, number: int
) -> None:
    series = all_series[ending, when]
    saga_id = saga_of(series.order_id(number))

    attempts = Look(series.database).journal(saga_id, "StepStarted", "CompensationAttempted")

    announced = ANNOUNCED[ending]
    killed_after = number if when == "after" else number - 1
    again = [attempt for attempt in attempts if attempt["data"]["attempt"] > 1]
    assert bool(again) == (killed_after in announced)
