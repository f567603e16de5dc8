"""What a snapshot must not change: signals are known, children are told of, forged ones are passed over."""

from datetime import timedelta

import orjson
import pytest

from tests.unit.workflows.toys import TALLIES, Order, do, service_of
from workflows.saga import Saga, SagaDefinition
from workflows.saga.errors import SignalConflict
from workflows.saga.journal import journal_stream
from workflows.saga.shapes import journal_shape
from workflows.saga.state import SagaState, read_state
from workflows.saga.testing import MemoryService

STREAM = journal_stream("s1")
SHAPE = journal_shape(SagaState)


async def keep(service: MemoryService, saga_id: str = "s1") -> None:
    """A snapshot of the saga as it is."""
    state = await read_state(service.store, service.codec, saga_id)
    assert state is not None
    dump = SHAPE.offer(state, state.version)
    service.store.snapshots.offer(journal_stream(saga_id), SHAPE.fingerprint, dump)


async def wait_for_word(saga: Saga, order: Order) -> None:
    await saga.receive("word", Order, timeout=timedelta(days=1))
    if order.name == "order":
        saga.pivot()
        saga.continue_as(Order(name="second"))


def waiting() -> MemoryService:
    sagas = [SagaDefinition("saga", wait_for_word, Order, signals={"word": Order})]
    return MemoryService(TALLIES, sagas)


async def test_a_signal_that_was_taken_before_the_saga_began_anew_is_known() -> None:
    service = waiting()
    await service.engine.start("saga", Order(), saga_id="s1")
    word = {"name": "go"}
    await service.engine.signal("s1", "word", word, signal_id="n1", actor="ana")
    await service.settle(until=service.now() + timedelta(hours=1))
    await keep(service)

    saga = await service.engine.signal("s1", "word", word, signal_id="n1", actor="ana")

    assert (saga.status, saga.signals) == ("waiting", [])
    with pytest.raises(SignalConflict):
        await service.engine.signal("s1", "word", {"name": "stop"}, signal_id="n1", actor="ana")


async def test_what_no_state_can_be_made_of_is_passed_over() -> None:
    service = waiting()
    await service.engine.start("saga", Order(), saga_id="s1")
    whole = await read_state(service.store, service.codec, "s1")
    service.store.snapshots.offer(STREAM, SHAPE.fingerprint, lambda: (1, b'{"saga_id": 7}'))

    assert await read_state(service.store, service.codec, "s1") == whole


async def test_a_fold_of_other_code_is_not_read() -> None:
    service = service_of(lambda saga, _order: do(saga, "a"))
    await service.run_saga("saga", Order())
    whole = await read_state(service.store, service.codec, "s1")
    assert whole is not None
    forged = orjson.loads(SHAPE.dump(whole)) | {"status": "abandoned"}
    other = journal_shape(type("Other", (SagaState,), {}))

    service.store.snapshots.offer(STREAM, other.fingerprint, lambda: (whole.version, orjson.dumps(forged)))

    assert other.fingerprint != SHAPE.fingerprint
    assert await read_state(service.store, service.codec, "s1") == whole


async def test_the_state_as_of_a_version_takes_no_later_snapshot() -> None:
    service = service_of(lambda saga, _order: do(saga, "a"))
    await service.run_saga("saga", Order())
    await keep(service)

    first = await read_state(service.store, service.codec, "s1", to=1)

    assert first is not None
    assert (first.version, first.status) == (1, "queued")
