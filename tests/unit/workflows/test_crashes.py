"""fulfil-order killed at every append, before and after it took effect: as if nothing had happened."""

from collections.abc import Callable

import pytest

from domain import Command
from domain.account import Deposit
from tests.unit.workflows.shop import ORDER, Carrier, stocked_shop
from tests.unit.workflows.toys import History, histories, without_attempts
from workflows.saga.testing import MemoryService, killed_at

FORWARD = range(2, 15)
BACKWARD = range(2, 19)
OUTCOME_OF_THE_CALL = 7


def shop_refuses_money(command: Command) -> bool:
    return isinstance(command, Deposit) and command.account_id == "shop"


def nobody(_command: Command) -> bool:
    return False


async def run(service: MemoryService) -> dict[str, History]:
    await service.run_saga("fulfil-order", ORDER)
    return await histories(service)


@pytest.mark.parametrize("acknowledgement_lost", [False, True])
@pytest.mark.parametrize(
    ("append", "refuse"),
    [(append, nobody) for append in FORWARD] + [(append, shop_refuses_money) for append in BACKWARD],
)
async def test_a_killed_order_ends_like_an_undisturbed_one(
    append: int, refuse: Callable[[Command], bool], acknowledgement_lost: bool
) -> None:
    expected = await run(await stocked_shop(refuse=refuse))
    carrier = Carrier()
    service = await stocked_shop(carrier, refuse=refuse)
    if acknowledgement_lost:
        service.store.after_append = killed_at(append)
    else:
        service.store.before_append = killed_at(append)

    streams = await run(service)

    assert service.store.appends >= append
    assert without_attempts(streams.pop("saga-s1")) == without_attempts(expected.pop("saga-s1"))
    assert streams == expected
    assert carrier.booked == ({"s1/5"} if refuse is nobody else set())


async def test_the_appends_above_are_all_there_are() -> None:
    forward, backward = await stocked_shop(), await stocked_shop(refuse=shop_refuses_money)

    await run(forward)
    await run(backward)

    assert forward.store.appends == FORWARD[-1]
    assert backward.store.appends == BACKWARD[-1]


async def test_only_a_crash_around_a_call_repeats_an_attempt() -> None:
    expected = (await run(await stocked_shop()))["saga-s1"]
    differing: list[int] = []
    for append in FORWARD:
        service = await stocked_shop()
        service.store.before_append = killed_at(append)
        if (await run(service))["saga-s1"] != expected:
            differing.append(append)

    assert differing == [OUTCOME_OF_THE_CALL]
