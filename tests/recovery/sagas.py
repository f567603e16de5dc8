"""Sagas that only these tests run."""

import os
import signal
from datetime import datetime, timedelta
from typing import Final

from pydantic import BaseModel

from domain import Command
from domain.values import Address
from tests.recovery.everything import EVERYTHING, PART
from workflows.carrier import BOOK_CARRIER, CANCEL_BOOKING, BookCarrier, CancelBooking
from workflows.saga import NOTHING, Call, CallDefinition, Limits, Rate, Retry, Saga, SagaDefinition, Schedule


class PatientBooking(Command):
    """Book the carrier; after a failure wait so long."""

    order_id: str
    wait_seconds: float


async def patient_booking(saga: Saga, booking: PatientBooking) -> None:
    """Parks when the carrier fails."""
    await saga.call(
        BOOK_CARRIER,
        BookCarrier(order_id=booking.order_id, ship_to=Address(name="Ana", country="Peru")),
        compensate=CANCEL_BOOKING.of(CancelBooking(order_id=booking.order_id)),
        retry=Retry(first_wait_seconds=booking.wait_seconds, longest_wait_seconds=booking.wait_seconds),
    )


class Nobody(BaseModel):
    """No argument, and no result."""


KILL_THE_PROCESS: Final = Call("kill-the-process", Nobody, Nobody)


async def kill_the_process(_: Nobody, key: str) -> Nobody:
    """As a fault in a C library would."""
    os.kill(os.getpid(), signal.SIGKILL)
    return Nobody()


class Poison(Command):
    """No input."""


async def poison(saga: Saga, _: Poison) -> None:
    """Kills every process that runs it."""
    await saga.call(
        KILL_THE_PROCESS,
        Nobody(),
        compensate=NOTHING,
        retry=Retry(attempts=100, first_wait_seconds=0.01, longest_wait_seconds=0.01),
        timeout=timedelta(seconds=0.1),
    )


def booking(name: str, limits: Limits) -> SagaDefinition:
    """A patient booking under another name, and with limits."""
    return SagaDefinition(name, patient_booking, input=PatientBooking, limits=limits)


class Tick(Command):
    """The time that was due."""

    due: datetime


async def tick(_saga: Saga, _tick: Tick) -> None:
    """Has nothing to do but to exist."""


def ticking(cron: str, *, catch_up: bool = False) -> SagaDefinition:
    """A saga that starts by itself."""
    schedule = Schedule(cron, input=lambda due: Tick(due=due), catch_up=catch_up)
    return SagaDefinition("tick", tick, input=Tick, schedule=schedule)


MORE_SAGAS: Final = [
    EVERYTHING,
    PART,
    SagaDefinition("patient-booking", patient_booking, input=PatientBooking),
    booking("booking-one-at-a-time", Limits(concurrency=1)),
    booking("booking-two-at-a-time", Limits(concurrency=2)),
    booking("booking-twice-a-second", Limits(rate=Rate(2, 1.0))),
    booking("booking-first", Limits(priority=1)),
    booking("booking-last", Limits(priority=1000)),
    SagaDefinition("poison", poison, input=Poison),
]
MORE_CALLS: Final = [CallDefinition(KILL_THE_PROCESS, kill_the_process)]
