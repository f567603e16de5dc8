"""Acting on many sagas: each is decided on as it is, whatever the list said."""

from functools import partial
from typing import Any

import pytest

from app.api.bulk import PATH
from app.bulk import BulkAction, SeenSaga
from app.readmodels.sagas import SagaFilter
from domain.aggregates import CATALOG
from tests.unit.workflows.toys import Order, do, service_of
from workflows.saga import Saga, operations
from workflows.saga.codec import EventCodec
from workflows.saga.errors import NotPossible
from workflows.saga.state import SagaState, read_state
from workflows.sagas import SAGAS

CODEC = EventCodec(CATALOG)


async def tagged(saga: Saga, _order: Order) -> None:
    saga.tag(order="1")
    await do(saga, "a")


async def completed() -> SagaState:
    service = service_of(tagged)
    await service.run_saga("saga", Order())
    state = await read_state(service.store, CODEC, "s1")
    assert state is not None
    return state


def undoing(**wanted: Any) -> BulkAction:
    decide = partial(operations.compensate, actor="ana", reason="x")
    return BulkAction("compensate", decide, SagaFilter(**wanted), "ana", dry_run=False)


async def test_a_saga_that_the_filter_means_is_acted_on() -> None:
    state = await completed()

    assert undoing(status="completed", attributes={"order": "1"}).decide_if_wanted(state, 2) is not None
    assert undoing(ids=["s1"]).decide_if_wanted(state, 2) is not None


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ({"status": "stuck"}, "it is completed"),
        ({"attributes": {"order": "2"}}, "its attributes have changed"),
        ({"attributes": {"order": "1", "vip": "yes"}}, "its attributes have changed"),
    ],
)
async def test_one_that_it_does_not_mean_any_more_is_refused(wanted: dict[str, Any], reason: str) -> None:
    with pytest.raises(NotPossible, match=reason):
        undoing(**wanted).decide_if_wanted(await completed(), 2)


async def test_one_that_has_ended_must_be_at_the_version_that_was_seen() -> None:
    state = await completed()

    assert SeenSaga(saga_id="s1", status="completed", journal_version=state.version).still(state)
    assert not SeenSaga(saga_id="s1", status="completed", journal_version=state.version - 1).still(state)
    assert not SeenSaga(saga_id="s1", status="stuck", journal_version=state.version).still(state)


async def test_one_that_runs_may_have_gone_on() -> None:
    service = service_of(tagged)
    await service.run_saga("saga", Order())
    state = await read_state(service.store, CODEC, "s1", to=2)
    assert state is not None

    assert state.status == "running"
    assert SeenSaga(saga_id="s1", status="running", journal_version=1).still(state)
    assert not SeenSaga(saga_id="s1", status="queued", journal_version=2).still(state)


def test_no_saga_is_called_as_the_route_is() -> None:
    """Its start would never be reached."""
    assert PATH not in {f"/sagas/{definition.name}" for definition in SAGAS}
