"""Upcasters, as data beside their aggregate: how today's code reads what older code has stored.

    changed(name, version, change)         other fields: the same name, one version later
    renamed(name, version, to)             another durable name
    split(name, version, into, parts)      one stored event is several, or one of several
    dropped(name, version)                 an event that nobody needs any more

Each begins at the version that is stored. Their functions are pure and get JSON of their own, which they may
change and give back.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Upcaster:
    """What was stored as `type` of schema version `version` becomes any of `into`, names with versions."""

    type: str
    version: int
    into: Mapping[str, int]
    upcast: Callable[[Json], Sequence[tuple[str, Json]]]


def _as_it_is(data: Json) -> Json:
    return data


def changed(name: str, version: int, change: Callable[[Json], Json]) -> Upcaster:
    """Version `version` of `name` has other fields than the one after it."""
    return renamed(name, version, to=name, at=version + 1, change=change)


def renamed(
    name: str, version: int, *, to: str, at: int = 1, change: Callable[[Json], Json] = _as_it_is
) -> Upcaster:
    """What was `name` in version `version` is version `at` of `to` now; `change` is for its fields."""
    return Upcaster(name, version, {to: at}, lambda data: [(to, change(data))])


def split(
    name: str, version: int, into: Mapping[str, int], parts: Callable[[Json], Sequence[tuple[str, Json]]]
) -> Upcaster:
    """What was one `name` is any of `into` now, as many as `parts` gives, in that order."""
    return Upcaster(name, version, into, parts)


def dropped(name: str, version: int) -> Upcaster:
    """What was `name` in version `version` is nothing any more. It stays in its stream."""
    return Upcaster(name, version, {}, lambda _data: [])
