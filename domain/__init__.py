"""The aggregates: pure deciders. Standard library and pydantic only; no I/O, clock, randomness or await."""

from domain.catalog import Catalog, UnknownName
from domain.decider import Command, Decider, Event, Rejected, State

__all__ = ["Catalog", "Command", "Decider", "Event", "Rejected", "State", "UnknownName"]
