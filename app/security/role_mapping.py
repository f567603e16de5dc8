"""Which roles of an issuer mean which of ours: `saga-admins=admin, clerks=operator:transfer-funds`."""

import re
from collections.abc import Mapping
from typing import Any

from app.ids import ID_PATTERN
from app.security.roles import Grant, Role


def parse_roles(text: str) -> dict[str, Grant]:
    """Raises ValueError with what is wrong."""
    grants: dict[str, Grant] = {}
    for entry in filter(None, map(str.strip, text.split(","))):
        theirs, separator, ours = entry.rpartition("=")
        if not separator or not theirs.strip():
            raise ValueError("must look like saga-admins=admin,clerks=operator:transfer-funds+return-order")
        role, limited, sagas = ours.partition(":")
        names = sagas.split("+") if limited else None
        if wrong := [name for name in names or () if not re.fullmatch(ID_PATTERN, name)]:
            raise ValueError(f"{wrong[0]!r} is no name of a saga")
        grants[theirs.strip()] = Grant(Role.of(role.strip()), None if names is None else frozenset(names))
    return grants


def roles_of(claims: Mapping[str, Any], claim: str, grants: Mapping[str, Grant]) -> tuple[Grant, ...]:
    """What the roles of a JWT grant; those that nobody mapped grant nothing.

    `claim` is the name of a claim, or the way to one inside of others (`realm_access.roles`).
    """
    value: Any = claims.get(claim)
    if value is None:
        value = claims
        for part in claim.split("."):
            value = value.get(part) if isinstance(value, dict) else None
    names = value.split() if isinstance(value, str) else value
    if not isinstance(names, list):
        return ()
    return tuple(grants[name] for name in names if isinstance(name, str) and name in grants)
