"""The axis of a timeline: to scale, but for long stretches of nothing."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.console.saga.axis import GAP_WIDTH, Axis, axis_of

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
Seconds = st.floats(0, 10**8, allow_nan=False).map(lambda seconds: round(seconds, 6))


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def axis(*seconds: float, busy: tuple[tuple[float, float], ...] = ()) -> Axis:
    return axis_of(map(at, seconds), [(at(begins), at(ends)) for begins, ends in busy])


@given(st.lists(Seconds, min_size=1, max_size=30), st.lists(st.tuples(Seconds, Seconds), max_size=10))
def test_later_is_never_further_left_and_nothing_is_outside(
    seconds: list[float], busy: list[tuple[float, float]]
) -> None:
    spans = tuple((min(span), max(span)) for span in busy)
    instants = sorted({*seconds, *(each for span in spans for each in span)})

    drawn = axis(*instants, busy=spans)

    places = [drawn.at(at(each)) for each in instants]
    assert places == sorted(places)
    assert places[0] == 0
    assert all(0 <= place <= 100 for place in places)
    if len(instants) > 1:
        assert places[-1] == pytest.approx(100)
    for gap in drawn.gaps:
        assert not any(at(begins) < gap.ends and gap.begins < at(ends) for begins, ends in spans)


def test_without_long_stretches_it_is_to_scale() -> None:
    drawn = axis(0, 0.1, 0.2, 0.8, 1.0)

    assert [drawn.at(at(each)) for each in (0, 0.1, 0.5, 1.0)] == pytest.approx([0, 10, 50, 100])
    assert drawn.gaps == []


def test_days_of_waiting_leave_room_for_what_was_done() -> None:
    day = 86400.0
    drawn = axis(0, 1, 1 + 3 * day, 2 + 3 * day, busy=((0, 1), (1 + 3 * day, 2 + 3 * day)))

    [gap] = drawn.gaps
    assert (gap.seconds, gap.right - gap.left) == (3 * day, pytest.approx(GAP_WIDTH))
    assert drawn.at(at(1)) == pytest.approx((100 - GAP_WIDTH) / 2)


def test_an_hour_beside_days_is_compressed_as_well() -> None:
    drawn = axis(0, 1, 3601, 3602, 3602 + 10**6, busy=((0, 1), (3601, 3602)))

    assert [gap.seconds for gap in drawn.gaps] == [3600, 10**6]


def test_work_is_never_compressed_however_long() -> None:
    assert axis(0, 1, 10**6, 10**6 + 1, busy=((1, 10**6),)).gaps == []


def test_a_pause_shorter_than_a_second_is_none() -> None:
    assert axis(0, 0.1, 1.0, 1.1, busy=((0, 0.1), (1.0, 1.1))).gaps == []


def test_many_gaps_leave_half_of_the_width() -> None:
    drawn = axis(*(2.0**each + rest for each in range(20) for rest in (0, 0.1)))

    assert len(drawn.gaps) > 50 / GAP_WIDTH
    assert sum(gap.right - gap.left for gap in drawn.gaps) == pytest.approx(50)


def test_one_instant_has_a_place() -> None:
    assert axis(5).at(at(5)) == 0
    assert axis(5).at(at(9)) == 0
