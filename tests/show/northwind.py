"""All orders of the Northwind traders, on a server that is killed three times meanwhile.

python -m tests.show.northwind [--orders N] [--kills N] [--data FOLDER]
"""

import argparse
import asyncio
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app import embedded
from app.demo.server_process import ServerProcess
from tests.show import dataset
from tests.show.dataset import Northwind
from tests.show.run import DEPOSIT, Report, run

DATA = Path(__file__).parents[3] / "shared/data/northwind"
LOG = "server.log"
STOP_SECONDS_MAX = 30


@contextmanager
def data_directory() -> Iterator[Path]:
    """A directory for a server's database. It is gone at the end, and the database server has ended."""
    folder = Path(tempfile.mkdtemp(prefix="saga-northwind-"))
    share = embedded.start(folder, linger_seconds=0)
    try:
        yield folder
    finally:
        share.close()
        deadline = time.monotonic() + STOP_SECONDS_MAX
        while not embedded.stop_if_unused(folder):
            assert time.monotonic() < deadline, "somebody still uses the database server"
            time.sleep(0.02)
        shutil.rmtree(folder)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def show(northwind: Northwind, kills: int, folder: Path) -> Report:
    """Run it on a server of its own, which has ended when this returns."""
    environment = {"SAGA_DATA_DIR": str(folder), "SAGA_DATABASE_URL": "", "SAGA_CARRIER_URL": ""}
    running = asyncio.current_task()
    assert running is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    server = ServerProcess("127.0.0.1", free_port(), folder / LOG, environment)
    try:
        return await run(server, northwind, kills)
    finally:
        await server.stop()


def main() -> int:
    """Run it, print the figures; the exit code."""
    arguments = parsed()
    if not dataset.is_there(arguments.data):
        print(f"no Northwind data at {arguments.data}")  # noqa: T201
        return 1
    northwind = dataset.read(arguments.data)
    northwind = Northwind(northwind.customers, northwind.stock, northwind.orders[: arguments.orders])
    with data_directory() as folder:
        report = asyncio.run(show(northwind, arguments.kills, folder))
        if arguments.keep_log or not report.ok:
            shutil.copy(folder / LOG, Path(tempfile.gettempdir()) / "northwind-server.log")
    print_report(report)
    return 0 if report.ok else 1


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.show.northwind", description=__doc__)
    parser.add_argument("--orders", type=int, default=None, help="only the first so many")
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--data", type=Path, default=DATA, help="the folder of the files")
    parser.add_argument("--keep-log", action="store_true")
    return parser.parse_args()


def print_report(report: Report) -> None:
    lines = [
        f"{report.sagas} sagas in {report.seconds:.1f} s, {report.sagas / report.seconds:.0f} a second, "
        f"{len(report.kills)} kills, deposit {DEPOSIT / 100:,.2f}",
        *(f"  {count:4} {reason}" for reason, count in report.reasons.most_common()),
        "from restart to first progress: "
        + ", ".join(f"{seconds:.2f} s" for seconds in report.first_progress_seconds()),
        *(f"{'ok    ' if check.ok else 'FAILED'} {check.name}: {check.figure}" for check in report.checks),
        *(f"    {fault}" for check in report.checks for fault in check.faults[:10]),
    ]
    print("\n".join(lines))  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
