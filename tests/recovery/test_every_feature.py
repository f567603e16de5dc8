"""A process killed after every append of a saga that uses every feature: the next one leaves no trace of it.

Series side by side, for a saga that completes and one that is refused late. In a series each server ends the
saga at which its predecessor was killed, and is killed itself at a later point of a saga of its own.
"""

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import httpx
import pytest

from app.embedded import EmbeddedPostgres
from tests.acceptance.server import until
from tests.conftest import Database, fresh_database
from tests.recovery.faults import DieAtAppend, ShortCalls, serve_more_sagas
from tests.recovery.launcher import Server, serving
from tests.recovery.shop import Look, open_shop, saga, state

pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(900)]

Ending = Literal["completed", "compensated"]
ENDINGS: Final[tuple[Ending, ...]] = ("completed", "compensated")
UNDISTURBED: Final = 0
SERIES: Final = 3
"""So many side by side for each ending."""
APPENDS_MIN: Final[dict[Ending, int]] = {"completed": 20, "compensated": 30}
TRACES: Final = frozenset(
    {
        "RunStarted",
        "StepStarted",
        "StepFailed",
        "CompensationAttempted",
        "CompensationFailed",
        "Parked",
        "WaitStarted",
    }
)
"""What depends on the executions: how often something was tried, and where the saga rested."""


@dataclass
class Series:
    """Sagas of one ending, each killed after another append, `first` and then every so many; and an
    undisturbed one."""

    database: Database
    ending: Ending
    first: int
    killed: list[int] = field(default_factory=lambda: [])

    def saga_id(self, number: int) -> str:
        return f"{self.ending}-{number:02}"

    def run(self) -> None:
        with self._serving() as server, httpx.Client(base_url=server.url, timeout=60) as http:
            open_shop(http)
            self._start(http, UNDISTURBED)
            self._finish(http, server, UNDISTURBED)
            server.stop()
        number = self.first
        while self._kill_at(number):
            self.killed.append(number)
            number += SERIES

    def _kill_at(self, number: int) -> bool:
        """False when the saga came to its end: there is no append of that number."""
        with self._serving(number) as server, httpx.Client(base_url=server.url, timeout=60) as http:
            for before in self.killed[-1:]:
                self._start(http, before)  # its client may have got no answer
                self._finish(http, server, before)
            with suppress(httpx.TransportError):
                self._start(http, number)
                self._finish(http, server, number)
                if saga(http, self.saga_id(number))["ended_at"]:
                    return False
            assert server.exit_code() == -9
            return True

    def _serving(self, number: int | None = None) -> Any:
        doom = [DieAtAppend(self.saga_id(number), number, "after")] if number else []
        return serving(self.database, serve_more_sagas, ShortCalls(), *doom)

    def _start(self, http: httpx.Client, number: int) -> None:
        body = {"order_id": self.saga_id(number), "refused": self.ending == "compensated"}
        headers = {"Idempotency-Key": self.saga_id(number)}
        http.post("/sagas/everything", json=body, headers=headers).raise_for_status()

    def _finish(self, http: httpx.Client, server: Server, number: int) -> None:
        """Send the signal once the saga waits for it, and wait for the end; or for that of the server."""
        saga_id = self.saga_id(number)
        until(lambda: not server.alive or self._waits_or_has_ended(http, saga_id), 120)
        sent = http.post(f"/sagas/{saga_id}/signals/go", json={"id": "go-1", "data": {"by": "bo"}})
        assert sent.status_code in (202, 409), sent.text
        until(lambda: not server.alive or saga(http, saga_id)["ended_at"], 120)

    @staticmethod
    def _waits_or_has_ended(http: httpx.Client, saga_id: str) -> bool:
        found = saga(http, saga_id)
        waits = found["waits_for"] is not None and "go" in found["waits_for"]["signals"]
        sent = any(step["kind"] == "receive" and step["status"] == "succeeded" for step in found["steps"])
        return waits or sent or "go" in found["signals"] or found["ended_at"] is not None

    def history(self, number: int) -> dict[str, list[str]]:
        """What the saga and its child wrote, stream by stream, without the traces of executions."""
        look, saga_id = Look(self.database), self.saga_id(number)
        [booking] = look.bookings(saga_id)
        history: dict[str, list[str]] = {}
        for event in look.events(saga_id):
            if event["type"] in TRACES:
                continue
            data = _without_versions(event["data"])
            text = json.dumps([event["type"], data], sort_keys=True)
            text = text.replace(saga_id, "SAGA").replace(booking["tracking"] or "-", "TRACKING")
            history.setdefault(event["stream"].replace(saga_id, "SAGA"), []).append(text)
        # Branches run side by side, and so do their reservations of one article.
        return {stream: sorted(events) for stream, events in history.items()}

    def undone(self, number: int) -> list[str]:
        journal = Look(self.database).journal(self.saga_id(number), "StepCompensated", "ChildEnded")
        return [entry["data"]["step"] for entry in journal if entry["data"].get("status") != "completed"]


def _without_versions(data: dict[str, Any]) -> dict[str, Any]:
    """Other sagas wrote to the same streams, and how many runs there were depends on the kill."""
    kept = {name: value for name, value in data.items() if name not in ("run", "value")}
    if "first_version" in kept:
        kept["events"] = kept.pop("last_version") - kept.pop("first_version") + 1
    return kept


AllSeries = dict[Ending, list[Series]]


@pytest.fixture(scope="module")
def all_series(postgres_server: EmbeddedPostgres, template_database: str) -> Iterator[AllSeries]:
    with ExitStack() as stack, ThreadPoolExecutor() as threads:
        series = {
            ending: [
                Series(stack.enter_context(fresh_database(postgres_server, template_database)), ending, first)
                for first in range(1, SERIES + 1)
            ]
            for ending in ENDINGS
        }
        running = [threads.submit(one.run) for each in series.values() for one in each]
        for one in running:
            one.result()
        yield series


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_streams_are_those_of_an_undisturbed_run(all_series: AllSeries, ending: Ending) -> None:
    killed = sorted(number for series in all_series[ending] for number in series.killed)

    # How many there are beyond those depends on how often something was tried.
    least = APPENDS_MIN[ending]
    assert killed[:least] == list(range(1, least + 1))
    for series in all_series[ending]:
        undisturbed = series.history(UNDISTURBED)
        for number in series.killed:
            history = series.history(number)
            assert history == undisturbed, (
                f"killed after append {number}: more {_more(history, undisturbed)}, "
                f"less {_more(undisturbed, history)}"
            )


def _more(history: dict[str, list[str]], other: dict[str, list[str]]) -> list[str]:
    """What one has that the other has not, or not as often."""
    return [
        f"{stream}: {event}"
        for stream in history
        for event in (Counter(history[stream]) - Counter(other.get(stream, []))).elements()
    ]


def test_every_step_is_undone_in_reverse(all_series: AllSeries) -> None:
    in_reverse = ["5", "4", "3.3", "3.1", "2.3", "2.1", "1"]

    for series in all_series["compensated"]:
        for number in (UNDISTURBED, *series.killed):
            assert series.undone(number) == in_reverse, f"killed after append {number}"


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_books_balance(all_series: AllSeries, ending: Ending) -> None:
    series = all_series[ending][0]
    kept = len(series.killed) + 2 if ending == "completed" else 0  # and the undisturbed, and the last one

    with (
        serving(series.database, serve_more_sagas) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        tea, cup = state(http, "stock", "tea"), state(http, "stock", "cup")

    assert Look(series.database).steps_done_twice() == []
    assert (tea["shipped"], len(tea["reserved"]), len(cup["reserved"])) == (kept, 2 * kept, 3 * kept)
