"""Whatever is refused, fails, crashes or is stopped: a saga at rest is done as a whole, or undone once."""

import asyncio
import contextlib
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import Rejected
from tests.unit.workflows.toys import (
    AWAY,
    SEND,
    UNSEND,
    Behaviour,
    Message,
    Order,
    Remote,
    SagaFunction,
    do,
    refusing,
    service_of,
)
from workflows.saga import CallFailed, Retry, Saga
from workflows.saga.context import Step
from workflows.saga.errors import CannotCompensate
from workflows.saga.testing import Hook, Killed, MemoryService, VirtualTimeLoop

APPENDS_MAX = 25
THRICE = Retry(attempts=3, first_wait_seconds=0.4)

Action = str
"""`do`, `refused`, or a call: the answers of the other side, attempt by attempt, the last one for ever."""


@dataclass(frozen=True)
class Stage:
    """Actions side by side; `caught`: the function gets over a failure of theirs."""

    actions: list[Action]
    caught: bool


@dataclass(frozen=True)
class Misfortunes:
    """Appends before and after which the process is killed, and before which an operator steps in."""

    killed_before: set[int]
    killed_after: set[int]
    requested_at: int


WELL: list[Action] = ["do", "do", "call acts", "call away acts", "call lost acts"]
BADLY: list[Action] = ["refused", "call lost", "call away", "call no", "call lost no"]


def stages(actions: list[Action]) -> st.SearchStrategy[list[Stage]]:
    side_by_side = st.lists(st.sampled_from(actions), min_size=1, max_size=3)
    return st.lists(st.builds(Stage, side_by_side, st.booleans()), max_size=3)


appends = st.integers(2, APPENDS_MAX)
misfortunes = st.builds(
    Misfortunes, st.sets(appends, max_size=2), st.sets(appends, max_size=2), appends | st.just(0)
)


def function_of(before: list[Stage], after: list[Stage]) -> SagaFunction:
    """A saga of two parts, with its pivot in between when the second one has any steps."""

    async def function(saga: Saga, _order: Order) -> None:
        number = 0
        for stage in [*before, *after]:
            if after and stage is after[0]:
                saga.pivot()
            steps: list[Step[Any]] = []
            for action in stage.actions:
                number += 1
                steps.append(asked(saga, number, action))
            try:
                await saga.gather(*steps)
            except (Rejected, CallFailed):
                if not stage.caught:
                    raise

    return function


def asked(saga: Saga, number: int, action: Action) -> Step[Any]:
    if not action.startswith("call"):
        return do(saga, f"{action}-{number}")
    return saga.call(SEND, Message(), compensate=UNSEND.of(Message()), retry=THRICE)


def answering(remote: Remote, program: list[Stage]) -> Behaviour:
    asked: Counter[str] = Counter()
    calls = [action.split()[1:] for stage in program for action in stage.actions]

    async def answer(key: str) -> None:
        answers = calls[int(key.partition("/")[2]) - 1]
        asked[key] += 1
        match answers[min(asked[key], len(answers)) - 1]:
            case "away":
                raise AWAY
            case "no":
                raise Rejected("no")
            case "lost":
                if key not in remote.cancelled:
                    remote.sent[key] = 1
                raise AWAY

    return answer


def killing(numbers: set[int]) -> Hook:
    async def die(number: int) -> None:
        if number in numbers:
            raise Killed

    return die


async def check(before: list[Stage], after: list[Stage], bad: Misfortunes) -> None:
    remote = Remote()
    remote.before_send = answering(remote, [*before, *after])
    refused = [f"refused-{number}" for number in range(1, 20)]
    service = service_of(function_of(before, after), remote, refuse=refusing(*refused))
    die = killing(bad.killed_before)

    async def request_or_die(number: int) -> None:
        if number == bad.requested_at:
            with contextlib.suppress(CannotCompensate):  # after the pivot
                await service.engine.compensate("s1", actor="ana", reason="stop")
        await die(number)

    service.store.before_append, service.store.after_append = request_or_die, killing(bad.killed_after)
    await service.engine.start("saga", Order(), saga_id="s1")
    await service.settle()
    await check_at_rest(service, remote)


async def check_at_rest(service: MemoryService, remote: Remote) -> None:
    """A completed saga keeps what succeeded, of any other nothing is left; and nothing happened twice."""
    outcome = await service.outcome()
    done, undone = Counter[str](), Counter[str]()
    async for event in service.store.read_all(category="tally"):
        (done if event.type == "Done" else undone)[event.data["tally"]] += 1
    kept = [step for step in outcome.saga.steps if step.status == "succeeded"]

    assert outcome.saga.status in ("completed", "compensated")
    assert set(done.values()) <= {1}
    if outcome.saga.status == "compensated":
        assert kept == []
        assert undone == done
    else:
        assert undone == {}
        assert len(done) == sum(step.kind == "execute" for step in kept)
    assert set(remote.sent) == {f"s1/{step.step}" for step in kept if step.kind == "call"}


@pytest.mark.slow
@settings(max_examples=150, database=None)
@given(stages(WELL + BADLY), stages(WELL), misfortunes)
def test_a_saga_at_rest_is_done_as_a_whole_or_undone_once(
    before: list[Stage], after: list[Stage], bad: Misfortunes
) -> None:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(check(before, after, bad))
