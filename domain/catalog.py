"""The table of aggregates: command type -> decider, durable names -> classes."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from domain.decider import Command, Decider, Event

AnyDecider = Decider[Any, Any, Any]
T = TypeVar("T")


class UnknownName(LookupError):
    """No aggregate, command or event has this durable name."""


class Catalog:
    """All deciders of a service. Refuses two aggregates, commands or events of one name."""

    def __init__(self, deciders: Iterable[AnyDecider]) -> None:
        self._by_category: dict[str, AnyDecider] = {}
        self._by_command: dict[str, tuple[type[Command], AnyDecider]] = {}
        self._events: dict[str, type[Event]] = {}
        for decider in deciders:
            self._add(self._by_category, decider.category, decider)
            for command_type in decider.command_types():
                self._add(self._by_command, command_type.__name__, (command_type, decider))
            for event_type in decider.event_types():
                self._add(self._events, event_type.__name__, event_type)

    @staticmethod
    def _add(table: dict[str, T], name: str, value: T) -> None:
        if name in table:
            raise ValueError(f"{name!r} is defined twice in the catalog")
        table[name] = value

    @property
    def deciders(self) -> Mapping[str, AnyDecider]:
        return self._by_category

    def decider(self, category: str) -> AnyDecider:
        return self._find(self._by_category, category)

    def decider_of(self, command: Command) -> AnyDecider:
        return self._find(self._by_command, type(command).__name__)[1]

    def command(self, name: str, data: Mapping[str, Any]) -> Command:
        """The command as a value, of today's schema. Raises UnknownName, pydantic.ValidationError."""
        return self._find(self._by_command, name)[0].model_validate(data)

    def event(self, name: str, data: Mapping[str, Any]) -> Event:
        """The event as a value, of today's schema. Raises UnknownName, pydantic.ValidationError."""
        return self._find(self._events, name).model_validate(data)

    @staticmethod
    def _find(table: Mapping[str, T], name: str) -> T:
        try:
            return table[name]
        except KeyError:
            raise UnknownName(name) from None
