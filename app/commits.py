"""Commits, told to those who follow the log."""

import asyncio
from dataclasses import dataclass, field

from eventstore.notifications import Notifier


@dataclass
class Commits:
    """Wakes those who follow the log: each has an event of its own, which it clears when it looks.

    `notifier` tells the other processes of commits of this one.
    """

    notifier: Notifier
    _events: list[asyncio.Event] = field(default_factory=list)

    def event(self) -> asyncio.Event:
        self._events.append(asyncio.Event())
        return self._events[-1]

    def forget(self, event: asyncio.Event) -> None:
        """Its follower is gone."""
        self._events.remove(event)

    def tell(self, position: int) -> None:
        """This process has committed."""
        self.heard()
        self.notifier.tell(position)

    def heard(self) -> None:
        """Somebody has committed."""
        for event in self._events:
            event.set()
