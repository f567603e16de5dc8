"""What goes wrong in a schedule, and how often: decided by its seed alone."""

from dataclasses import dataclass
from random import Random
from typing import Literal

Fault = Literal["killed before", "killed after", "away", "lost", "paused before", "paused after", "late"]
"""What happens to one operation on the store or on the other system. `lost`: it is done, but its answer is
not heard; `late`: it is done, but after the one who asked is dead."""

STORE_FAULTS: tuple[Fault, ...] = (
    "killed before",
    "killed after",
    "away",
    "lost",
    "lost",
    "paused before",
    "paused after",
    "late",
)
REMOTE_FAULTS: tuple[Fault, ...] = ("killed before", "killed after", "paused before", "paused after")
PAUSES = (0.3, 2.0, 8.0, 15.0, 40.0)


@dataclass
class Trouble:
    """How slow everything is, and the faults that may still come."""

    rng: Random
    faults_left: int
    rate: float
    slowness: float
    over: bool = False

    def delay(self) -> float:
        """How long an operation takes."""
        chance = self.rng.random()
        if chance < self.slowness:
            return self.rng.random() * (4.0 if chance < self.slowness / 5 else 0.4)
        return self.rng.random() * 0.01

    def fault(self, faults: tuple[Fault, ...]) -> Fault | None:
        """What happens to the next operation."""
        if self.over or not self.faults_left or self.rng.random() >= self.rate:
            return None
        self.faults_left -= 1
        return self.rng.choice(faults)

    def chance(self, probability: float) -> bool:
        """Whether something happens that is no fault of anybody."""
        return self.rng.random() < probability
