"""A call whose outcome is not known: the other side is asked before anything is sent again."""

from typing import Any

import pytest

from domain import Rejected
from tests.unit.workflows.family import serving, start
from tests.unit.workflows.toys import (
    AWAY,
    ONCE,
    SEND,
    TWICE,
    UNSEND,
    Behaviour,
    Message,
    Order,
    Remote,
    Sent,
    do,
    failing,
    obliging,
    send,
)
from workflows.saga import CallDefinition, Retry, Saga
from workflows.saga.testing import MemoryService, Outcome, killed_at


class Asked(Remote):
    """Can be asked what became of a request."""

    before_ask: Behaviour = staticmethod(obliging)

    def calls(self) -> list[CallDefinition[Any, Any]]:
        return [CallDefinition(SEND, self.send, self.find), CallDefinition(UNSEND, self.unsend)]

    async def find(self, _message: Message, key: str) -> Sent | None:
        self.requests.append(f"find {key}")
        await self.before_ask(key)
        return Sent(number=self.sent[key]) if key in self.sent else None


def acting_and_away(remote: Asked, times: int = 1) -> Behaviour:
    """It acts, and its answer is lost."""

    async def answer(key: str) -> None:
        if len(remote.requests) <= times:
            remote.sent[key] = 7
            raise AWAY

    return answer


async def run(remote: Asked, retry: Retry = TWICE, **more: Any) -> tuple[Outcome, MemoryService]:
    async def function(saga: Saga, _order: Order) -> int:
        await do(saga, "a")
        return (await send(saga, retry)).number

    service = serving(function, calls=remote.calls())
    for name, hook in more.items():
        setattr(service.store, name, hook)
    await start(service)
    await service.settle()
    return await service.outcome(), service


async def test_what_is_found_is_the_result_and_nothing_is_sent_again() -> None:
    remote = Asked()
    remote.before_send = acting_and_away(remote)

    outcome, _ = await run(remote)

    assert (outcome.status, outcome.result) == ("completed", 7)
    assert remote.requests == ["send s1/2", "find s1/2"]


async def test_what_is_not_found_is_sent_again() -> None:
    remote = Asked()
    remote.before_send = failing(AWAY, None)

    outcome, _ = await run(remote)

    assert outcome.status == "completed"
    assert remote.requests == ["send s1/2", "find s1/2", "send s1/2"]


async def test_it_is_asked_after_the_last_attempt_too() -> None:
    remote = Asked()
    remote.before_send = acting_and_away(remote)

    outcome, _ = await run(remote, ONCE)

    assert outcome.status == "completed"
    assert remote.requests == ["send s1/2", "find s1/2"]


async def test_a_call_that_is_not_found_after_the_last_attempt_has_failed_and_is_undone() -> None:
    remote = Asked()
    remote.before_send = failing(AWAY)

    outcome, _ = await run(remote, ONCE)

    assert outcome.status == "compensated"
    assert remote.requests == ["send s1/2", "find s1/2", "unsend s1/2"]


async def test_one_that_is_away_itself_is_asked_a_bounded_number_of_times() -> None:
    remote = Asked()
    remote.before_send = failing(AWAY)
    remote.before_ask = failing(AWAY)

    outcome, _ = await run(remote, Retry(attempts=3, first_wait_seconds=0.1))

    assert outcome.status == "compensated"
    assert outcome.error is not None
    assert "not known what became of it" in outcome.error.detail
    assert remote.requests == ["send s1/2", *["find s1/2"] * 3, "unsend s1/2"]


async def test_a_refusal_that_it_tells_of_is_the_outcome() -> None:
    remote = Asked()
    remote.before_send = failing(AWAY)
    remote.before_ask = failing(Rejected("no such parcel", code="unknown"))

    outcome, _ = await run(remote)

    assert outcome.status == "compensated"
    assert "StepRejected" in outcome.entries
    assert outcome.error is not None
    assert (outcome.error.code, outcome.error.step) == ("unknown", "2")


@pytest.mark.parametrize("append", range(2, 8))
@pytest.mark.parametrize("hook", ["before_append", "after_append"])
async def test_it_acts_once_wherever_the_process_dies(append: int, hook: str) -> None:
    remote = Asked()
    remote.before_send = acting_and_away(remote)

    outcome, _ = await run(remote, **{hook: killed_at(append)})

    assert outcome.status == "completed"
    assert remote.requests.count("send s1/2") <= 1 + (hook == "after_append" and append == 3)
    assert list(remote.sent) == ["s1/2"]
