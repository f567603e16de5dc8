"""The aggregates: pure deciders. Standard library and pydantic only; no I/O, clock, randomness or await."""

from domain.catalog import Catalog, UnknownName
from domain.decider import Command, Decider, Event, Rejected, State
from domain.upcaster import Upcaster

__all__ = ["Catalog", "Command", "Decider", "Event", "Rejected", "State", "UnknownName", "Upcaster"]
