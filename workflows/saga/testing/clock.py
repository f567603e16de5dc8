"""An event loop for tests: its time passes only when nothing else can happen."""

import asyncio
import selectors


class SkippingSelector(selectors.SelectSelector):
    """Never waits for a timer: it moves the clock instead."""

    seconds = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            return super().select(None)
        ready = super().select(0)
        if not ready:
            self.seconds += max(timeout, 0)
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """`asyncio.sleep` and timeouts take no time, and happen in the order of their deadlines."""

    def __init__(self) -> None:
        self._skipping = SkippingSelector()
        super().__init__(self._skipping)

    def time(self) -> float:
        return self._skipping.seconds
