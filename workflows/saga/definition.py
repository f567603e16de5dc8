"""What a team writes down about its sagas and calls, and the registry that finds them by durable name."""

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar, get_type_hints

from pydantic import BaseModel, TypeAdapter
from tenacity import RetryCallState, Retrying, wait_exponential_jitter

from domain import Upcaster
from eventstore import Upcasters
from workflows.saga.errors import InvalidSagaId, UnknownSaga
from workflows.saga.limits import PRIORITY_DEFAULT, Limits
from workflows.saga.on_event import OnEvent
from workflows.saga.runs import QUEUE, SHARED, Lane, queue_of
from workflows.saga.schedules import Schedule, check_scheduled_name

A = TypeVar("A", bound=BaseModel)
R = TypeVar("R", bound=BaseModel)

SAGA_ID = re.compile(r"[A-Za-z0-9._:-]{1,120}")
ATTRIBUTE_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,60}")
ATTRIBUTE_CHARS_MAX: Final = 200
ATTRIBUTES_MAX: Final = 20


class Nothing:
    """The type of NOTHING."""

    def __repr__(self) -> str:
        return "NOTHING"


NOTHING: Final = Nothing()
"""Said aloud as `compensate=NOTHING`: this step needs no compensation."""


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a call is tried and how long it waits between two attempts (exponential, with jitter)."""

    attempts: int = 5
    first_wait_seconds: float = 0.2
    longest_wait_seconds: float = 60.0

    def wait_seconds(self, attempt: int) -> float:
        """The wait after the failed attempt number `attempt` (from 1)."""
        wait = wait_exponential_jitter(
            multiplier=self.first_wait_seconds, max=self.longest_wait_seconds, jitter=self.first_wait_seconds
        )
        state = RetryCallState(Retrying(), None, (), {})
        state.attempt_number = attempt
        return wait(state)


@dataclass(frozen=True, slots=True)
class Call(Generic[A, R]):
    """The durable name and the types of an effect outside our database.

    `version` is the schema version of the argument; `upcasters` are for arguments of versions before, and for
    names that the call had before.
    """

    name: str
    argument: type[A]
    result: type[R]
    version: int = 1
    upcasters: tuple[Upcaster, ...] = ()

    def of(self, argument: A) -> "CompensatingCall":
        """This call with its argument, as the compensation of another call."""
        return CompensatingCall(self.name, argument, self.version)


@dataclass(frozen=True, slots=True)
class CompensatingCall:
    """A call that undoes another one. It depends on the argument only: there may be no result to look at."""

    name: str
    argument: BaseModel
    version: int = 1


@dataclass(frozen=True, slots=True)
class CallDefinition(Generic[A, R]):
    """Binds a call to the function that performs it: `function(argument, key)`.

    `key` is the same for every attempt, and for the compensation. The function raises domain.Rejected for a
    business no and Transient for what a retry may mend; anything else is a bug and makes the saga stuck.
    `resolver(argument, key)` asks the other side what became of a request whose outcome is not known: the
    result if it acted, None if it did not, Rejected if it refused. It is asked before such a call is sent
    again.
    """

    call: Call[A, R]
    function: Callable[[A, str], Awaitable[R]]
    resolver: Callable[[A, str], Awaitable[R | None]] | None = None


@dataclass(frozen=True, slots=True)
class SagaDefinition:
    """One kind of saga: its durable name, its function, the version of its code and the type of its input.

    `id` makes the default saga id from the input; without it an id is made. `signals` are those that the saga
    can receive, with the type of their data. `attributes` makes its first search attributes from the input.
    `on` says which events start it, `schedule` at which times it starts, `limits` bound its runs.
    """

    name: str
    function: Callable[[Any, Any], Awaitable[Any]]
    input: type[BaseModel]
    version: int = 1
    id: Callable[[Any], str] | None = None
    signals: Mapping[str, type[BaseModel]] = field(default_factory=dict)
    attributes: Callable[[Any], dict[str, str]] | None = None
    on: OnEvent[Any] | None = None
    limits: Limits = field(default_factory=Limits)
    schedule: Schedule | None = None

    def __post_init__(self) -> None:
        if self.schedule is not None:
            check_scheduled_name(self.name)

    @property
    def lane(self) -> Lane:
        """Where its runs wait."""
        queue = queue_of(self.name) if self.limits.need_a_queue else QUEUE
        return Lane(queue, self.limits.priority or PRIORITY_DEFAULT)

    def attributes_of(self, saga_input: BaseModel) -> dict[str, str]:
        """The attributes that a saga starts with. Raises ValueError."""
        return checked_attributes(self.attributes(saga_input)) if self.attributes else {}

    @property
    def result(self) -> TypeAdapter[Any]:
        """The type that the function says it returns."""
        return TypeAdapter(get_type_hints(self.function).get("return", Any))


@dataclass(frozen=True)
class Registry:
    """All sagas and calls of a service. Refuses two of one name, and upcasters that are not whole."""

    sagas: Iterable[SagaDefinition]
    calls: Iterable[CallDefinition[Any, Any]] = ()
    _sagas: dict[str, SagaDefinition] = field(init=False, default_factory=dict)
    _calls: dict[str, CallDefinition[Any, Any]] = field(init=False, default_factory=dict)
    _arguments: Upcasters = field(init=False)

    def __post_init__(self) -> None:
        for saga in self.sagas:
            if self._sagas.setdefault(saga.name, saga) is not saga:
                raise ValueError(f"saga {saga.name!r} is defined twice")
        for definition in self.calls:
            if self._calls.setdefault(definition.call.name, definition) is not definition:
                raise ValueError(f"call {definition.call.name!r} is defined twice")
        calls = [definition.call for definition in self._calls.values()]
        versions = {call.name: call.version for call in calls}
        upcasters = [upcaster for call in calls for upcaster in call.upcasters]
        object.__setattr__(self, "_arguments", Upcasters(versions, upcasters))

    def __iter__(self) -> Iterator[SagaDefinition]:
        return iter(self._sagas.values())

    def __contains__(self, name: object) -> bool:
        return name in self._sagas

    def saga(self, name: str) -> SagaDefinition:
        """Raises UnknownSaga."""
        try:
            return self._sagas[name]
        except KeyError:
            raise UnknownSaga(f"no saga is called {name!r}") from None

    def lane(self, name: str) -> Lane:
        """Where the runs of sagas of this name wait; also of one that is not defined any more."""
        definition = self._sagas.get(name)
        return definition.lane if definition else SHARED

    def call(self, name: str) -> CallDefinition[Any, Any]:
        """Raises LookupError: a stored call without its function is a bug of the deployment."""
        try:
            return self._calls[name]
        except KeyError:
            raise LookupError(f"no call is registered as {name!r}") from None

    def stored_call(
        self, name: str, data: dict[str, Any], version: int
    ) -> tuple[CallDefinition[Any, Any], BaseModel]:
        """The call and its argument that were stored under this name and schema version.

        Raises LookupError, UpcastFailed, pydantic.ValidationError.
        """
        if name not in self._arguments.names():
            self.call(name)
        now, argument = self._arguments.upcast_one(name, version, data)
        definition = self.call(now)
        return definition, definition.call.argument.model_validate(argument)


def checked_attributes(attributes: Mapping[str, str]) -> dict[str, str]:
    """`attributes` themselves. Raises ValueError, with the rule that they break."""
    if len(attributes) > ATTRIBUTES_MAX:
        raise ValueError(f"at most {ATTRIBUTES_MAX} attributes, not {len(attributes)}")
    for name, value in attributes.items():
        if not ATTRIBUTE_NAME.fullmatch(name):
            raise ValueError(f"an attribute has 1 to 60 characters from A-Z a-z 0-9 . _ -, not {name!r}")
        if not (isinstance(value, str) and value.isprintable() and len(value) <= ATTRIBUTE_CHARS_MAX):
            raise ValueError(f"{name} must be a line of at most {ATTRIBUTE_CHARS_MAX} characters")
    return dict(attributes)


def checked_saga_id(saga_id: str) -> str:
    """`saga_id` itself. Raises InvalidSagaId."""
    if not SAGA_ID.fullmatch(saga_id):
        raise InvalidSagaId(InvalidSagaId.__doc__)
    return saga_id
