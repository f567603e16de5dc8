"""Admission: how many may be in at one time. Who finds it full is sent away at once, and told to come again.

To wait in a growing queue helps nobody: clients give up, and what they asked for is done all the same.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


class Crowded(Exception):
    """As many as may be are in."""


@dataclass
class Crowd:
    """Counts who is `inside`, `most` at one time, and who was `refused` since the process started."""

    what: str
    most: int
    inside: int = 0
    refused: int = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place until the context ends. Raises Crowded."""
        if self.inside >= self.most:
            self.refused += 1
            raise Crowded(f"{self.most} {self.what} are under way already")
        self.inside += 1
        try:
            yield
        finally:
            self.inside -= 1
