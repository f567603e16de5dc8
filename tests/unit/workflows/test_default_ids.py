"""The id of an order's saga when its caller gives none: one for each order, in the bounds of a saga id."""

import pytest

from tests.unit.workflows.shop import ORDER, stocked_shop
from workflows.fulfil_order import FulfilOrder, default_id

LONGEST = "x" * 120


def order(order_id: str) -> FulfilOrder:
    return ORDER.model_copy(update={"order_id": order_id})


@pytest.mark.parametrize("order_id", ["10248", "a:b.c_d-e", "x" * 107])
def test_it_names_the_order(order_id: str) -> None:
    assert default_id(order(order_id)) == f"fulfil-order-{order_id}"


@pytest.mark.parametrize("length", range(107, 121))
async def test_an_order_is_started_however_long_its_id_is(length: int) -> None:
    service = await stocked_shop()
    asked = order(LONGEST[:length])

    started = await service.engine.start("fulfil-order", asked)
    again = await service.engine.start("fulfil-order", asked)

    assert (started.created, again.created) == (True, False)
    assert started.saga.saga_id == again.saga.saga_id


def test_long_ids_that_begin_alike_are_different_sagas() -> None:
    ids = [LONGEST[:108], LONGEST[:109], LONGEST, LONGEST[:119] + "y"]

    assert len({default_id(order(order_id)) for order_id in ids}) == len(ids)


def test_the_id_of_a_long_one_is_the_same_in_every_version_of_the_code() -> None:
    """A request that is repeated after a deploy must find its saga."""
    digest = "13f05a0b594787f5ecd315edc96141bd3243203d1b7d4f0836f37308b276ba98"

    assert default_id(order(LONGEST)) == f"fulfil-order-{digest}"
