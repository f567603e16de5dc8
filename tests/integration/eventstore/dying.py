"""A connection that breaks at its n-th exchange with the server: before it, or when it was answered."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

from psycopg import AsyncConnection
from psycopg.abc import PQGen
from psycopg_pool import AsyncConnectionPool

from eventstore.connections import CONNECTION_KWARGS, Pool, configure

When = Literal["before", "after"]


@dataclass
class Death:
    """When it breaks. `exchanges` counts them from the moment that it is `armed`."""

    number: int
    when: When
    armed: bool = False
    exchanges: int = 0

    @property
    def happened(self) -> bool:
        return self.exchanges >= self.number

    def counted(self) -> bool:
        """Whether this is the one."""
        if not self.armed:
            return False
        self.exchanges += 1
        return self.exchanges == self.number


def dying_class(death: Death) -> type[AsyncConnection[Any]]:
    class Dying(AsyncConnection[Any]):
        async def wait(self, gen: PQGen[Any], interval: float = 0.1) -> Any:
            now = death.counted()
            if now and death.when == "before":
                self.pgconn.finish()
            answer = await super().wait(gen, interval)
            if now and death.when == "after":
                self.pgconn.finish()
            return answer

    return Dying


@asynccontextmanager
async def dying_pool(url: str, death: Death) -> AsyncIterator[Pool]:
    """A pool of one such connection; those that replace it live on."""
    async with AsyncConnectionPool(
        url,
        connection_class=dying_class(death),
        min_size=1,
        max_size=1,
        kwargs=CONNECTION_KWARGS,
        configure=configure,
        open=False,
    ) as pool:
        yield pool
