"""Positions and cursors that leave the process: what they look like, and what is none."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.positions import after_of
from app.positions import POSITION_MAX, OtherTimeline, Position
from app.problems import InvalidRequest
from app.readmodels.paging import Cursor, InvalidCursor

values = st.lists(st.one_of(st.integers(-(2**63) + 1, 2**63 - 1), st.text(max_size=120)), max_size=3).map(
    tuple
)


@given(st.integers(0, POSITION_MAX), st.one_of(st.none(), st.integers(0, 2**31 - 1)))
def test_a_position_reads_as_it_was_written(position: int, timeline: int | None) -> None:
    assert Position.parse(str(Position(position, timeline))) == Position(position, timeline)


@pytest.mark.parametrize(
    "text", ["", "-1", "1.5", "1@", "@1", "1@x", "1 ", "\u0661", "1\n", "9" * 13, "1@1@1"]
)
def test_what_is_no_position_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="position"):
        Position.parse(text)


def test_a_position_of_another_timeline_says_nothing() -> None:
    assert Position(17).on(3) == Position(17, 3).on(3) == 17
    with pytest.raises(OtherTimeline):
        Position(17, 2).on(3)


@given(values, st.integers(0, POSITION_MAX), st.integers(0, 2**31 - 1))
def test_a_cursor_reads_as_it_was_written(
    values: tuple[int | str, ...], position: int, timeline: int
) -> None:
    cursor = Cursor("orders", "-placed", values, Position(position, timeline))

    assert Cursor.decode(cursor.encode()) == cursor
    assert after_of(cursor.encode()).cursor == cursor


@given(st.text(max_size=40))
def test_any_text_is_a_cursor_or_refused(text: str) -> None:
    with suppress(InvalidCursor):
        assert Cursor.decode(text).encode()


def test_after_is_a_position_or_the_place_of_a_page() -> None:
    cursor = Cursor("orders", "-placed", (5,), Position(17, 2))

    assert (after_of(None).position, after_of(None).cursor) == (Position(0), None)
    assert (after_of("17@2").position, after_of("17").cursor) == (Position(17, 2), None)
    assert after_of(cursor.encode()).position == Position(17, 2)
    with pytest.raises(InvalidRequest):
        after_of("")
    with pytest.raises(InvalidRequest):
        after_of("junk")
