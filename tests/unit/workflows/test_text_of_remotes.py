"""What a remote says about its refusal is text from anywhere: it is kept escaped and bounded, never a bug."""

import math
from typing import Any
from unittest.mock import ANY
from uuid import UUID

import pytest

from domain import Rejected
from tests.unit.workflows.toys import Order, Remote, counts, do, failing, request, send, service_of
from workflows.saga import Saga, journal

MANY = 5_000_000
KEPT_CHARS_MAX = 50_000

TEXTS = [
    pytest.param("bad\0address", "bad\\x00address", id="NUL"),
    pytest.param("bad\ud800address", "bad\\ud800address", id="lone surrogate"),
]


async def step_and_call(saga: Saga, _order: Order) -> None:
    await do(saga, "a")
    await send(saga)


async def refused(no: Rejected) -> journal.StepRejected:
    """The entry of a step that was refused like that, by a saga that was compensated for it."""
    remote = Remote()
    remote.before_send = failing(no)
    service = service_of(step_and_call, remote)
    outcome = await service.run_saga("saga", Order())
    assert outcome.saga.status == "compensated"
    assert await counts(service) == {"a": 0}
    [entry] = [entry for entry in outcome.journal if isinstance(entry, journal.StepRejected)]
    assert outcome.saga.error is not None
    assert outcome.saga.error.model_dump() == {
        "code": entry.code,
        "detail": entry.reason,
        "step": entry.step,
        "data": entry.data,
    }
    return entry


@pytest.mark.parametrize(("said", "kept"), TEXTS)
async def test_what_cannot_be_stored_is_escaped(said: str, kept: str) -> None:
    entry = await refused(Rejected(said, code=said, data={said: [said, {"deep": said}], "status": 422}))

    assert (entry.reason, entry.code) == (kept, kept)
    assert entry.data == {kept: [kept, {"deep": kept}], "status": 422}


@pytest.mark.parametrize("character", ["x", "\0", "\ud800"])
async def test_what_is_long_is_cut(character: str) -> None:
    entry = await refused(Rejected(character * MANY, code=character * MANY, data={"text": character * MANY}))

    assert 0 < len(entry.reason) < KEPT_CHARS_MAX
    assert 0 < len(entry.code) < KEPT_CHARS_MAX
    assert 0 < len(str(entry.data)) < KEPT_CHARS_MAX
    assert "left_out" in entry.data


def nested(levels: int) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for _ in range(levels):
        data = {"in": data}
    return data


def circular() -> dict[str, Any]:
    data: dict[str, Any] = {}
    data["self"] = data
    return data


@pytest.mark.parametrize(
    ("data", "kept"),
    [
        pytest.param({"number": 2**70}, {"number": str(2**70)}, id="an integer beyond 64 bits"),
        pytest.param({"number": math.nan}, {"number": None}, id="not a number"),
        pytest.param({"at": UUID(int=0)}, {"at": str(UUID(int=0))}, id="no JSON"),
        pytest.param({1: {(): 2}}, {"left_out": ANY}, id="keys that JSON has not"),
        pytest.param({"deep": nested(300)}, {"deep": ANY}, id="deeper than our JSON library goes"),
        pytest.param({"deep": nested(3_000)}, {"left_out": ANY}, id="deeper than Python goes"),
        pytest.param(circular(), {"left_out": ANY}, id="circular"),
    ],
)
async def test_data_of_any_kind_is_kept_or_left_out(data: dict[str, Any], kept: dict[str, Any]) -> None:
    entry = await refused(Rejected("no", data=data))

    assert entry.data == kept


@pytest.mark.parametrize(("said", "kept"), TEXTS)
async def test_a_compensation_that_is_refused_is_kept_as_what_it_is(said: str, kept: str) -> None:
    remote = Remote()
    remote.before_unsend = failing(Rejected(said))
    service = service_of(step_and_call, remote)
    await service.run_saga("saga", Order())

    await request(service)
    await service.settle()

    outcome = await service.outcome()
    assert outcome.saga.stuck is not None
    assert outcome.saga.stuck.reason == "compensation-failed"
    [failed] = [entry for entry in outcome.journal if isinstance(entry, journal.CompensationFailed)]
    assert failed.error == kept
