"""How many requests one client may send."""

from typing import Final

from limits import RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from starlette.types import ASGIApp, Receive, Scope, Send

from app.problems import TooManyRequests, problem_response

WINDOW_SECONDS: Final = 10
"""A burst may be as long as this, as no client sends evenly."""
FREE: Final = "/health/"
"""Whoever asks whether this server is well is always told."""


class RateLimit:
    """Answers 429 to a client address that sends more than `per_second_max` requests, on average."""

    def __init__(self, app: ASGIApp, per_second_max: float) -> None:
        self._app = app
        self._rate = RateLimitItemPerSecond(max(1, round(per_second_max * WINDOW_SECONDS)), WINDOW_SECONDS)
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope["path"].startswith(FREE):
            address = scope["client"][0] if scope["client"] else ""
            if not await self._limiter.hit(self._rate, address):
                refusal = TooManyRequests(f"at most {self._rate.amount} in {WINDOW_SECONDS} seconds")
                await problem_response(refusal, scope["state"]["correlation_id"])(scope, receive, send)
                return
        await self._app(scope, receive, send)
