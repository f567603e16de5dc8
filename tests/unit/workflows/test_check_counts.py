"""`saga check` reads all that is stored, old versions included, and counts it by what it was stored as."""

from eventstore import Batch, NewEvent
from tests.unit.workflows import tomorrow
from tests.unit.workflows.test_upcast_commands import waiting
from tests.unit.workflows.tomorrow import COUNTERS
from tests.unit.workflows.toys import TALLIES, Remote
from workflows.saga.check import Check, Report
from workflows.saga.codec import EventCodec
from workflows.saga.stored import Stored
from workflows.saga.testing import MemoryService


async def check(service: MemoryService) -> Report:
    return await Check(service.store, service.codec, service.registry).run()


async def test_old_versions_fit_and_are_counted_with_what_they_became() -> None:
    service = await waiting(Remote())

    report = await check(service)

    assert report.ok
    assert report.replayed == 1
    counted = {(each.kind, each.name): each for each in report.stored}
    assert counted["event", "Done"] == Stored("event", "Done", 1, 1, 0, ["Done 2", "Noted 1"])
    assert counted["compensation", "Undo"] == Stored("compensation", "Undo", 1, 1, 0, ["TakeBack 1"])
    assert counted["compensation", "unsend"] == Stored("compensation", "unsend", 1, 1, 0, ["unsend 2"])
    assert counted["journal", "SagaRequested"].reads_as == ["SagaRequested 1"]
    assert sum(each.count for each in report.stored if each.kind != "compensation") == report.events


async def test_each_version_of_a_type_is_told_of_by_itself() -> None:
    service = await waiting(Remote())
    await service.apply(tomorrow.Do(counter="a"), tomorrow.TakeBack(counter="a"))
    service.codec = EventCodec(TALLIES)

    findings = (await check(service)).findings

    of_events = {(each.recorded, each.count) for each in findings if each.kind == "event"}
    assert of_events == {("Done", 1), ("Noted", 1), ("TakenBack", 1)}
    assert any("Done version 2 is newer than version 1" in each.detail for each in findings)


async def test_a_compensation_that_cannot_be_read_is_counted_and_found_where_it_may_still_be_asked_for() -> (
    None
):
    service = await waiting(Remote())
    service.deploy(COUNTERS, [tomorrow.definition()], tomorrow.calls(Remote())[:1])

    report = await check(service)

    [unread] = [each for each in report.stored if each.unread]
    assert (unread.kind, unread.name, unread.count) == ("compensation", "unsend", 1)
    assert [(each.kind, each.step) for each in report.findings] == [("compensation", "2")]


async def test_what_was_decided_about_read_models_is_none_of_the_catalogs_business() -> None:
    service = await waiting(Remote())
    parked = NewEvent("ProjectionParked", {"follower": "sagas"})
    await service.store.append([Batch("projection-sagas", 0, [parked])])

    assert (await check(service)).ok
