"""A start that is repeated after the definition's input has changed: the same request is the same saga."""

import pytest
from pydantic import BaseModel

from tests.unit.workflows.toys import CODEC, Order, service_of
from workflows.saga import Registry, Saga, SagaDefinition, SagaEngine
from workflows.saga.errors import SagaConflict
from workflows.saga.testing import MemoryService


async def no_steps(saga: Saga, _order: BaseModel) -> None:
    """Ends at once."""


class WithGift(Order):
    """One more field, with a default."""

    gift: bool = False


class WithOtherDefault(BaseModel):
    """The same field with another default."""

    name: str = "parcel"


class Numbered(BaseModel):
    """Reads no input that an earlier version recorded."""

    number: int


async def started(asked: BaseModel) -> MemoryService:
    service = service_of(no_steps)
    await service.engine.start("saga", asked, saga_id="s1")
    return service


def deployed(service: MemoryService, saga_input: type[BaseModel], name: str = "saga") -> SagaEngine:
    """The engine of the next version of the service."""
    return SagaEngine(service.store, Registry([SagaDefinition(name, no_steps, saga_input)]), CODEC)


@pytest.mark.parametrize("body", [{}, {"name": "order"}, {"name": "order", "gift": False}])
async def test_a_new_field_with_its_default_changes_nothing(body: dict[str, object]) -> None:
    engine = deployed(await started(Order()), WithGift)

    again = await engine.start("saga", body, saga_id="s1")

    assert not again.created
    assert again.saga.input == {"name": "order"}


async def test_a_new_field_with_another_value_is_another_request() -> None:
    engine = deployed(await started(Order()), WithGift)

    with pytest.raises(SagaConflict, match="another input"):
        await engine.start("saga", {"gift": True}, saga_id="s1")


async def test_what_the_request_meant_then_counts_not_what_it_would_mean_now() -> None:
    engine = deployed(await started(Order()), WithOtherDefault)

    assert not (await engine.start("saga", {"name": "order"}, saga_id="s1")).created
    with pytest.raises(SagaConflict, match="another input"):
        await engine.start("saga", {}, saga_id="s1")


async def test_an_input_that_this_version_cannot_read_is_another_one() -> None:
    engine = deployed(await started(Order()), Numbered)

    with pytest.raises(SagaConflict, match="another input"):
        await engine.start("saga", {"number": 1}, saga_id="s1")


async def test_another_saga_with_the_same_input_is_a_conflict() -> None:
    engine = deployed(await started(Order()), Order, name="other")

    with pytest.raises(SagaConflict, match="taken by a saga saga"):
        await engine.start("other", {}, saga_id="s1")
