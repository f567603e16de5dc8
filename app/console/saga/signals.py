"""A form for each signal, made from the type of its data."""

from dataclasses import dataclass

from pydantic import BaseModel
from uuid_utils.compat import uuid7

from app.console.fields import Fields, fields_of
from workflows.saga import Registry


@dataclass(frozen=True, slots=True)
class SignalForm:
    """A signal that the saga takes. Sent twice it counts once: the form has an id for it."""

    signal: str
    fields: Fields
    id: str


def signal_forms(registry: Registry, name: str, signals: list[str]) -> list[SignalForm]:
    """The forms for these signals of sagas of this name."""
    return [
        SignalForm(signal, signal_fields(registry.saga(name).signals[signal]), str(uuid7()))
        for signal in signals
    ]


def signal_fields(model: type[BaseModel]) -> Fields:
    """The page of a saga shows nothing of a form that was sent, so it cannot add rows to one: lists are
    written as JSON."""
    return fields_of(model, lists=False)
