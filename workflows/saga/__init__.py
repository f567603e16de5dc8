"""The saga kernel: durable process managers over an event store.

Read in this order: context (what a saga sees), steps, calls, compensation, runner, writer, state, journal.
"""

from workflows.saga.context import Saga
from workflows.saga.definition import (
    NOTHING,
    Call,
    CallDefinition,
    CompensatingCall,
    Registry,
    Retry,
    SagaDefinition,
)
from workflows.saga.engine import SagaEngine, Started
from workflows.saga.errors import CallFailed, Transient
from workflows.saga.limits import Limits, Rate
from workflows.saga.on_event import OnEvent
from workflows.saga.schedules import Schedule
from workflows.saga.view import SagaView

__all__ = [
    "NOTHING",
    "Call",
    "CallDefinition",
    "CallFailed",
    "CompensatingCall",
    "Limits",
    "OnEvent",
    "Rate",
    "Registry",
    "Retry",
    "Saga",
    "SagaDefinition",
    "SagaEngine",
    "SagaView",
    "Schedule",
    "Started",
    "Transient",
]
