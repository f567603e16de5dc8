"""Any event and entry, of any version that was ever frozen, is read by the code of today."""

from copy import deepcopy
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.aggregates import CATALOG
from eventstore import RecordedEvent
from tests.golden.durable import frozen
from tests.golden.shapes import values_of
from workflows.saga.codec import EventCodec

CODEC = EventCodec(CATALOG)
STORED = [
    (kind, name, int(version), schema)
    for kind in ("events", "journal")
    for name, versions in frozen()[kind].items()
    for version, schema in versions.items()
]

every_one = pytest.mark.parametrize(
    ("kind", "name", "version", "schema"), STORED, ids=[f"{name}-{version}" for _, name, version, _ in STORED]
)


def recorded(kind: str, name: str, version: int, data: dict[str, Any]) -> RecordedEvent:
    stream = "saga-s1" if kind == "journal" else "any-1"
    return RecordedEvent(
        7, 7, stream, 3, UUID(int=0), name, version, data, {}, datetime(2026, 1, 1, tzinfo=UTC)
    )


@every_one
@settings(max_examples=10)
@given(data=st.data())
def test_it_is_read_the_same_each_time_and_stays_as_it_is(
    kind: str, name: str, version: int, schema: dict[str, Any], data: st.DataObject
) -> None:
    stored = data.draw(values_of(schema))
    before = deepcopy(stored)

    event = recorded(kind, name, version, stored)
    first, second = CODEC.decode(event), CODEC.decode(event)

    assert first == second
    assert {type(each).__name__ for each in first} <= CODEC.names(event)
    assert stored == before
