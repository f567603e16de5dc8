"""What differs between two states, field by field."""

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import BaseModel, Field

Json = Any


class FieldChange(BaseModel):
    """One value that is another one. `path` is a JSON pointer (RFC 6901); what was added has no `old`, what
    was removed no `new`."""

    op: Literal["add", "remove", "replace"]
    path: str = Field(examples=["/reserved/10248"])
    old: Json = None
    new: Json = None


def differences(old: Json, new: Json, path: str = "") -> Iterator[FieldChange]:
    """In the order of the fields; a list is compared place by place."""
    before, after = _members(old), _members(new)
    if before is None or after is None or isinstance(old, list) != isinstance(new, list):
        if not _same(old, new):
            yield FieldChange(op="replace", path=path, old=old, new=new)
        return
    for name in [*before, *(name for name in after if name not in before)]:
        place = f"{path}/{name.replace('~', '~0').replace('/', '~1')}"
        if name not in after:
            yield FieldChange(op="remove", path=place, old=before[name])
        elif name not in before:
            yield FieldChange(op="add", path=place, new=after[name])
        else:
            yield from differences(before[name], after[name], place)


def _members(value: Json) -> dict[str, Json] | None:
    match value:
        case dict():
            return value
        case list():
            return {str(place): member for place, member in enumerate(value)}
        case _:
            return None


def _same(old: Json, new: Json) -> bool:
    """Python takes True for 1, JSON does not."""
    return bool(old == new) and isinstance(old, bool) == isinstance(new, bool)
