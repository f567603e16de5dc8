"""What this code stores, by durable name and schema version, and how that differs from what was frozen.

events, commands     of the aggregates, by class name
journal              entries of the kernel
calls                arguments and results, by the version of the call
sagas                inputs, signals and results, by the version of the definition
"""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from app.remotes import remote_calls
from app.settings import Settings
from domain import Catalog, Command, Event
from domain.aggregates import CATALOG
from eventstore import Upcasters
from workflows.saga import CallDefinition, SagaDefinition
from workflows.saga.journal import ENTRIES, UPCASTERS
from workflows.sagas import SAGAS

FILE: Final = Path(__file__).with_name("durable.json")

Shape = dict[str, Any]
Frozen = dict[str, dict[str, dict[str, Shape]]]
"""Kind, name, schema version as text, and what that version looks like."""


@dataclass
class Durable:
    """What the code stores today (`shapes`), and all that it can read (`readable`: kind, name, version)."""

    shapes: Frozen = field(default_factory=dict)
    readable: set[tuple[str, str, str]] = field(default_factory=set)

    def add(self, kind: str, name: str, version: int, shape: Shape) -> None:
        self.shapes.setdefault(kind, {})[name] = {str(version): shape}

    def reads(self, kind: str, name: str, versions: range) -> None:
        self.readable |= {(kind, name, str(version)) for version in versions}

    def add_types(self, kind: str, types: tuple[type[Event] | type[Command], ...], upcasters: Any) -> None:
        """Events or commands of one aggregate, or the entries of journals."""
        for each in types:
            self.add(kind, each.__name__, each.schema_version, shape_of(each.model_json_schema()))
        known = Upcasters({each.__name__: each.schema_version for each in types}, upcasters)
        for name in known.names():
            self.reads(kind, name, known.versions(name))


def durable(catalog: Catalog, sagas: list[SagaDefinition], calls: list[CallDefinition[Any, Any]]) -> Durable:
    """What the code of a service stores and reads."""
    found = Durable()
    for decider in catalog.deciders.values():
        found.add("aggregates", decider.category, 1, {})
        found.reads("aggregates", decider.category, range(1, 2))
        found.add_types("events", decider.event_types(), decider.upcasters)
        found.add_types("commands", decider.command_types(), decider.command_upcasters)
    found.add_types("journal", ENTRIES, UPCASTERS)
    for saga in sagas:
        found.add("sagas", saga.name, saga.version, _shape_of_saga(saga))
        found.reads("sagas", saga.name, range(1, saga.version + 1))
    known = Upcasters(
        {each.call.name: each.call.version for each in calls},
        [upcaster for each in calls for upcaster in each.call.upcasters],
    )
    for each in calls:
        models: dict[str, type[BaseModel]] = {"argument": each.call.argument, "result": each.call.result}
        shape = {name: shape_of(model.model_json_schema()) for name, model in models.items()}
        found.add("calls", each.call.name, each.call.version, shape)
    for name in known.names():
        found.reads("calls", name, known.versions(name))
    return found


def of_this_code() -> Durable:
    async def calls() -> list[CallDefinition[Any, Any]]:
        async with AsyncExitStack() as stack:
            return await remote_calls(stack, Settings())

    return durable(CATALOG, SAGAS, asyncio.run(calls()))


def frozen() -> Frozen:
    found: Frozen = json.loads(FILE.read_text()) if FILE.exists() else {}
    return found


def differences(before: Frozen, now: Durable) -> list[str]:
    """Why the code is not the one that was frozen, each in words that say what to do."""
    return [
        *_each(before, lambda kind, name, version, _: _gone(now, kind, name, version)),
        *_each(now.shapes, lambda kind, name, version, shape: _changed(before, kind, name, version, shape)),
    ]


def freeze(before: Frozen, now: Durable) -> Frozen:
    """All that the code can read: today's shapes, and those of before that it still has a way from."""
    kept: Frozen = {}
    for kind, names in before.items():
        for name, versions in names.items():
            still = {v: shape for v, shape in versions.items() if (kind, name, v) in now.readable}
            if still:
                kept.setdefault(kind, {})[name] = still
    for kind, names in now.shapes.items():
        for name, versions in names.items():
            kept.setdefault(kind, {}).setdefault(name, {}).update(versions)
    return kept


def shape_of(schema: Any) -> Any:
    """A JSON schema without what is said to people in it."""
    match schema:
        case dict():
            return {
                key: shape_of(value)
                for key, value in schema.items()
                if not (key in ("title", "description") and isinstance(value, str))
            }
        case list():
            return [shape_of(each) for each in schema]
        case _:
            return schema


def _shape_of_saga(saga: SagaDefinition) -> Shape:
    return {
        "input": shape_of(saga.input.model_json_schema()),
        "signals": {name: shape_of(data.model_json_schema()) for name, data in saga.signals.items()},
        "result": shape_of(saga.result.json_schema()),
    }


def _each(frozen: Frozen, tell: Callable[[str, str, str, Shape], str | None]) -> Iterator[str]:
    for kind, names in frozen.items():
        for name, versions in names.items():
            for version, shape in versions.items():
                if (told := tell(kind, name, version, shape)) is not None:
                    yield told


def _gone(now: Durable, kind: str, name: str, version: str) -> str | None:
    if (kind, name, version) in now.readable:
        return None
    return (
        f"{kind}: {name} version {version} cannot be read any more. Put it back, or give it an upcaster to"
        f" what it is called now (docs/evolve-an-event.md). If none was ever stored: make golden"
    )


def _changed(before: Frozen, kind: str, name: str, version: str, shape: Shape) -> str | None:
    known = before.get(kind, {}).get(name, {})
    if version not in known:
        return f"{kind}: {name} version {version} is new. Look at it once more, then: make golden"
    if known[version] == shape:
        return None
    return (
        f"{kind}: {name} version {version} has another shape than the one that is stored"
        f" ({', '.join(_where(known[version], shape))}). Give it the next schema version and an upcaster"
        f" (docs/evolve-an-event.md). If all that is stored still reads, as with a new field that has a"
        f" default: make golden"
    )


def _where(before: Any, now: Any, place: str = "") -> Iterator[str]:
    """The places in which two shapes differ."""
    if before == now:
        return
    if not (isinstance(before, dict) and isinstance(now, dict)):
        yield f"{place or 'all of it'}: {json.dumps(before)} is {json.dumps(now)} now"
        return
    for key in sorted(before.keys() | now.keys()):
        here = f"{place}.{key}".lstrip(".")
        if key not in now:
            yield f"{here} is gone"
        elif key not in before:
            yield f"{here} is new"
        else:
            yield from _where(before[key], now[key], here)
