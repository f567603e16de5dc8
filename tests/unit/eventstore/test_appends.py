"""What verification says of appends whose events do not belong together."""

from eventstore.audit.appends import Appends
from eventstore.audit.records import EventRow


def event(position: int, commit_position: int, time: bytes = b"12345678") -> EventRow:
    numbers = [position.to_bytes(8), commit_position.to_bytes(8), (1).to_bytes(4), (1).to_bytes(2)]
    return EventRow([*numbers, bytes(16), time, b"a-1", b"Happened", b"{}", b"{}"])


def found(*events: EventRow, safe: int = 10, latest: int = 10) -> list[str]:
    appends = Appends()
    details = [finding.detail for each in events for finding in appends.take(each)]
    return details + [finding.detail for finding in appends.left_open(safe, latest, lambda _: False)]


def test_appends_that_are_whole_are_sound() -> None:
    assert found(event(1, 3), event(2, 4), event(3, 3), event(4, 4), event(5, 5)) == []


def test_an_append_without_its_last_event_is_found() -> None:
    assert found(event(1, 3), event(2, 3)) == ["the append of position 1 ends at 3, which is missing"]


def test_an_append_whose_end_was_not_read_yet_is_no_fault() -> None:
    assert found(event(1, 3), safe=2, latest=3) == []


def test_an_end_that_was_never_drawn_is_found() -> None:
    detail = "the append of position 1 ends at 99, which was never drawn: the last one was 10"
    assert found(event(1, 99)) == [detail]


def test_an_append_that_ends_before_its_event_is_found() -> None:
    assert found(event(3, 2)) == ["event a-1@1 at position 3 says that its append ended before it, at 2"]


def test_an_event_with_another_time_than_its_append_is_found() -> None:
    detail = "event a-1@1 at position 2 has another time than position 1, which came with it"
    assert found(event(1, 2), event(2, 2, b"87654321")) == [detail]
