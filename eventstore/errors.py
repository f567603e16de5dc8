"""Errors of the event store.

EventStoreError
├── WrongExpectedVersion   a lost race: read again, decide again
├── CommandIdReused        another request under a used command id
├── AppendRefused          the append function refused the attachment
├── InvalidAppend          the append breaks a rule of its own; retrying is useless
├── StoreUnavailable       the database did not answer in time; the append may or may not have happened
├── PoisonEvent            a follower cannot take in an event
├── FollowerParked         a follower waits before such an event for a person
├── FollowerOutdated       tables that another version of the code made
├── FollowerUnknown        no follower of the log has this name
├── FollowerConflict       its state does not allow what was asked
├── FollowerBehind         it has too much of the log before it for what was asked
├── TablesBusy             somebody holds the tables of a projection
├── OwnerNeeded            the role that was given may not make or move tables
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
    """A follower of the log cannot take in an event. After some attempts it is parked before it."""

    def __init__(self, event_type: str, position: int, error: Exception) -> None:
        super().__init__(f"{event_type} at position {position}: {type(error).__name__}: {error}")


class FollowerParked(EventStoreError):
    """A follower is parked before an event that it could not take in. Retry it, or skip the event."""


class FollowerOutdated(EventStoreError):
    """Another version of the code made these tables. They stay as they are; rebuild the projection."""


class FollowerUnknown(EventStoreError):
    """No projection or subscription has this name."""

    def __init__(self, name: str, what: str = "projection or subscription") -> None:
        super().__init__(f"there is no {what} {name!r}")


class FollowerConflict(EventStoreError):
    """What was asked of a follower is not possible in its state. Look at it, and decide again."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name}: {why}")


class FollowerBehind(EventStoreError):
    """A follower has too many events before it. Wait until it has caught up."""

    def __init__(self, name: str, behind: int) -> None:
        super().__init__(f"{name} is {behind} positions behind; wait until it has caught up")
        self.behind = behind


class TablesBusy(EventStoreError):
    """Readers or a follower hold tables or the checkpoint of a projection for too long. Nothing was changed;
    try again."""


class OwnerNeeded(EventStoreError):
    """The role may not make or move tables: servers need the owner's address, SAGA_OWNER_DATABASE_URL."""


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
