"""Upcasting: what older code has stored, as today's code has it. On read only; what is stored stays as it is.

    OrderTaken 1  ->  OrderTaken 2  ->  OrderPlaced 1  ->  OrderPlaced 2     fields change, or the name
    LineAdded 1   ->  LineAdded 2, PriceSet 1                                one becomes several, or none

An upcaster is one arrow: a pure function of JSON. A chain is followed until all that it gives is of a current
schema version. Tables of upcasters are checked whole before anything is read: each version of each name that
may be stored leads to current ones, in one way and without a circle.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any, Protocol

from eventstore.errors import BrokenChain, UnknownSchema, UpcastFailed

Json = dict[str, Any]


class Upcaster(Protocol):
    """What was stored as `type` of schema version `version` becomes any of `into`: names with versions.

    `upcast` gives them in their order, one, several or none. It may change the JSON that it gets: that is a
    copy.
    """

    @property
    def type(self) -> str: ...

    @property
    def version(self) -> int: ...

    @property
    def into(self) -> Mapping[str, int]: ...

    @property
    def upcast(self) -> Callable[[Json], Sequence[tuple[str, Json]]]: ...


class Upcasters:
    """The current schema versions of some names, and all that leads to them. Raises BrokenChain."""

    def __init__(self, current: Mapping[str, int], upcasters: Iterable[Upcaster] = ()) -> None:
        self._current = dict(current)
        for name, version in current.items():
            if version < 1:
                raise BrokenChain(f"{_named(name, version)}: schema versions begin with 1")
        self._links: dict[tuple[str, int], Upcaster] = {}
        for upcaster in upcasters:
            place = upcaster.type, upcaster.version
            if self._links.setdefault(place, upcaster) is not upcaster:
                raise BrokenChain(f"{_named(*place)} has two upcasters")
        for upcaster in self._links.values():
            self._check_link(upcaster)
        for name in self.names():
            self._check_whole(name)
        for place in self._links:
            self._check_ends(place, ())

    def names(self) -> set[str]:
        """All names that can be read: current ones, and those that only older code has used."""
        return {*self._current, *(name for name, _ in self._links)}

    def versions(self, name: str) -> range:
        """The schema versions of `name` that can be read."""
        retired = max((version for known, version in self._links if known == name), default=0)
        return range(1, self._current.get(name, retired) + 1)

    def ends(self, name: str, version: int) -> frozenset[str]:
        """The current names that something stored as `name` may become; of what is not known, none.

        A newer schema version of a current name still is of that name, though it cannot be read.
        """
        if (link := self._links.get((name, version))) is not None:
            return frozenset(end for into in link.into.items() for end in self.ends(*into))
        return frozenset({name} & self._current.keys())

    def upcast(self, name: str, version: int, data: Json) -> list[tuple[str, Json]]:
        """What is stored, as current names and their JSON. Raises UnknownSchema, UpcastFailed."""
        if (link := self._links.get((name, version))) is not None:
            return [now for into in _follow(link, data) for now in self.upcast(*into)]
        if version != self._current.get(name):
            raise UnknownSchema(name, version, self.versions(name))
        return [(name, data)]

    def upcast_one(self, name: str, version: int, data: Json) -> tuple[str, Json]:
        """The same for what must stay one: a command. Raises UnknownSchema, UpcastFailed."""
        parts = self.upcast(name, version, data)
        if len(parts) != 1:
            raise UpcastFailed(f"{_named(name, version)} became {len(parts)}, and must stay one")
        return parts[0]

    def _check_link(self, upcaster: Upcaster) -> None:
        name, version = upcaster.type, upcaster.version
        this = f"the upcaster of {_named(name, version)}"
        current = self._current.get(name)
        if version < 1:
            raise BrokenChain(f"{this}: schema versions begin with 1")
        if current is not None and version >= current:
            raise BrokenChain(f"{this} leads nowhere: the current version of {name} is {current}")
        for target, then in upcaster.into.items():
            if target not in self.names():
                raise BrokenChain(f"{this} leads to {target}, which is not known")
            if then not in (known := self.versions(target)):
                last = f"the last known version is {known[-1]}"
                raise BrokenChain(f"{this} leads to {_named(target, then)}, and {last}")

    def _check_whole(self, name: str) -> None:
        for version in self.versions(name):
            if version != self._current.get(name) and (name, version) not in self._links:
                raise BrokenChain(f"{_named(name, version)} has no upcaster: it could not be read")

    def _check_ends(self, place: tuple[str, int], seen: tuple[tuple[str, int], ...]) -> None:
        if place in seen:
            raise BrokenChain(f"the upcasters of {_named(*place)} lead back to it")
        if (link := self._links.get(place)) is not None:
            for into in link.into.items():
                self._check_ends(into, (*seen, place))


def _follow(link: Upcaster, data: Json) -> Iterator[tuple[str, int, Json]]:
    try:
        parts = link.upcast(deepcopy(data))
        for name, part in parts:
            yield name, link.into[name], part
    except Exception as error:
        where = _named(link.type, link.version)
        raise UpcastFailed(f"{where} cannot be upcast: {type(error).__name__}: {error}") from error


def _named(name: str, version: int) -> str:
    return f"{name} version {version}"
