"""Which exit codes of servers and workers a round puts up with."""

import pytest

from tests.chaos.faults import may_end


@pytest.mark.parametrize("began", [True, False])
def test_a_process_that_was_told_to_end_may(began: bool) -> None:
    assert may_end(0, ["SIGTERM"], began=began)
    assert may_end(1, ["SIGTERM"], began=began)
    assert may_end(75, ["SIGTERM"], began=began)
    assert may_end(-9, ["SIGTERM", "SIGKILL"], began=began)


def test_one_that_nobody_told_may_ask_for_a_restart_or_fail_to_start() -> None:
    assert may_end(75, [], began=True)
    assert may_end(1, [], began=False)


@pytest.mark.parametrize("code", [0, 1, 2, -9, -11, -15])
def test_any_other_end_is_a_fault(code: int) -> None:
    assert not may_end(code, [], began=True)


def test_a_signal_kills_only_who_does_not_listen_yet() -> None:
    assert may_end(-15, ["SIGTERM"], began=False)
    assert not may_end(-15, ["SIGTERM"], began=True)
    assert not may_end(-15, [], began=False)
    assert not may_end(0, [], began=False)
