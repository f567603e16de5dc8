"""Services for sagas that wait, start others and are operated on: `saga`, whose id is s1, and its parts."""

from collections.abc import Iterable
from typing import Any

from tests.unit.workflows.toys import TALLIES, Message, Order, Refuse, Remote, SagaFunction
from workflows.saga import CallDefinition, Registry, SagaDefinition
from workflows.saga.testing import HookedStore, MemoryService

WHO: dict[str, Any] = {"actor": "ana", "reason": "she looked"}
SIGNALS = {"go": Message, "stop": Message}


def defined(function: SagaFunction, name: str = "saga", version: int = 1) -> SagaDefinition:
    return SagaDefinition(name, function, Order, version, signals=SIGNALS)


def nobody(_command: Any) -> bool:
    """Refuses nothing."""
    return False


def serving(
    function: SagaFunction,
    *parts: SagaDefinition,
    calls: Iterable[CallDefinition[Any, Any]] | None = None,
    refuse: Refuse = nobody,
    store: type[HookedStore] = HookedStore,
) -> MemoryService:
    """A service that has `function` as `saga`, and the sagas that it starts."""
    given = Remote().calls() if calls is None else calls
    return MemoryService(TALLIES, [defined(function), *parts], given, refuse=refuse, store=store)


async def start(service: MemoryService, saga_id: str = "s1") -> None:
    """Request it; none of its runs is executed."""
    await service.engine.start("saga", Order(), saga_id=saga_id)


async def begun(function: SagaFunction, *parts: SagaDefinition, **more: Any) -> MemoryService:
    """A service whose saga has run as far as it goes by itself."""
    service = serving(function, *parts, **more)
    await start(service)
    await service.settle()
    return service


async def go(service: MemoryService, text: str = "go", *, signal: str = "go", id: str | None = None) -> None:
    await service.engine.signal("s1", signal, {"text": text}, signal_id=id, actor="ana")


async def status(service: MemoryService, saga_id: str = "s1") -> str:
    return (await service.engine.view(saga_id)).status


async def why_stuck(service: MemoryService, saga_id: str = "s1") -> str:
    """Reason and error of a saga that is stuck."""
    stuck = (await service.engine.view(saga_id)).stuck
    assert stuck is not None
    return f"{stuck.reason}: {stuck.error}"


def redeploy(
    service: MemoryService, function: SagaFunction, *parts: SagaDefinition, version: int = 1
) -> None:
    """The next process, and the engine, have this code."""
    service.registry = Registry([defined(function, version=version), *parts], service.registry.calls)
    service.engine = type(service.engine)(service.store, service.registry, service.codec)
