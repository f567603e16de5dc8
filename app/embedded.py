"""The embedded Postgres, shared by every process that uses one data directory.

Who may do what is decided by locks that the kernel drops when their holder dies, however it dies:

users.lock    held shared by every process that uses the server
start.lock    held exclusively by whoever starts or stops it
keeper.lock   held by the keeper for its whole life

The *keeper* is a small detached process. It waits until nobody holds users.lock, lingers, so that a process
that is started again finds the server up, and stops the server under start.lock if still nobody uses it.
It exists before the server does and gets its lock by inheritance: no moment is unguarded. It gives up
keeper.lock before start.lock, so that whoever starts next never counts on a keeper that is leaving.
Only `start` creates the lock files: a directory that was deleted stays deleted.
A killed keeper or server is replaced by the next process that starts, or by one that guards it (guard.py).
"""

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self
from urllib.parse import quote, urlencode

from app.cluster import PORT, SUPERUSER, Cluster, EmbeddedPostgresError

LINGER_SECONDS: Final = 5.0
LOCK_TIMEOUT_SECONDS: Final = 360  # more than a start may take
POLL_SECONDS: Final = 0.02


@dataclass(frozen=True, slots=True)
class EmbeddedPostgres:
    """This process's share in the server. It ends with `close` or with the process."""

    data_dir: Path
    socket_dir: Path
    linger_seconds: float
    users_lock: int

    def url(self, *, role: str = SUPERUSER, database: str = "postgres") -> str:
        """A libpq address. No password: the socket's directory admits this user and the server's only."""
        where = urlencode({"host": str(self.socket_dir), "port": PORT}, quote_via=quote)
        return f"postgresql://{role}@/{database}?{where}"

    def repair(self, closing: Callable[[], bool]) -> bool:
        """Start the keeper and the server where they are gone; whether the server had to be started.

        Nobody is waited for: who holds start.lock is starting the server, and what is left of a killed one
        will have ended by the next look. Our share keeps the keeper from stopping it meanwhile.
        Nothing is started when `closing` says so, nor in a directory that was deleted and made anew, where we
        have no share. Raises EmbeddedPostgresError, OSError.
        """
        if closing() or not _is_current(self.users_lock, self.data_dir / "users.lock"):
            return False
        _ensure_keeper(self.data_dir, self.linger_seconds)
        cluster = Cluster(self.data_dir)
        if cluster.listens():
            return False
        starting = _try_lock(self.data_dir / "start.lock", fcntl.LOCK_EX)
        if starting is None:
            return False
        try:
            if closing() or not cluster.is_down():
                return False
            cluster.restart()
        finally:
            os.close(starting)
        return True

    def close(self) -> None:
        """Give the share up. The keeper stops the server when it was the last one."""
        with suppress(FileNotFoundError):  # the directory was deleted: nothing to guard
            _ensure_keeper(self.data_dir, self.linger_seconds)  # the keeper may have been killed since
        os.close(self.users_lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def start(
    data_dir: Path, *, linger_seconds: float = LINGER_SECONDS, settings: Mapping[str, str] | None = None
) -> EmbeddedPostgres:
    """A share in the server of `data_dir`, which is created and started when needed.

    `settings` are Postgres settings for a server that this call starts. Blocks for a second or two.
    Raises EmbeddedPostgresError.
    """
    data_dir = data_dir.resolve()
    _create_locks(data_dir)
    starting = _lock(data_dir / "start.lock", fcntl.LOCK_EX)
    try:
        users = _lock(data_dir / "users.lock", fcntl.LOCK_SH)
        try:
            _ensure_keeper(data_dir, linger_seconds)
            cluster = Cluster(data_dir)
            cluster.start(settings or {})
        except BaseException:
            os.close(users)
            raise
    finally:
        os.close(starting)
    return EmbeddedPostgres(data_dir, cluster.socket_dir, linger_seconds, users)


def stop_if_unused(data_dir: Path, *, keeper_lock: int | None = None) -> bool:
    """Stop the server unless somebody uses it; whether it is stopped now.

    A keeper that has just seen the last user leave counts as a user for an instant. When the caller is the
    keeper it hands in its lock.
    """
    starting = _lock(data_dir / "start.lock", fcntl.LOCK_EX)
    try:
        users = _try_lock(data_dir / "users.lock", fcntl.LOCK_EX)
        if users is None:
            return False
        try:
            Cluster(data_dir).stop()
        finally:
            os.close(users)
        if keeper_lock is not None:
            os.close(keeper_lock)
    finally:
        os.close(starting)
    return True


def _keep(data_dir: Path, keeper_lock: int, linger_seconds: float) -> None:
    """The keeper's life. A deleted directory ends it too, and Postgres by itself within a minute."""
    ours = data_dir / "keeper.lock"
    while _is_current(keeper_lock, ours):
        users = _open(data_dir / "users.lock")
        fcntl.flock(users, fcntl.LOCK_EX)  # waits, without polling, until nobody is left
        os.close(users)
        time.sleep(linger_seconds)
        if _is_current(keeper_lock, ours) and stop_if_unused(data_dir, keeper_lock=keeper_lock):
            return


def _ensure_keeper(data_dir: Path, linger_seconds: float) -> None:
    """Start a keeper unless one lives. It inherits the lock taken here, so there is never a second one."""
    lock = _try_lock(data_dir / "keeper.lock", fcntl.LOCK_EX)
    if lock is None:
        return
    command = [sys.executable, "-m", "app.embedded", str(data_dir), str(lock), str(linger_seconds)]
    source = Path(__file__).parent.parent
    try:
        with (data_dir / "keeper.log").open("ab") as log:
            subprocess.run(
                command, check=True, pass_fds=[lock], start_new_session=True, cwd=source,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
    except subprocess.CalledProcessError as error:
        raise EmbeddedPostgresError(f"no keeper: see {data_dir / 'keeper.log'}") from error
    finally:
        os.close(lock)


def _create_locks(data_dir: Path) -> None:
    if not {"\n", "\r"}.isdisjoint(str(data_dir)):
        raise EmbeddedPostgresError(f"the data directory {str(data_dir)!r} has a line break in its path")
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        for name in ("start.lock", "users.lock", "keeper.lock"):
            (data_dir / name).touch(mode=0o600)
    except OSError as error:
        raise EmbeddedPostgresError(f"cannot use the data directory {data_dir}: {error.strerror}") from error


def _lock(path: Path, kind: int) -> int:
    """The descriptor of the locked file. Raises EmbeddedPostgresError when it stays taken."""
    deadline = time.monotonic() + LOCK_TIMEOUT_SECONDS
    while (descriptor := _try_lock(path, kind)) is None:
        if time.monotonic() > deadline:
            raise EmbeddedPostgresError(f"{path} is held by another process for {LOCK_TIMEOUT_SECONDS} s")
        time.sleep(POLL_SECONDS)
    return descriptor


def _try_lock(path: Path, kind: int) -> int | None:
    descriptor = _open(path)
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    if not _is_current(descriptor, path):
        os.close(descriptor)
        return None
    return descriptor


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CLOEXEC)


def _is_current(descriptor: int, path: Path) -> bool:
    """Whether the path still names the locked file: the directory may have been deleted and made anew."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _main(data_dir: str, keeper_lock: str, linger_seconds: str) -> None:
    if os.fork() > 0:
        os._exit(0)  # the keeper proper is nobody's child, so it leaves no zombie behind
    with suppress(FileNotFoundError):  # the directory went away under us
        _keep(Path(data_dir), int(keeper_lock), float(linger_seconds))


if __name__ == "__main__":
    _main(*sys.argv[1:])
