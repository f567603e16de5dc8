"""Positions that a request names.

`after`       the position that an answer must have come to, or the place where a page begins
`position`    the moment that something is looked at
"""

from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends, Query

from app.positions import Position, current_timeline
from app.problems import FieldError, InvalidRequest
from app.readmodels.paging import CURSOR_CHARACTERS_MAX, Cursor, InvalidCursor
from eventstore.connections import Pool

BEGINNING: Final = Position(0)

POSITION_PATTERN: Final = r"^[0-9]{1,13}(@[0-9]{1,10})?$"
PLACE_PATTERN: Final = r"^([0-9]{1,13}(@[0-9]{1,10})?|[A-Za-z_-][A-Za-z0-9_-]*)$"
"""A position, or the cursor of a list, which begins with a letter."""

AfterText = Annotated[
    str,
    Query(
        max_length=CURSOR_CHARACTERS_MAX,
        pattern=PLACE_PATTERN,
        description="`next` of the page before. Or the position of an answer, or the `Saga-Position` of one: "
        "the read model must have come so far, and is waited for.",
        examples=["17", "17@1"],
    ),
]

AfterPosition = Annotated[
    str,
    Query(
        pattern=POSITION_PATTERN,
        description="`next` of the page before, or its `Saga-Position`; 0 starts at the beginning.",
        examples=["0", "17@1"],
    ),
]


@dataclass(frozen=True, slots=True)
class After:
    """What a list is asked for: at least as of `position`, going on after `cursor`."""

    position: Position = BEGINNING
    cursor: Cursor | None = None


def position_of(text: str, field: str = "after") -> Position:
    """Raises InvalidRequest."""
    try:
        return Position.parse(text)
    except ValueError as error:
        raise _wrong(str(error), field) from None


async def past_position(
    position: Annotated[
        str | None,
        Query(
            pattern=POSITION_PATTERN,
            description="As of this position, or the `Saga-Position` of an answer: without appends that end "
            "after it.",
            examples=["17", "17@1"],
        ),
    ] = None,
) -> Position | None:
    """Raises InvalidRequest."""
    return None if position is None else position_of(position, "position")


PastPosition = Annotated[Position | None, Depends(past_position)]


async def on_this_timeline(pool: Pool, asked: Position | None) -> int | None:
    """Where that is on the server. Raises OtherTimeline."""
    if asked is None:
        return None
    return asked.position if asked.timeline is None else asked.on(await current_timeline(pool))


def after_of(text: str | None) -> After:
    """Either of the two. A page is never as of an earlier position than the one before it.

    Raises InvalidRequest.
    """
    if text is None:
        return After()
    if text[:1].isdigit():  # a cursor begins with a letter
        return After(position_of(text))
    try:
        cursor = Cursor.decode(text)
    except InvalidCursor as error:
        raise _wrong(str(error)) from None
    return After(cursor.position, cursor)


def _wrong(message: str, field: str = "after") -> InvalidRequest:
    return InvalidRequest([FieldError(field=field, message=message)])
