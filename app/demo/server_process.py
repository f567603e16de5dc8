"""`saga serve` as a child process that can be killed and started again on the same data."""

import asyncio
import os
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NoReturn

import httpx

READY_SECONDS_MAX: Final = 120.0
STOP_SECONDS_MAX: Final = 30.0
POLL_SECONDS: Final = 0.05
LOG_TAIL_BYTES: Final = 8192
SAYS: Final = "saga: "
"""What an error that `saga serve` ends with begins with."""
EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Addresses to listen at, and what to talk to instead."""


class ServerFailed(Exception):
    """The server ended by itself, or did not become ready."""


@dataclass
class ServerProcess:
    """One server at a time. `starts` counts them; `log` keeps what all of them say.

    Each has a session of its own: Ctrl-C in a terminal reaches the parent only, which stops its child. Nobody
    but the parent holds the other end of its standard input, so it also stops when the parent was killed.
    """

    host: str
    port: int
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    starts: int = 0
    _process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        host = EVERYWHERE.get(self.host, self.host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def start(self) -> float:
        """Start a server and wait until it is ready; the time it was started at. Raises ServerFailed."""
        assert self._process is None, "one at a time"
        arguments = ("serve", "--host", self.host, "--port", str(self.port), "--until-eof")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        started_at = time.time()
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "app.cli.main", *arguments, env=os.environ | self.environment,
                start_new_session=True, stdin=asyncio.subprocess.PIPE, stdout=log, stderr=log,
            )  # fmt: skip
        self.starts += 1
        await self._await_ready()
        return started_at

    async def kill(self) -> None:
        """End it as a power cut would: SIGKILL."""
        process = self._taken_out()
        assert process is not None, "there is one to kill"
        await _kill(process)

    async def stop(self) -> None:
        """Ask it to end; kill it when it does not, or when the caller has no more time for it."""
        process = self._taken_out()
        if process is None:
            return
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(STOP_SECONDS_MAX):
                await process.wait()
        except TimeoutError:
            await _kill(process)
        except asyncio.CancelledError:
            await _kill(process)
            raise

    async def guard(self) -> NoReturn:
        """Watch over it until cancelled. Raises ServerFailed when it ends and nobody here has ended it."""
        while True:
            self._check_alive()
            await asyncio.sleep(POLL_SECONDS)

    def _taken_out(self) -> asyncio.subprocess.Process | None:
        """The process, whose end is expected from now on."""
        process, self._process = self._process, None
        return process

    def _check_alive(self) -> None:
        code = self._process.returncode if self._process else None
        if code is not None:
            raise ServerFailed(self._reason() or f"the server ended with exit code {code}")

    async def _await_ready(self) -> None:
        try:
            async with asyncio.timeout(READY_SECONDS_MAX), httpx.AsyncClient(base_url=self.url) as http:
                while not await _is_ready(http):
                    self._check_alive()
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            raise ServerFailed(f"the server is not ready after {READY_SECONDS_MAX:.0f} s") from None

    def _reason(self) -> str:
        """What `saga serve` says last when it cannot go on; nothing when it died without a word."""
        with self.log.open("rb") as log:
            log.seek(max(0, self.log.stat().st_size - LOG_TAIL_BYTES))
            *_, last = log.read().decode("utf-8", "replace").rstrip("\n").split("\n")
        return last.removeprefix(SAYS) if last.startswith(SAYS) else ""


async def _kill(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()


async def _is_ready(http: httpx.AsyncClient) -> bool:
    try:
        answer = await http.get("/health/ready")
    except httpx.TransportError:
        return False
    return answer.status_code == httpx.codes.OK
