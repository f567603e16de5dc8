"""How folded states are kept in snapshots: as which JSON, and under the fingerprint of which code."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any, Final, Generic, Protocol, TypeVar, cast

import orjson
from pydantic import TypeAdapter, ValidationError

from domain.catalog import AnyDecider

S = TypeVar("S")

ENTRIES_BETWEEN: Final = 100
"""So many entries of a journal are read before its fold is kept; when the saga has begun anew, at once."""
FOLDED_BY: Final = ("causes.py", "journal.py", "state.py", "step_state.py", "summary.py")
"""The code that folds journals."""


@dataclass(frozen=True)
class Shape(Generic[S]):
    """States of type `adapter`, kept under `fingerprint`; a sparse one without what has its default value."""

    adapter: TypeAdapter[S]
    fingerprint: str
    sparse: bool = False

    @classmethod
    def of(cls, state: type[S], *folded_by: Any) -> "Shape[S]":
        """The fingerprint is that of the state's schema and of `folded_by`, JSON that tells one fold from
        another."""
        adapter, parts = _adapter_and_schemas(cast("Any", state))
        text = orjson.dumps([*parts, *folded_by], option=orjson.OPT_SORT_KEYS)
        return cls(adapter, sha256(text).hexdigest()[:32])

    def dump(self, state: S) -> bytes:
        return self.adapter.dump_json(state, exclude_defaults=self.sparse)

    def load(self, state: Any) -> S | None:
        """None when no state can be made of it."""
        try:
            return self.adapter.validate_python(state)
        except ValidationError:
            return None

    def offer(self, state: S, version: int) -> Callable[[], tuple[int, bytes]]:
        """A state that nobody changes, to be offered to the snapshots."""
        return lambda: (version, self.dump(state))


@cache
def _adapter_and_schemas(state: Any) -> tuple[TypeAdapter[Any], list[Any]]:
    """They take milliseconds to make."""
    adapter = TypeAdapter[Any](state)
    return adapter, [adapter.json_schema(mode=mode) for mode in ("validation", "serialization")]


def shape_of(decider: AnyDecider) -> Shape[Any]:
    """The shape of an aggregate's state. It is another one when the schema of the state, the decider's
    `state_version`, or the version of one of its events is another one, or an upcaster has come."""
    events = sorted((event.__name__, event.schema_version) for event in decider.event_types())
    initial = decider.initial.model_dump(mode="json")
    upcasters = sorted((each.type, each.version, sorted(each.into)) for each in decider.upcasters)
    return Shape.of(
        type(decider.initial), decider.category, decider.state_version, initial, events, upcasters
    )


@cache
def journal_shape(state: Any) -> Shape[Any]:
    """The shape of a folded journal. It is another one with any change of the code that folds."""
    code = [(files(__package__) / name).read_text(encoding="utf-8") for name in FOLDED_BY]
    return replace(Shape.of(state, code), sparse=True)


class Journaled(Protocol):
    """What is asked of a folded journal."""

    version: int
    began_at_version: int
    steps: dict[str, Any]
    behind: list[Any]
    signal_digests: dict[str, str]
    values: dict[str, Any]


def is_due(state: Journaled, known: int) -> bool:
    """Whether the state is to be kept, when that at version `known` is. The larger it is the more seldom."""
    size = len(state.steps) + len(state.behind) + len(state.signal_digests) + len(state.values)
    began_anew = state.began_at_version > max(known, 1)
    return state.version - known >= max(1 if began_anew else ENTRIES_BETWEEN, size // 4)
