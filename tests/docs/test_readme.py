"""README.md: its commands, on a new server; its saga and its journal are those of the code."""

import ast
import re

import pytest

from tests.acceptance.server import serving
from tests.conftest import Database
from tests.docs.pages import ROOT, page
from tests.docs.shell import typed_into_a_shell
from tests.docs.test_typed import check
from tests.docs.typed import commands
from workflows.saga.journal import ENTRIES

README = page("README.md")
MAKE, TRY, *OTHERS = [block.text for block in README.blocks if block.language == "sh"]
LINES_MAX = 150


@pytest.mark.postgres
@pytest.mark.slow
def test_what_the_readme_tries_comes_out_as_it_says(database: Database) -> None:
    with serving(database.url, database.owner_url) as server:
        printed = typed_into_a_shell(TRY, server.url, seconds=120).splitlines()

    outcomes = re.findall(r"transfer-funds +(compensated|completed)", "\n".join(printed))
    assert outcomes == ["compensated", "completed"], printed
    assert any("not open" in line for line in printed), printed
    assert any("MoneyDeposited" in line for line in printed[-3:]), printed


def test_make_run_is_the_demonstration() -> None:
    """tests/acceptance/test_demo.py runs it."""
    [recipe] = re.findall(r"^run: setup\n\t(.+)$", (ROOT / "Makefile").read_text(), re.M)

    assert recipe == "$(BIN)/saga demo"
    assert [each.words for each in commands(MAKE)] == [("make", "run"), ("make", "test")]


def test_the_other_commands_could_be_typed() -> None:
    assert OTHERS
    for script in OTHERS:
        for each in commands(script):
            check(each)


def test_the_saga_is_the_one_of_the_code_shortened() -> None:
    [block] = [block.text for block in README.blocks if block.language == "python"]

    assert steps(block) == steps((ROOT / "workflows/fulfil_order.py").read_text())


def steps(source: str) -> list[tuple[str, str]]:
    """What the function does to the saga, in order, and what undoes it."""
    [function] = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.AsyncFunctionDef) and node.name == "fulfil_order"
    ]
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
    of_the_saga = [call for call in calls if ast.unparse(call.func).startswith("saga.")]
    of_the_saga.sort(key=lambda call: (call.lineno, call.col_offset))
    return [
        (ast.unparse(call.func), " ".join(map(named, [*call.args, *(each.value for each in call.keywords)])))
        for call in of_the_saga
    ]


def named(argument: ast.expr) -> str:
    return ast.unparse(argument.func) if isinstance(argument, ast.Call) else type(argument).__name__


def test_the_entries_of_the_journal_are_called_so() -> None:
    [journal] = [block.text for block in README.blocks if "SagaRequested" in block.text]
    named = re.findall(r"^ *\d+ (\w+)", journal, re.M)

    assert len(named) > 5
    assert set(named) <= {entry.__name__ for entry in ENTRIES}


def test_the_readme_is_short() -> None:
    assert len(README.text.splitlines()) <= LINES_MAX
