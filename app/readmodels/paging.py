"""Lists in pages: filtered, sorted, and continued after a row rather than after a number of rows.

What is written meanwhile moves no page: a row that was there when the first page was read, and whose place in
the order stays, is met exactly once. One whose place changes (`updated`, a balance) may be met twice, or not
at all: it may move to where the reader has been.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Generic, Self, TypeVar

import orjson
import psycopg
from psycopg.rows import dict_row
from pydantic import BaseModel

from app.positions import POSITION_MAX, Position
from app.readmodels.reading import View

M = TypeVar("M", bound=BaseModel)
CURSOR_CHARACTERS_MAX: Final = 500
_INTEGER_MAX: Final = 2**63 - 1


class InvalidCursor(ValueError):
    """The cursor was not made by this list, in this order."""

    def __init__(self) -> None:
        super().__init__("the cursor is not one of this list in this order")


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in a list: after the row that is sorted by `values`. The list was as of `position`."""

    listing: str
    sort: str
    values: tuple[int | str, ...]
    position: Position

    def encode(self) -> str:
        place = [self.position.position, self.position.timeline, self.listing, self.sort, *self.values]
        return base64.urlsafe_b64encode(orjson.dumps(place)).rstrip(b"=").decode()

    @classmethod
    def decode(cls, text: str) -> Self:
        """Raises InvalidCursor."""
        try:
            match orjson.loads(base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)):
                case [int(position), int(timeline), str(listing), str(sort), *values] if (
                    0 <= position <= POSITION_MAX
                ):
                    return cls(listing, sort, tuple(values), Position(position, timeline))
        except (binascii.Error, ValueError):  # the second also for a letter that is no ASCII, and for JSON
            pass
        raise InvalidCursor


@dataclass(frozen=True, slots=True)
class Sort:
    """An order: by a column, and by the list's key where rows have the same value in it."""

    column: str
    value: type[int] | type[str] | type[datetime] = int
    unique: bool = False


@dataclass(frozen=True)
class Listing(Generic[M]):
    """A list: what it selects, and what it may be filtered and sorted by; SQL of our own, never a client's.

    A condition is used when its name is given; its value is the parameter of that name.
    """

    name: str
    select: str
    source: str
    key: str
    sorts: Mapping[str, Sort]
    conditions: Mapping[str, str]
    row: type[M]
    key_value: type[int] | type[str] = str

    async def page(
        self, view: View, given: Mapping[str, Any], sort: str, limit: int, after: Cursor | None = None
    ) -> tuple[list[M], str | None]:
        """A page in the order of `sort` (downwards with a `-` before it) and the cursor of the next one.

        Raises InvalidCursor.
        """
        rows, place = await self.rows(view.connection, given, sort, limit, after)
        return rows, None if place is None else Cursor(self.name, sort, place, view.position).encode()

    async def rows(
        self,
        connection: psycopg.AsyncConnection[Any],
        given: Mapping[str, Any],
        sort: str,
        limit: int,
        after: Cursor | None = None,
    ) -> tuple[list[M], tuple[Any, ...] | None]:
        """A page, and what its last row is sorted by if there is another page. Raises InvalidCursor."""
        query, parameters = self.statement(given, sort, limit, after)
        cursor = connection.cursor(row_factory=dict_row)
        await cursor.execute(query, parameters)
        rows = await cursor.fetchall()
        places = [row.pop("place") for row in rows]
        place = tuple(places[limit - 1]) if len(rows) > limit else None
        return [self.row(**row) for row in rows[:limit]], place

    def statement(
        self, given: Mapping[str, Any], sort: str, limit: int, after: Cursor | None = None
    ) -> tuple[bytes, dict[str, Any]]:
        """The query of a page, which asks for one row more, and its parameters. Raises InvalidCursor."""
        by, downwards = self.sorts[sort.removeprefix("-")], sort.startswith("-")
        columns = [by.column] if by.unique else [by.column, self.key]
        parameters = {**given, "limit": limit + 1}
        conditions = ["true", *(self.conditions[name] for name in given)]
        if after is not None:
            values = {f"after_{number}": value for number, value in enumerate(self._values(after, sort, by))}
            parameters |= values
            places = ", ".join(f"%({name})s" for name in values)
            conditions.append(f"({', '.join(columns)}) {'<' if downwards else '>'} ({places})")
        order = ", ".join(f"{column} {'desc' if downwards else 'asc'}" for column in columns)
        query = f"""
            select {self.select}, jsonb_build_array({", ".join(columns)}) as place
              from {self.source} where {" and ".join(conditions)} order by {order} limit %(limit)s"""
        return query.encode(), parameters

    async def find(self, view: View, given: Mapping[str, Any]) -> M | None:
        """The row for which the conditions hold, of which there is at most one."""
        rows, _ = await self.page(view, given, next(iter(self.sorts)), 1)
        return rows[0] if rows else None

    def _values(self, after: Cursor, sort: str, by: Sort) -> list[int | str | datetime]:
        types = [by.value] if by.unique else [by.value, self.key_value]
        if (after.listing, after.sort) != (self.name, sort) or len(after.values) != len(types):
            raise InvalidCursor
        return [_storable(value, of) for value, of in zip(after.values, types, strict=True)]


def _storable(value: Any, of: type[int] | type[str] | type[datetime]) -> int | str | datetime:
    """The value as Postgres takes it. Raises InvalidCursor: a cursor can be made by hand."""
    if type(value) is int and of is int and abs(value) <= _INTEGER_MAX:
        return value
    if type(value) is str and of is str and value.isprintable():
        return value
    if type(value) is str and of is datetime:
        try:
            return datetime.fromisoformat(value).astimezone(UTC)
        except (ValueError, OverflowError):
            raise InvalidCursor from None
    raise InvalidCursor
