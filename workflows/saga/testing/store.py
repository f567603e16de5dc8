"""A store in memory that a test disturbs: it dies at an append, or is told of each one."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from eventstore import Appended, Batch, CommandId
from eventstore.memory import MemoryEventStore

Hook = Callable[[int], Awaitable[None]]
"""Called with the number of an append, from 1."""
Watch = Callable[[Sequence[Batch]], None]
"""Called with what is about to be appended, or was."""


class Killed(BaseException):
    """The process died here, as by SIGKILL."""


def killed_at(number: int) -> Hook:
    """Dies at append `number`; later appends, those of the next process, are left alone."""

    async def die(current: int) -> None:
        if current == number:
            raise Killed(f"at append {number}")

    return die


async def _go_on(_number: int) -> None:
    """The hook that does nothing."""


def _look_away(_batches: Sequence[Batch]) -> None:
    """The watch that does nothing."""


class HookedStore(MemoryEventStore):
    """A memory store that counts appends and lets a test act before and after each one.

    What `before_append` or `before_batches` raises is raised instead of appending; what `after_append` or
    `after_batches` raises is a lost acknowledgement. An append that loses its race counts too.
    """

    appends: int = 0
    before_append: Hook = staticmethod(_go_on)
    after_append: Hook = staticmethod(_go_on)
    before_batches: Watch = staticmethod(_look_away)
    after_batches: Watch = staticmethod(_look_away)

    async def append(
        self,
        batches: Sequence[Batch],
        *,
        command: CommandId | None = None,
        attachment: Mapping[str, Any] | None = None,
    ) -> Appended:
        self.appends += 1
        number = self.appends
        await self.before_append(number)
        self.before_batches(batches)
        appended = await super().append(batches, command=command, attachment=attachment)
        self.after_batches(batches)
        await self.after_append(number)
        return appended
