"""saga demo: what `make run` leads to.

It imports what it needs when it runs: the application takes a second to load, `saga --help` must not.
"""

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from app.cli.errors import CliError
from app.cli.output import console, print_json

if TYPE_CHECKING:
    from app.demo.server_process import ServerProcess

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def demo(
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Where its server listens. [default: 8000]")
    ] = None,
    orders: Annotated[int, typer.Option(min=10, max=500, help="How many.")] = 20,
    exit_: Annotated[bool, typer.Option("--exit", help="Stop the server at the end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Show orders that survive kill -9: over HTTP, the server killed in the middle, all books checked.

    The server stays up afterwards, to look around; Ctrl-C stops it. Run it again as often as you like.
    """
    from app.demo.server_process import ServerProcess  # noqa: PLC0415 - see the module
    from app.server import CannotListen, bind  # noqa: PLC0415
    from app.settings import Settings, SettingsError  # noqa: PLC0415

    try:
        settings = Settings.load(port=port)
        if settings.port == 0:
            raise CliError("the demonstration must know its port, 0 is none; choose one with --port")
        bind(settings.host, settings.port).close()
        log = settings.data_dir / "demo-server.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.touch()
    except SettingsError as error:
        raise CliError(str(error)) from None
    except CannotListen as error:
        raise CliError(f"{error}; choose another port with --port") from None
    except OSError as error:
        raise CliError(f"cannot use the data directory {settings.data_dir}: {error.strerror}") from None
    # The demonstration tells the sandbox carrier what to do, so it must be the one.
    server = ServerProcess(settings.host, settings.port, log, {"SAGA_CARRIER_URL": ""})
    raise typer.Exit(asyncio.run(_Demo(server, orders, exit_, as_json).perform()))


class _Demo:
    """One call of the command."""

    def __init__(self, server: "ServerProcess", orders: int, exit_: bool, as_json: bool) -> None:
        self._server = server
        self._orders = orders
        self._exit = exit_
        self._as_json = as_json
        self._console = Console(stderr=True, highlight=False) if as_json else console
        self._exit_code: int | None = None

    async def perform(self) -> int:
        """The exit code. Whatever happens, the server has ended when this returns or raises."""
        from app.demo.demonstration import DemonstrationFailed  # noqa: PLC0415 - see the module
        from app.demo.server_process import ServerFailed  # noqa: PLC0415

        ended_by = _cancel_on_signals()
        try:
            await self._demonstrate()
            if not self._exit:
                await self._stay()
        except asyncio.CancelledError:
            if self._exit_code is None:
                self._exit_code = 128 + ended_by[0] if ended_by else 1
        except (DemonstrationFailed, ServerFailed) as error:
            raise CliError(f"{error} (the server's log is {self._server.log})") from None
        finally:
            await self._server.stop()
        return self._exit_code or 0

    async def _demonstrate(self) -> None:
        from app.cli.demo_screen import Screen, outcome_document, show_outcome  # noqa: PLC0415 - see the module
        from app.demo.demonstration import demonstrate  # noqa: PLC0415

        with Screen(self._console) as screen:
            screen.say("starting a server")
            await self._server.start()
            screen.say(f"server process {self._server.pid} is up at {self._server.url}")
            outcome = await demonstrate(self._server, screen, os.urandom(3).hex(), self._orders)
        self._exit_code = 0 if outcome.ok else 1
        if self._as_json:
            print_json(outcome_document(outcome))
            sys.stdout.flush()
        else:
            show_outcome(self._console, outcome)

    async def _stay(self) -> None:
        url = self._server.url
        self._console.print(f"\nThe server is still up: {url}/docs. Ctrl-C stops it.", soft_wrap=True)
        await self._server.guard()


def _cancel_on_signals() -> list[int]:
    """Let signals cancel this task; gives the list that they will be noted in."""
    received: list[int] = []
    task = asyncio.current_task()
    assert task is not None

    def cancel(number: int) -> None:
        received.append(number)
        task.cancel()

    for number in SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, cancel, number)
    return received
