"""docs/wait-for-approval.md: what it says about signals is so."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from domain.account import Deposit, OpenAccount
from domain.aggregates import CATALOG
from domain.money import Money
from tests.docs.howto.approvals import PAY_OUT, Approval, PayOut, reminded, two_of_three
from workflows.saga import SagaDefinition
from workflows.saga.errors import (
    NotPossible,
    SignalConflict,
    SignalTooLarge,
    TooManySignals,
    UnknownSignal,
)
from workflows.saga.testing import MemoryService

MONEY = Money(amount=100, currency="USD")
ASKED = PayOut(account="a", to="b", money=MONEY)
YES = {"approved": True, "by": "bo"}


async def bank(saga: SagaDefinition = PAY_OUT) -> MemoryService:
    service = MemoryService(CATALOG, [saga])
    await service.apply(
        *(OpenAccount(account_id=account, currency="USD") for account in "ab"),
        Deposit(account_id="a", money=MONEY),
    )
    return service


async def started(saga: SagaDefinition = PAY_OUT) -> MemoryService:
    service = await bank(saga)
    await service.engine.start(saga.name, ASKED, saga_id="s1")
    return service


async def say(service: MemoryService, data: Any, signal_id: str | None = None) -> None:
    await service.engine.signal("s1", "approval", data, signal_id=signal_id, actor="bo")


async def test_an_approval_lets_it_go_on() -> None:
    service = await started()
    await service.run_next()
    view = (await service.outcome()).saga
    assert view.status == "waiting"
    assert view.waits_for is not None
    assert view.waits_for.signals == ["approval"]
    assert service.enqueued[0].due - service.now() > timedelta(hours=23)

    await say(service, YES)
    await service.settle()

    assert (await service.outcome()).saga.result == "bo"


@pytest.mark.parametrize(
    ("data", "detail"),
    [({"approved": False, "by": "bo"}, "bo said no"), (None, "nobody decided in a day")],
)
async def test_a_no_and_a_silence_give_the_money_back(data: Any, detail: str) -> None:
    service = await started()
    await service.run_next()
    if data:
        await say(service, data)
    await service.settle()
    outcome = await service.outcome()

    assert outcome.saga.status == "compensated"
    assert outcome.saga.error is not None
    assert outcome.saga.error.detail == detail
    assert outcome.compensations == [Deposit(account_id="a", money=MONEY, reference="s1")]


async def test_a_signal_may_come_before_it_is_waited_for() -> None:
    service = await started()
    await say(service, YES)
    await service.settle()

    outcome = await service.outcome()
    assert outcome.saga.status == "completed"
    assert "Parked" not in outcome.entries


async def test_the_same_id_counts_once_and_another_content_is_refused() -> None:
    service = await started()
    await say(service, YES, "mail-17")
    await say(service, YES, "mail-17")

    assert (await service.outcome()).saga.signals == ["approval"]
    with pytest.raises(SignalConflict):
        await say(service, {"approved": False, "by": "bo"}, "mail-17")


async def test_what_the_saga_does_not_know_or_cannot_read_is_refused() -> None:
    service = await started()
    with pytest.raises(UnknownSignal):
        await service.engine.signal("s1", "other", YES, actor="bo")
    with pytest.raises(ValidationError):
        await say(service, {"approved": "perhaps"})


async def test_a_saga_that_has_ended_or_is_undone_takes_no_signal() -> None:
    service = await started()
    await service.settle()

    with pytest.raises(NotPossible):
        await say(service, YES)


async def test_too_many_and_too_large_ones_are_refused() -> None:
    service = await started()
    for number in range(20):
        await say(service, YES, f"id-{number}")
    with pytest.raises(TooManySignals):
        await say(service, YES)
    service.skip(timedelta(seconds=1))
    await say(service, YES)


async def test_a_large_signal_is_refused() -> None:
    class Letter(BaseModel):
        text: str

    service = await started(SagaDefinition("pay-out", two_of_three, input=PayOut, signals={"letter": Letter}))
    with pytest.raises(SignalTooLarge):
        await service.engine.signal("s1", "letter", {"text": "x" * 65_536}, actor="bo")


async def test_a_saga_that_went_back_waits_for_another_signal() -> None:
    saga = SagaDefinition("pay-out", two_of_three, input=PayOut, signals={"approval": Approval})
    service = await started(saga)
    for who in ("bo", "cy"):
        await say(service, {"approved": True, "by": who}, f"from-{who}")
    await service.settle()
    await service.engine.compensate("s1", actor="ana", reason="ask again", to_step="1")
    await service.settle()
    await service.engine.resume("s1", actor="ana", reason="ask again")
    await service.settle()
    assert (await service.outcome()).saga.status == "waiting"

    await say(service, {"approved": True, "by": "cy"}, "from-cy")
    await service.settle()
    assert (await service.outcome()).saga.status == "waiting"

    await say(service, {"approved": True, "by": "cy"}, "from-cy-again")
    await service.settle()
    assert (await service.outcome()).saga.result == ["bo", "cy"]


async def test_two_of_three_must_agree() -> None:
    service = await started(
        SagaDefinition("pay-out", two_of_three, input=PayOut, signals={"approval": Approval})
    )
    for who in ("bo", "bo", "cy"):
        await service.settle()
        assert (await service.outcome()).saga.status == "waiting"
        await say(service, {"approved": True, "by": who})
    await service.settle()

    assert (await service.outcome()).saga.result == ["bo", "cy"]


async def test_a_reminder_is_an_attribute_that_lists_can_show() -> None:
    service = await started(SagaDefinition("pay-out", reminded, input=PayOut, signals={"approval": Approval}))
    await service.run_next()
    await service.run_next()

    assert (await service.outcome()).saga.attributes == {"reminder": "1"}

    await service.settle()
    assert (await service.outcome()).saga.result is None
