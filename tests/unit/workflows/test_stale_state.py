"""A cached state may be old: what it accepts is checked by the append, what it refuses is decided again."""

import asyncio

from domain.account import Deposit
from eventstore import Appended
from tests.unit.workflows.shop import dollars, stocked_shop
from tests.unit.workflows.toys import CODEC, TALLIES, Do, Undo
from workflows.saga.commands import CommandHandler, Decision
from workflows.saga.testing import Killed, MemoryService
from workflows.transfer_funds import TransferFunds

TRANSFER = TransferFunds(source="ana", target="shop", money=dollars(5_000))


async def test_a_refusal_from_a_stale_state_is_decided_again() -> None:
    service = await stocked_shop()
    process = service.process()
    await service.engine.start(
        "transfer-funds", TRANSFER.model_copy(update={"money": dollars(9_000)}), saga_id="s1"
    )
    await service.execute("s1", process)  # leaves 1,000 in its cache
    await service.apply(Deposit(account_id="ana", money=dollars(4_000)))  # by another process

    await service.engine.start("transfer-funds", TRANSFER, saga_id="s2")
    await service.execute("s2", process)

    assert (await service.outcome("s2")).saga.status == "completed"


async def test_a_refusal_is_journaled_only_while_the_stream_has_not_moved() -> None:
    service = await stocked_shop()
    await service.engine.start(
        "transfer-funds", TRANSFER.model_copy(update={"money": dollars(12_000)}), saga_id="s1"
    )

    async def deposit(number: int) -> None:
        if number == 2:  # between the decision and its append
            del service.store.before_append
            await service.apply(Deposit(account_id="ana", money=dollars(2_000)))

    service.store.appends, service.store.before_append = 1, deposit
    await service.settle()

    outcome = await service.outcome()
    assert outcome.saga.status == "completed"
    assert "StepRejected" not in outcome.entries


async def test_a_refusal_is_in_the_journal_and_is_not_decided_again_on_replay() -> None:
    service = await stocked_shop()
    service.refuse = lambda command: isinstance(command, Deposit) and command.account_id == "shop"
    await service.engine.start("transfer-funds", TRANSFER, saga_id="s1")

    async def die_after_the_refusal(_number: int) -> None:
        if "StepRejected" in (await service.outcome()).entries:
            del service.store.before_append
            service.refuse = lambda _: False
            raise Killed

    service.store.before_append = die_after_the_refusal
    await service.settle()

    outcome = await service.outcome()

    assert outcome.saga.status == "compensated"
    assert outcome.entries.count("StepRejected") == 1


async def test_a_refusal_that_nothing_is_appended_for_is_never_from_a_stale_state() -> None:
    """As of a direct command: it is answered, and no append checks it."""
    store = MemoryService(TALLIES, []).store
    stale, other = CommandHandler(store, CODEC), CommandHandler(store, CODEC)
    decided: list[Decision] = []

    async def commit(decision: Decision) -> Appended:
        decided.append(decision)
        if decision.rejection is not None:
            raise decision.rejection
        return await store.append([decision.batch({})])

    await stale.handle(Do(tally="a"), commit)
    await stale.handle(Undo(tally="a"), commit)
    await other.handle(Do(tally="a"), commit)
    await stale.handle(Undo(tally="a"), commit)

    assert [decision.rejection for decision in decided] == [None] * 4


async def test_an_accepting_stale_state_loses_the_race_and_is_brought_up_to_date() -> None:
    store = MemoryService(TALLIES, []).store
    first, second = CommandHandler(store, CODEC), CommandHandler(store, CODEC)
    tries: list[int] = []

    async def commit(decision: Decision) -> Appended:
        tries.append(decision.version)
        return await store.append([decision.batch({})])

    await first.handle(Do(tally="a"), commit)
    await second.handle(Do(tally="a"), commit)
    await first.handle(Do(tally="a"), commit)

    assert tries == [0, 1, 1, 2]


async def test_commands_on_one_stream_in_one_process_take_their_turns() -> None:
    store = MemoryService(TALLIES, []).store
    handler = CommandHandler(store, CODEC)
    tries: list[int] = []

    async def commit(decision: Decision) -> Appended:
        tries.append(decision.version)
        await asyncio.sleep(0.001)
        return await store.append([decision.batch({})])

    await asyncio.gather(*(handler.handle(Do(tally="a"), commit) for _ in range(4)))

    assert tries == [0, 1, 2, 3]
