"""The codec: the one place where events become JSON, and where stored JSON becomes events and commands.

    encode      event                  ->  NewEvent, of today's schema version
    decode      RecordedEvent          ->  upcast to today's schemas  ->  events: one, several or none
    command     name, data, version    ->  the same for a command that a journal keeps

Whoever looks at stored events as such, and not at what they mean, takes them from the store as they are.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from domain import Catalog, Command, Event, Upcaster
from eventstore import BrokenChain, NewEvent, RecordedEvent, Upcasters
from workflows.saga import journal

NOT_KNOWN: Final = Upcasters({})
_JOURNAL: Final = f"{journal.CATEGORY}-"


class EventCodec:
    """Encodes and decodes the events of the catalog's aggregates, and the entries of journals.

    Raises BrokenChain when not all that may be stored has a way to the classes of today.
    """

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self._journal = Upcasters(_versions(journal.ENTRIES), journal.UPCASTERS)
        self._events: dict[str, Upcasters] = {}
        self._commands: dict[str, Upcasters] = {}
        for decider in catalog.deciders.values():
            _add(self._events, Upcasters(_versions(decider.event_types()), decider.upcasters))
            commands = Upcasters(_versions(decider.command_types()), decider.command_upcasters)
            _add(self._commands, commands)
            _check_stay_one(decider.command_upcasters)

    def encode(self, event: Event, metadata: Mapping[str, Any]) -> NewEvent:
        """An event or an entry, ready to be appended."""
        return NewEvent(
            type=type(event).__name__,
            data=event.model_dump(mode="json"),
            metadata=metadata,
            schema_version=event.schema_version,
        )

    def decode(self, recorded: RecordedEvent) -> list[Event]:
        """What was recorded, as today's code has it: one event; several, or none, if it was split since.

        They share the version and the position of what is stored. Raises UnknownSchema, UpcastFailed,
        pydantic.ValidationError.
        """
        make = journal.entry if _of_journal(recorded) else self.catalog.event
        upcast = self._upcasters(recorded).upcast(recorded.type, recorded.schema_version, recorded.data)
        return [make(name, data) for name, data in upcast]

    def names(self, recorded: RecordedEvent) -> frozenset[str]:
        """The durable names that decoding may give, without doing so; none for what is not known."""
        return self._upcasters(recorded).ends(recorded.type, recorded.schema_version)

    def command(self, name: str, data: dict[str, Any], version: int) -> Command:
        """The command that was stored under this name and schema version.

        Raises UnknownSchema, UpcastFailed, pydantic.ValidationError.
        """
        return self.catalog.command(*self._commands.get(name, NOT_KNOWN).upcast_one(name, version, data))

    def _upcasters(self, recorded: RecordedEvent) -> Upcasters:
        return self._journal if _of_journal(recorded) else self._events.get(recorded.type, NOT_KNOWN)


def _of_journal(recorded: RecordedEvent) -> bool:
    return recorded.stream.startswith(_JOURNAL)


def _versions(types: Iterable[type[Event] | type[Command]]) -> dict[str, int]:
    return {each.__name__: each.schema_version for each in types}


def _check_stay_one(upcasters: Iterable[Upcaster]) -> None:
    for each in upcasters:
        if len(each.into) != 1:
            raise BrokenChain(f"the upcaster of {each.type} version {each.version}: a command stays one")


def _add(table: dict[str, Upcasters], upcasters: Upcasters) -> None:
    for name in sorted(upcasters.names()):
        if table.setdefault(name, upcasters) is not upcasters:
            raise BrokenChain(f"{name} is a name of two aggregates, of one in an upcaster")
