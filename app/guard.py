"""Keeps the embedded Postgres up for a process that has a share in it.

Without it a server that was killed would stay down until the next process starts, and one whose keeper was
killed would outlive its last user. A thread, not a task: what it asks blocks, and the thread pool of the loop
is DBOS's to close.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog

from app.cluster import EmbeddedPostgresError
from app.embedded import EmbeddedPostgres

LOOK_SECONDS: Final = 1.0
AGAIN_SECONDS: Final = 5.0
"""After a failure: a server that cannot start is no reason to keep the machine busy."""

log = structlog.get_logger(__name__)


@contextmanager
def guarding(server: EmbeddedPostgres) -> Iterator[None]:
    """Repair `server` whenever it needs it. At the end of the context nothing is being started any more."""
    closing = threading.Event()
    guard = threading.Thread(target=_guard, args=(server, closing), name="postgres guard", daemon=True)
    guard.start()
    try:
        yield
    finally:
        closing.set()
        guard.join()


def _guard(server: EmbeddedPostgres, closing: threading.Event) -> None:
    seconds = LOOK_SECONDS
    while not closing.wait(seconds):
        try:
            if server.repair(closing.is_set):
                log.warning("the embedded Postgres was down and has been started again")
            seconds = LOOK_SECONDS
        except (EmbeddedPostgresError, OSError) as error:
            log.error("the embedded Postgres cannot be started, will try again", reason=str(error))
            seconds = AGAIN_SECONDS
