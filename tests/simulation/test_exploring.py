"""Many seeds on several processes: nothing is left out, and who dies or breaks a rule is told."""

import multiprocessing
import subprocess
import sys
import time

import psutil
import pytest

from tests.simulation.exploring import CHUNK, Tally, report, summary, try_all

pytestmark = pytest.mark.slow


def test_every_seed_is_tried_once() -> None:
    whole = Tally()

    for more in try_all(range(7, 7 + CHUNK + 3), 2):
        whole.add(more)

    assert whole.schedules == CHUNK + 3


def test_a_process_that_dies_costs_only_what_was_on_its_way() -> None:
    whole, chunks, killed = Tally(), 10, False

    for more in try_all(range(chunks * CHUNK), 2):
        whole.add(more)
        if not killed:
            killed = True
            multiprocessing.active_children()[0].kill()

    assert not whole.clean
    assert 1 <= len(whole.lost) <= 6
    assert whole.schedules == (chunks - len(whole.lost)) * CHUNK


def test_no_process_outlives_the_one_that_began() -> None:
    command = [sys.executable, "-m", "tests.simulation", "--seeds", str(1_000 * CHUNK), "--processes", "1"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as explorer:
        me = psutil.Process(explorer.pid)
        deadline = time.monotonic() + 60
        while len(children := me.children()) < 2:  # the process, and what looks after its semaphores
            assert time.monotonic() < deadline
            time.sleep(0.02)

        explorer.kill()

    _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive


def test_a_finding_is_printed_with_the_commands_that_replay_and_shrink_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report(Tally(schedules=1, findings=[(100, "a rule")], lost=[200]))

    printed = capsys.readouterr().out
    assert "seed 100: a rule\n" in printed
    assert "    python -m tests.simulation 100\n    python -m tests.simulation 100 --shrink\n" in printed
    assert f"    python -m tests.simulation --seeds {CHUNK} --first 200\n" in printed


def test_the_figures_are_a_table() -> None:
    whole = Tally(schedules=1_000, findings=[(100, "a rule")], lost=[200])
    whole.counts.update(sagas=2_000, events=50_000, crashes=600, pauses=400)
    whole.ends.update(completed=1_900, stuck=100)

    table = summary(whole, range(1_050), seconds=10, number=2).splitlines()

    assert "| schedules | 1,000 in 10 s on 2 processes, 100/s |" in table
    assert "| sagas | 2,000: 1,900 completed, 100 stuck |" in table
    assert "| chunks of seeds that were lost | 1 |" in table
