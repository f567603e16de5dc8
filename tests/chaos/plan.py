"""What goes wrong in a round, and when: a pure function of the seed.

When exactly a fault meets which saga is up to the real processes: the same plan is not the same schedule.
"""

import random
from dataclasses import dataclass
from typing import Final, Literal, get_args

Kind = Literal["kill", "freeze", "replace", "postgres", "terminate", "carrier", "supplier"]

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
WEIGHTS: Final = (4, 4, 2, 1, 3, 3, 2)
GAP_SECONDS: Final = (0.3, 4.0)
FREEZE_SECONDS: Final = (0.5, 3.0, 12.0, 14.0)
"""Shorter and longer than the lease."""
AWAY_SECONDS: Final = (1.0, 3.0, 10.0)
MISBEHAVIOUR: Final = (("fail", 0), ("slow", 1500), ("drop", 0), ("late", 800), ("refuse", 0))
CANCELLING: Final = 0.25
"""How often it is cancellations that carrier or supplier misbehave at, not what they cancel."""


@dataclass(frozen=True)
class Fault:
    """After `at` seconds. `victim` is the number of a server or worker; `seconds` how long it lasts."""

    at: float
    kind: Kind
    victim: int
    seconds: float = 0.0
    mode: str = "ok"
    delay_ms: int = 0
    times: int = 0
    cancelling: bool = False


def plan_of(seed: int, seconds: float, servers: int) -> list[Fault]:
    """The faults of a round that lasts so long. Some come together."""
    chance = random.Random(seed)
    faults: list[Fault] = []
    at = 2.0
    while at < seconds:
        faults.append(_fault(chance, at, servers))
        at += 0.0 if chance.random() < 0.2 else chance.uniform(*GAP_SECONDS)
    return faults


def _fault(chance: random.Random, at: float, servers: int) -> Fault:
    [kind] = chance.choices(KINDS, WEIGHTS)
    victim = chance.randrange(servers)
    mode, delay_ms = chance.choice(MISBEHAVIOUR)
    match kind:
        case "freeze":
            return Fault(at, kind, victim, seconds=chance.choice(FREEZE_SECONDS))
        case "postgres":
            return Fault(at, kind, victim, seconds=chance.choice(AWAY_SECONDS))
        case "carrier" | "supplier":
            times, cancelling = chance.randint(1, 6), chance.random() < CANCELLING
            return Fault(at, kind, victim, mode=mode, delay_ms=delay_ms, times=times, cancelling=cancelling)
        case _:
            return Fault(at, kind, victim)
