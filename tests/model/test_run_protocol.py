"""The run protocol holds in every state that it can reach, and needs each of its rules.

RUN_PROTOCOL_MODEL=full adds larger bounds (two minutes, 800 MB).
"""

import os
from dataclasses import fields, replace

import pytest

from .explorer import RESTLESS, explore
from .rules import Rules, Scenario
from .run_protocol import ASLEEP, DOUBLED, REFUSED, REPARKED, UNCOVERED, RunProtocol

pytestmark = pytest.mark.slow

RULES = Rules()
FULL = pytest.mark.skipif(
    os.environ.get("RUN_PROTOCOL_MODEL") != "full", reason="set RUN_PROTOCOL_MODEL=full"
)

# The numbers are a fingerprint of the model: a change of the protocol changes them, and must be meant.
SURVIVED = [
    pytest.param(Scenario(executions_max=5), 137_411, 89, id="a signal at any time"),
    pytest.param(Scenario(timeout=False, operator=True), 47_475, 100, id="no deadline, an operator"),
    pytest.param(Scenario(operator=True, faults=2), 166_426, 184, id="an operator at any time"),
    pytest.param(Scenario(direct_start=True, faults=2), 118_098, 96, id="a direct start"),
    pytest.param(Scenario(hasty_reconciler=True, faults=2), 131_779, 120, id="a hasty reconciler"),
    pytest.param(
        Scenario(timeout=False, operator=True, hasty_reconciler=True, faults=2),
        94_548,
        192,
        id="no deadline, all requests",
    ),
    pytest.param(
        Scenario(timeout=False, later=True, operator=True, hasty_reconciler=True, faults=2),
        187_568,
        315,
        id="a later start, all requests",
    ),
    pytest.param(Scenario(faults=4, executions_max=4), 506_323, 145, id="four faults", marks=FULL),
    pytest.param(Scenario(operator=True), 820_608, 358, id="an operator, three faults", marks=FULL),
    pytest.param(Scenario(direct_start=True), 526_921, 188, id="a direct start, three faults", marks=FULL),
    pytest.param(
        Scenario(operator=True, direct_start=True, faults=2), 978_435, 380, id="everything", marks=FULL
    ),
]

# What breaks first, in the smallest scenario that shows it, when one rule is taken away.
BROKEN = {
    "superseded_gives_up": (Scenario(faults=2), ASLEEP),
    "early_timer_parks_again": (Scenario(faults=1), ASLEEP),
    "numbers_follow_the_journal": (Scenario(faults=0), REFUSED),
    "unnamed_run_returns": (Scenario(faults=1), REPARKED),
    "finished_run_returns": (Scenario(faults=0), RESTLESS),
    "existing_run_is_refused": (Scenario(faults=1, direct_start=True), ASLEEP),
    "appends_are_fenced": (Scenario(faults=1), DOUBLED),
    "waking_signal_names_a_run": (Scenario(faults=0, timeout=False), ASLEEP),
    "parking_is_one_statement": (Scenario(faults=1), ASLEEP),
    "empty_journal_is_closed": (Scenario(faults=2, direct_start=True), ASLEEP),
}


@pytest.mark.parametrize(("scenario", "states", "final"), SURVIVED)
def test_every_reachable_state_is_sound(scenario: Scenario, states: int, final: int) -> None:
    found = explore(RunProtocol(scenario, RULES))

    assert found.traces == {}
    assert (found.states, found.final) == (states, final)


def test_a_later_start_needs_its_early_runs_to_park_again() -> None:
    scenario = Scenario(timeout=False, later=True, faults=1)
    without = replace(RULES, early_timer_parks_again=False)

    assert ASLEEP in explore(RunProtocol(scenario, without)).traces


@pytest.mark.parametrize("rule", BROKEN)
def test_each_rule_is_needed(rule: str) -> None:
    scenario, violation = BROKEN[rule]
    without = replace(RULES, **{rule: False})

    assert violation not in explore(RunProtocol(scenario, RULES)).traces
    assert violation in explore(RunProtocol(scenario, without), until=violation).traces


def test_no_rule_is_left_untried() -> None:
    assert set(BROKEN) == {rule.name for rule in fields(Rules)}


def test_a_counter_of_started_runs_and_a_silent_enqueue_lose_the_wake() -> None:
    """The two belong together naturally: the signal is accepted, and nobody reads it before the deadline."""
    natural = replace(RULES, numbers_follow_the_journal=False, existing_run_is_refused=False)

    assert UNCOVERED in explore(RunProtocol(Scenario(faults=0), natural)).traces


def test_a_trace_is_a_shortest_way_to_the_violation() -> None:
    without = replace(RULES, superseded_gives_up=False)

    assert explore(RunProtocol(Scenario(faults=2), without), until=ASLEEP).traces[ASLEEP] == [
        "the saga is requested, run 1",
        "run 1 is dispatched",
        "run 1 reads the journal",
        "run 1 is resumed falsely",
        "run 1 is dispatched",
        "run 1 reads the journal",
        "run 1 appends RunStarted and StepSucceeded 1",
        "run 1 meets a foreign RunStarted and returns",
        "an execution of run 1 dies",
    ]
