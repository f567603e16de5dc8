"""Command names on the wire: `receive-stock` for ReceiveStock, and which of its fields is in the path."""

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from domain import Catalog, Command, UnknownName
from domain.catalog import AnyDecider


@dataclass(frozen=True, slots=True)
class NamedCommand:
    """A command that can be sent over HTTP. The value of `key_field` is the aggregate's key."""

    name: str
    type: type[Command]
    category: str
    key_field: str


def kebab_case(class_name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", class_name).lower()


@cache
def named_commands(catalog: Catalog) -> dict[tuple[str, str], NamedCommand]:
    """All commands of the catalog by category and name."""
    return {
        (decider.category, kebab_case(command.__name__)): NamedCommand(
            kebab_case(command.__name__), command, decider.category, _key_field(decider, command)
        )
        for decider in catalog.deciders.values()
        for command in decider.command_types()
    }


def find_category(catalog: Catalog, category: str) -> AnyDecider:
    """Raises UnknownName, naming those that exist."""
    try:
        return catalog.deciders[category]
    except KeyError:
        known = ", ".join(catalog.deciders)
        raise UnknownName(f"there is no aggregate {category[:120]!r}; there are {known}") from None


def find_command(catalog: Catalog, category: str, name: str) -> NamedCommand:
    """Raises UnknownName, saying whether it is the category or the command that is unknown."""
    decider = find_category(catalog, category)
    try:
        return named_commands(catalog)[category, name]
    except KeyError:
        known = ", ".join(kebab_case(command.__name__) for command in decider.command_types())
        raise UnknownName(f"{category} has no command {name[:120]!r}; it has {known}") from None


def _key_field(decider: AnyDecider, command: type[Command]) -> str:
    """The field that `key` reads: each field is given its own name as a value, and the answer is the name."""
    own_names: dict[str, Any] = {name: name for name in command.model_fields}
    return decider.key(command.model_construct(**own_names))
