"""Another system: acts once a key, leaves a tombstone for what is cancelled, and is reached over a network.

A request is on its way by itself: it may arrive long after the process that sent it is dead, and after its
cancellation. `manner` of a message says how the system behaves towards it.
"""

from collections.abc import Callable
from typing import Any

from domain import Rejected
from tests.simulation.effects import Message, Sent
from tests.simulation.loop import PROCESS
from tests.simulation.trouble import REMOTE_FAULTS, Fault
from tests.simulation.world import World
from workflows.saga import Transient

LATE_SECONDS = (5.0, 14.0, 60.0)
TRIES_OF_FLAKY = 2


class Remote:
    """`sent` are the keys under which it has acted and that were not cancelled since."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.sent: set[str] = set()
        self.acted: set[str] = set()
        self.cancelled: set[str] = set()
        self.healed = False
        self._asked: dict[tuple[str, str], int] = {}

    async def send(self, message: Message, key: str) -> Sent:
        return await self._request("send", message, message.manner, key, self._act)

    async def unsend(self, message: Message, key: str) -> Sent:
        return await self._request("unsend", message, message.undo_manner, key, self._cancel)

    async def resolve(self, message: Message, key: str) -> Sent | None:
        def look(message: Message, key: str) -> Sent | None:
            return Sent(effect=message.effect) if key in self.sent else None

        manner = "flaky" if message.manner == "flaky" else "ok"
        return await self._request("resolve", message, manner, key, look)

    async def _request(
        self, what: str, message: Message, manner: str, key: str, act: Callable[[Message, str], Any]
    ) -> Any:
        world = self._world
        await world.io(lambda: None, REMOTE_FAULTS)  # what may happen between the last look and the send
        answer = world.loop.create_future()
        self._asked[what, key] = times = self._asked.get((what, key), 0) + 1
        process = PROCESS.get()
        world.note(f"{process.name if process else '?'} asks {what} {key} ({manner}, {times})")
        late = world.trouble.fault(("late",))
        delay = world.rng.choice(LATE_SECONDS) if late else world.trouble.delay()
        world.later(delay, self._arrive, (what, manner, times, late), message, key, act, answer)
        return await answer

    def _arrive(
        self,
        request: tuple[str, str, int, Fault | None],
        message: Message,
        key: str,
        act: Callable[[Message, str], Any],
        answer: Any,
    ) -> None:
        what, manner, times, late = request
        outcome = self._outcome(manner, times, lambda: act(message, key))
        self._world.note(f"the other side: {what} {key}: {outcome!r}")
        if outcome is None and what != "resolve":
            return  # nobody hears it; the caller's patience ends
        if not late:
            self._world.later(self._world.trouble.delay(), self._answer, answer, outcome)

    def _outcome(self, manner: str, times: int, act: Callable[[], Any]) -> Any:
        """What the other side does with a request, and what it answers: None is no answer."""
        try:
            match manner:
                case "away":
                    return Transient("away")
                case "flaky" if times <= TRIES_OF_FLAKY and not self.healed:
                    return Transient("away for now")
                case "away until healed" if not self.healed:
                    return Transient("away")
                case "no":
                    raise Rejected("no", code="no")
                case "no until healed" if not self.healed:
                    raise Rejected("not yet", code="no")
                case "lost":
                    act()
                    return Transient("the connection was lost")
                case "mute":
                    act()
                    return None
                case "mixed" if not self.healed:
                    return self._mixed(act)
            return act()
        except Rejected as no:
            return no

    def _mixed(self, act: Callable[[], Any]) -> Any:
        match self._world.rng.randrange(5):
            case 0:
                return Transient("away")
            case 1:
                raise Rejected("no", code="no")
            case 2:
                act()
                return Transient("the connection was lost")
            case 3:
                act()
                return None
            case _:
                return act()

    def _act(self, message: Message, key: str) -> Sent:
        if key in self.cancelled:
            raise Rejected("cancelled before", code="cancelled")
        self.sent.add(key)
        self.acted.add(key)
        return Sent(effect=message.effect)

    def _cancel(self, message: Message, key: str) -> Sent:
        self.cancelled.add(key)
        self.sent.discard(key)
        return Sent(effect=message.effect)

    @staticmethod
    def _answer(answer: Any, outcome: Any) -> None:
        if answer.done():
            return
        if isinstance(outcome, Exception):
            answer.set_exception(outcome)
        else:
            answer.set_result(outcome)
