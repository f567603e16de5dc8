"""`saga demo`, whole: as a process, on an embedded Postgres of its own."""

import json
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from tests.acceptance.server import ROOT, STOP_SECONDS_MAX, Json, command, environment, free_port, until

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

DEMO_SECONDS_MAX = 120


@pytest.fixture(scope="module")
def data_dir() -> Iterator[Path]:
    """Not below pytest's, which the database server's user cannot enter. In the end nobody is left in it."""
    folder = Path(tempfile.mkdtemp(prefix="saga-demo-"))
    yield folder
    until(lambda: not processes_of(folder), STOP_SECONDS_MAX)
    shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def _no_server_is_left(data_dir: Path) -> Iterator[None]:
    """The database server lingers for a moment; ours must have ended with the demonstration."""
    yield
    assert [process for process in processes_of(data_dir) if "serve" in words_of(process).split()] == []


def processes_of(folder: Path) -> list[psutil.Process]:
    """Whoever was started for this data directory and still runs."""
    return [process for process in psutil.process_iter() if str(folder) in words_of(process)]


def words_of(process: psutil.Process) -> str:
    """Command line and environment: a server is told its directory by the environment only."""
    try:
        return " ".join((*process.cmdline(), process.environ().get("SAGA_DATA_DIR", "")))
    except psutil.Error:
        return ""  # it has just ended, or is not ours to look at


@contextmanager
def running(data_dir: Path, port: int, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`saga demo`; ended with the context, if it has not by itself."""
    demo = subprocess.Popen(
        command("demo", "--port", str(port), *arguments),
        cwd=ROOT,
        env=environment(SAGA_DATA_DIR=str(data_dir)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield demo
    finally:
        if demo.poll() is None:
            demo.terminate()
            demo.communicate(timeout=STOP_SECONDS_MAX)


def read_until(demo: subprocess.Popen[str], words: str) -> list[str]:
    """What it prints up to the first line with these words."""
    assert demo.stdout is not None
    lines = []
    for line in demo.stdout:
        lines.append(line)
        if words in line:
            return lines
    raise AssertionError("".join((*lines, *demo.communicate())))


def test_the_demonstration_proves_itself(data_dir: Path) -> None:
    with running(data_dir, free_port(), "--exit", "--json") as demo:
        printed, errors = demo.communicate(timeout=DEMO_SECONDS_MAX)

    assert demo.returncode == 0, printed + errors
    result: Json = json.loads(printed)
    assert [check for check in result["checks"] if not check["ok"]] == []
    assert result["ok"]
    orders = result["orders"]
    assert len({order["order_id"] for order in orders}) == 20
    assert {order["status"] for order in orders} == {"completed", "compensated"}
    assert {(order["refused_at"], order["error"]["code"]) for order in orders if order["error"]} == {
        ("ReserveStock", "insufficient-stock"),
        ("HoldPayment", "insufficient-funds"),
        ("HoldPayment", "account-not-open"),
        ("book-carrier", "carrier-refused"),
        ("book-carrier", "call-failed"),
        ("Deposit", "currency-mismatch"),
    }
    euros = next(order for order in orders if order["refused_at"] == "Deposit")
    assert euros["compensations"][:3] == ["RefundPayment", "cancel-booking", "ReleasePayment"]
    assert euros["compensations"][-1] == "CancelOrder"
    assert result["kill"]["in_flight"]
    assert any(order["processes"] == 2 for order in orders)


def test_repeated_on_the_same_data_it_leaves_the_server_up_until_it_is_told_to_stop(data_dir: Path) -> None:
    port = free_port()
    with running(data_dir, port, "--orders", "10") as demo:
        lines = read_until(demo, "still up")
        docs = httpx.get(f"http://127.0.0.1:{port}/docs")
        demo.send_signal(signal.SIGINT)
        rest = demo.communicate(timeout=STOP_SECONDS_MAX)

    assert [line for line in lines if line.startswith("✗")] == [], "".join(lines)
    assert [line for line in lines if line.startswith("✓ every saga ended")]
    assert lines[-1] == f"The server is still up: http://127.0.0.1:{port}/docs. Ctrl-C stops it.\n"
    assert docs.status_code == 200
    assert rest == ("", "")
    assert demo.returncode == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_broken_off_in_the_middle_it_takes_its_server_along(
    data_dir: Path, number: signal.Signals, code: int
) -> None:
    port = free_port()
    with running(data_dir, port) as demo:
        read_until(demo, "the carrier is down")
        demo.send_signal(number)
        _, errors = demo.communicate(timeout=STOP_SECONDS_MAX)

    assert demo.returncode == code
    assert errors == ""
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/health/live")


def test_killed_in_the_middle_it_leaves_no_server_behind(data_dir: Path) -> None:
    """Its server ends in an orderly way, and the database server after it."""
    port = free_port()
    with running(data_dir, port) as demo:
        read_until(demo, "the carrier is down")
        demo.kill()
        demo.communicate(timeout=STOP_SECONDS_MAX)

    until(lambda: not processes_of(data_dir))
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/health/live")


def test_a_port_that_is_taken_is_one_line(data_dir: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with running(data_dir, port) as demo:
            outcome = demo.communicate(timeout=DEMO_SECONDS_MAX)

    line = f"cannot listen at 127.0.0.1 port {port}: Address already in use; choose another port with --port"
    assert outcome == ("", f"saga: {line}\n")
    assert demo.returncode == 1
