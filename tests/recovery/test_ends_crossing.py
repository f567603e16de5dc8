"""What parent and child are asked for at the same instant, on a real service, round after round.

Whatever comes first, neither waits for the other for ever, and both journals tell of the same ends.
"""

import random
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from threading import Barrier
from typing import Final

import httpx
import pytest

from tests.acceptance.server import until
from tests.recovery.scripted import ask, balance, child, deposit, go, run_script, wait
from tests.recovery.shop import Look, saga

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

ROUNDS: Final = 8
APART_SECONDS_MAX: Final = 0.03
ENDS: Final = ("SagaCompleted", "SagaCompensated", "SagaAbandoned")
RESTS: Final = ("completed", "compensated", "abandoned", "stuck")

Request = Callable[[httpx.Client, str], httpx.Response]


def undo_parent(http: httpx.Client, name: str) -> httpx.Response:
    return ask(http, name, "compensate")


def undo_child(http: httpx.Client, name: str) -> httpx.Response:
    return ask(http, f"{name}-child", "compensate")


def abandon_child(http: httpx.Client, name: str) -> httpx.Response:
    return ask(http, f"{name}-child", "abandon")


def complete_child(http: httpx.Client, name: str) -> httpx.Response:
    return go(http, f"{name}-child", id="go")


PAIRS: Final[dict[str, tuple[Request, Request]]] = {
    "completes": (undo_parent, complete_child),
    "is-undone": (undo_parent, undo_child),
    "is-abandoned": (undo_parent, abandon_child),
    "is-undone-as-it-completes": (complete_child, undo_child),
}
MEETINGS: Final = [f"{kind}-{number}" for kind, number in product(PAIRS, range(ROUNDS))]


def kind_of(name: str) -> str:
    return name.rpartition("-")[0]


@pytest.fixture(scope="module")
def met(scripts: httpx.Client) -> list[str]:
    """Families that wait, of which two members are asked for something at once; they have come to rest."""
    for name in MEETINGS:
        run_script(scripts, name, deposit(name), child(f"{name}-child", deposit(f"{name}-child"), wait()))
    until(lambda: all(_status(scripts, f"{name}-child") == "waiting" for name in MEETINGS), 120)
    with ThreadPoolExecutor(2) as threads:
        for name in random.sample(MEETINGS, len(MEETINGS)):
            barrier, pair = Barrier(2), PAIRS[kind_of(name)]
            for answer in [threads.submit(_meet, scripts, barrier, each, name) for each in pair]:
                assert answer.result().status_code in (200, 202, 409)
    everybody = [saga_id for name in MEETINGS for saga_id in (name, f"{name}-child")]
    until(lambda: all(_status(scripts, saga_id) in RESTS for saga_id in everybody), 120)
    return MEETINGS


def _meet(http: httpx.Client, barrier: Barrier, request: Request, name: str) -> httpx.Response:
    barrier.wait()
    time.sleep(random.uniform(0, APART_SECONDS_MAX))  # so that they cross at every place in the end
    return request(http, name)


def _status(http: httpx.Client, saga_id: str) -> str:
    status: str = saga(http, saga_id)["status"]
    return status


def test_both_journals_tell_of_the_same_ends(met: list[str], shared_look: Look) -> None:
    for name in met:
        told = Counter(
            entry["data"]["status"].capitalize() for entry in shared_look.journal(name, "ChildEnded")
        )
        ends = shared_look.rows(
            "select type from eventstore.events where stream = %(stream)s and type = any(%(ends)s)",
            stream=f"saga-{name}-child",
            ends=list(ENDS),
        )
        assert told == Counter(end["type"].removeprefix("Saga") for end in ends), name


def test_a_parent_that_was_asked_to_undo_itself_is_undone_with_its_child(
    scripts: httpx.Client, met: list[str]
) -> None:
    for name in met:
        if kind_of(name) in ("completes", "is-undone"):
            ends = [_status(scripts, each) for each in (name, f"{name}-child")]
            assert ends == ["compensated", "compensated"], name
            assert [balance(scripts, each) for each in (name, f"{name}-child")] == [0, 0], name


def test_what_an_abandoned_child_left_is_never_called_undone(scripts: httpx.Client, met: list[str]) -> None:
    for name in met:
        if kind_of(name) == "is-abandoned":
            parent, stays = _status(scripts, name), balance(scripts, f"{name}-child")
            assert (parent == "compensated") == (stays == 0), name


def test_a_child_that_its_operator_undoes_is_undone_whatever_came_first(
    scripts: httpx.Client, met: list[str]
) -> None:
    for name in met:
        if kind_of(name) == "is-undone-as-it-completes":
            assert _status(scripts, f"{name}-child") == "compensated", name
            assert balance(scripts, f"{name}-child") == 0, name
            assert _status(scripts, name) in ("completed", "compensated"), name


def test_nothing_was_done_twice(met: list[str], shared_look: Look) -> None:
    assert met
    assert shared_look.steps_done_twice() == []
