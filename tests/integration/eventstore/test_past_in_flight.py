"""While an append is in flight the past ends before it, for everybody."""

from datetime import timedelta

import pytest

from eventstore import Batch
from eventstore.postgres import PostgresEventStore
from tests.conftest import Database
from tests.integration.eventstore.stores import append_by_hand, connect, everything, open_store
from tests.unit.workflows.toys import CODEC, Done
from workflows.past import Moment, NotReached, Past
from workflows.saga.commands import CommandHandler

pytestmark = pytest.mark.postgres


async def do(store: PostgresEventStore, version: int) -> int:
    """One more event of the tally; gives its position."""
    event = CODEC.encode(Done(tally="a"), {})
    return (await store.append([Batch("tally-a", version, [event])])).position


async def test_what_is_above_an_open_append_is_not_told_before_it_ends(database: Database) -> None:
    async with open_store(database.url) as store, await connect(database.url) as hand:
        past = Past(store, CommandHandler(store, CODEC))
        await do(store, 0)
        async with hand.transaction():
            in_flight = await append_by_hand(hand, "other-1", 0)
            position = await do(store, 1)
            now = await store.now()

            assert position > in_flight
            with pytest.raises(NotReached) as told:
                await past.aggregate("tally", "a", Moment(position=position))
            assert told.value.known["safe_position"] < in_flight
            then = await past.aggregate("tally", "a", Moment(as_of=now))
            assert (then.version, then.state.count) == (1, 1)  # type: ignore[attr-defined]
            assert (await past.aggregate("tally", "a", Moment(version=2))).version == 2

        assert (await past.aggregate("tally", "a", Moment(position=position))).version == 2
        assert (await past.aggregate("tally", "a", Moment(as_of=now))).version == 2
        assert (await past.aggregate("tally", "a", Moment(position=in_flight))).version == 1


async def test_an_append_has_one_time_in_all_its_streams(database: Database) -> None:
    async with open_store(database.url) as store:
        event = CODEC.encode(Done(tally="a"), {})
        again = CODEC.encode(Done(tally="b"), {})
        appended = await store.append([Batch("tally-a", 0, [event]), Batch("tally-b", 0, [again])])
        before = appended.recorded_at - timedelta(microseconds=1)

        for stream in ("tally-a", "tally-b"):
            assert len(await everything(store.read_stream(stream, as_of=appended.recorded_at))) == 1
            assert await everything(store.read_stream(stream, as_of=before)) == []
