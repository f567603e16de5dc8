"""`after` of a request: the position that an answer must have come to, or the place where a page begins."""

from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Query

from app.positions import Position
from app.problems import FieldError, InvalidRequest
from app.readmodels.paging import CURSOR_CHARACTERS_MAX, Cursor, InvalidCursor

BEGINNING: Final = Position(0)

AfterText = Annotated[
    str,
    Query(
        max_length=CURSOR_CHARACTERS_MAX,
        description="`next` of the page before. Or the position of an answer, or the `Saga-Position` of one: "
        "the read model must have come so far, and is waited for.",
        examples=["17", "17@1"],
    ),
]

AfterPosition = Annotated[
    str,
    Query(
        max_length=CURSOR_CHARACTERS_MAX,
        description="`next` of the page before, or its `Saga-Position`; 0 starts at the beginning.",
        examples=["0", "17@1"],
    ),
]


@dataclass(frozen=True, slots=True)
class After:
    """What a list is asked for: at least as of `position`, going on after `cursor`."""

    position: Position = BEGINNING
    cursor: Cursor | None = None


def position_of(text: str) -> Position:
    """Raises InvalidRequest."""
    try:
        return Position.parse(text)
    except ValueError as error:
        raise _wrong(str(error)) from None


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


def _wrong(message: str) -> InvalidRequest:
    return InvalidRequest([FieldError(field="after", message=message)])
