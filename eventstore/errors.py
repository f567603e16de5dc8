"""Errors of the event store.

EventStoreError
├── WrongExpectedVersion   a lost race: read again, decide again
├── CommandIdReused        another request under a used command id
├── AppendRefused          the append function refused the attachment
├── InvalidAppend          the append breaks a rule of its own; retrying is useless
├── StoreUnavailable       the database did not answer in time; the append may or may not have happened
├── PoisonEvent            a subscription's handler cannot handle an event
├── UnsafeReader           this connection cannot compute a safe position
├── BrokenChain            upcasters that do not lead from all that may be stored to today's schemas
├── UnknownSchema          stored under a name or schema version that this code does not know
└── UpcastFailed           an upcaster failed on what is stored
"""


class EventStoreError(Exception):
    """The event store could not do what was asked."""


class WrongExpectedVersion(EventStoreError):
    """The stream is not at the expected version: somebody else appended first. Read it and decide again."""

    def __init__(self, stream: str, expected: int, actual: int) -> None:
        super().__init__(f"{stream} is at version {actual}, not at {expected}")
        self.stream = stream
        self.expected = expected
        self.actual = actual


class CommandIdReused(EventStoreError):
    """The command id was used by another request. Choose a new id for a new request."""

    def __init__(self, command_id: str) -> None:
        super().__init__(f"command id {command_id!r} was used by another request")
        self.command_id = command_id


class AppendRefused(EventStoreError):
    """The database function that runs with the append refused its attachment; nothing was appended."""


class InvalidAppend(EventStoreError):
    """The append is malformed: no events, one stream twice, too many or too large events. Do not retry it."""


class StoreUnavailable(EventStoreError):
    """The database did not answer in time. Try again with the same event ids: an append is recognised."""


class UnsafeReader(EventStoreError):
    """A safe position needs READ COMMITTED on the primary: a standby or an old snapshot would skip events."""


class PoisonEvent(EventStoreError):
    """The handler of a subscription cannot handle an event. It waits before it for a handler that can."""

    def __init__(self, event_type: str, position: int, error: Exception) -> None:
        super().__init__(f"{event_type} at position {position}: {type(error).__name__}: {error}")


class BrokenChain(EventStoreError):
    """The upcasters of this code are not whole; nothing was read. The message says which one to mend."""


class UnknownSchema(EventStoreError, LookupError):
    """This code does not know what is stored. Deploy the code that does, or an upcaster for it."""

    def __init__(self, name: str, version: int, known: range) -> None:
        newest = known[-1] if known else 0
        what = f"newer than version {newest}, the last one" if 0 < newest < version else "nothing"
        super().__init__(f"{name} version {version} is {what} that this code knows")
        self.name = name
        self.version = version


class UpcastFailed(EventStoreError):
    """An upcaster failed on what is stored: mend the upcaster."""
