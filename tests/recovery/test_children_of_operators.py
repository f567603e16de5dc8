"""Children over HTTP: one refused past the pivot is started anew, one that blocks is in the preview."""

import httpx
import pytest

from tests.recovery.scripted import PIVOT, ask, await_status, balance, child, deposit, go, run_script, wait
from tests.recovery.shop import saga

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


def test_a_retry_past_the_pivot_starts_the_child_anew(scripts: httpx.Client) -> None:
    part = child("part", deposit("again"), wait())
    run_script(scripts, "again", PIVOT, part)
    await_status(scripts, "part", "waiting")
    ask(scripts, "part", "compensate").raise_for_status()
    stuck = await_status(scripts, "again", "stuck")["stuck"]
    assert (stuck["reason"], stuck["step"]) == ("rejected-after-pivot", "1")

    ask(scripts, "again", "retry").raise_for_status()
    await_status(scripts, "part:2", "waiting")
    go(scripts, "part:2").raise_for_status()

    assert await_status(scripts, "again", "completed")["steps"][0]["saga_id"] == "part:2"
    assert saga(scripts, "part")["status"] == "compensated"
    assert balance(scripts, "again") == 1


def test_what_a_child_blocks_is_seen_before_and_force_does_not_pass_it(scripts: httpx.Client) -> None:
    part = child("firm", deposit("firm"), PIVOT, wait())
    run_script(scripts, "blocked", deposit("blocked"), part)
    await_status(scripts, "firm", "waiting")

    for force in (False, True):
        seen = scripts.post("/sagas/blocked/compensate", json={"preview": True, "force": force}).json()
        assert seen["possible"] is False
        assert seen["blocked_by"] == ["firm (step 2): the saga has passed its pivot"]
        assert [each["step"] for each in seen["commands"]] == ["2", "1"]
    ask(scripts, "blocked", "compensate").raise_for_status()

    assert await_status(scripts, "blocked", "stuck")["stuck"]["reason"] == "compensation-failed"
    ask(scripts, "firm", "compensate", force=True).raise_for_status()
    await_status(scripts, "firm", "compensated", "abandoned")
