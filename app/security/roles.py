"""Roles, and what a principal was granted."""

from dataclasses import dataclass
from enum import IntEnum
from uuid import UUID

ACTOR_CHARACTERS_MAX = 120


class Role(IntEnum):
    """Each may do what the one before may."""

    READER = 1
    OPERATOR = 2
    ADMIN = 3

    @property
    def word(self) -> str:
        return self.name.lower()

    @classmethod
    def of(cls, word: str) -> "Role":
        """Raises ValueError."""
        try:
            return cls[word.upper()]
        except KeyError:
            raise ValueError(f"a role is reader, operator or admin, not {word[:50]!r}") from None


@dataclass(frozen=True, slots=True)
class Grant:
    """A role; with `sagas` only where sagas of these names are concerned."""

    role: Role
    sagas: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who has proved who it is. `actor` is what the journal says of it."""

    actor: str
    grants: tuple[Grant, ...]
    token_id: UUID | None = None
    """Its token, if it has shown one of ours."""
    until: float | None = None
    """When its JWT expires, in seconds since 1970."""

    def may(self, role: Role) -> bool:
        """Whether it has the role for everything."""
        return any(grant.role >= role and grant.sagas is None for grant in self.grants)

    def may_somewhere(self, role: Role) -> bool:
        """Whether it has the role for some saga at least."""
        return any(grant.role >= role for grant in self.grants)

    def may_saga(self, role: Role, saga: str) -> bool:
        """Whether it has the role for the sagas of this name."""
        return any(
            grant.role >= role and (grant.sagas is None or saga in grant.sagas) for grant in self.grants
        )

    def sagas(self, role: Role) -> frozenset[str] | None:
        """The names of the sagas that it has the role for; None for all."""
        if self.may(role):
            return None
        return frozenset().union(*(grant.sagas or () for grant in self.grants if grant.role >= role))
