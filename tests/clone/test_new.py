"""`saga new` in a clone: what it writes passes every check, and what is in its way is said in one line."""

import shutil
import sys
from pathlib import Path

import pytest

from app.starting_points import BadName, NewName
from app.starting_points.naming import NAME_CHARS_MAX
from tests.clone.cloning import ROOT, clone_into, done, make, passing, saga

pytestmark = pytest.mark.slow

LONGEST = "a23456789-b23456789-c234567890"


@pytest.mark.timeout(1200)
def test_what_is_written_passes_all_checks_and_its_tests(tmp_path: Path) -> None:
    clone = clone_into(tmp_path)
    assert len(LONGEST) == NAME_CHARS_MAX
    printed = ""
    for name in ("hotel-room", "ox", LONGEST):
        printed += done(clone, sys.executable, "-m", "app.cli.main", "new", "aggregate", name)
        printed += done(clone, sys.executable, "-m", "app.cli.main", "new", "saga", f"{name[:-3]}xyz")

    assert printed.count("changed  domain/aggregates.py") == printed.count("changed  workflows/sagas.py") == 3
    written = [line.split()[1] for line in printed.splitlines() if line.startswith("wrote")]
    tests = [path for path in written if path.startswith("tests/")]
    assert len(written) == 12
    assert len(tests) == 6
    assert "aggregates: hotel_room version 1 is new" in make(clone, "golden")
    make(clone, "check")
    # And what is tested of any aggregate and saga goes for the new ones.
    summary = passing(clone, [*tests, "tests/unit/domain", "tests/unit/workflows", "tests/golden"])
    assert " passed" in summary
    assert "failed" not in summary


def test_what_does_not_hold_fails_the_test_that_was_written(tmp_path: Path) -> None:
    clone = small_clone(tmp_path)
    assert saga(clone, "new", "aggregate", "hotel-room").returncode == 0
    module = clone / "domain/hotel_room.py"
    module.write_text(
        module.read_text().replace("case ReserveHotelRoom() if state.holder is not None:", "case 1:")
    )

    with pytest.raises(AssertionError, match="test_what_another_one_has_is_refused"):
        passing(clone, ["tests/unit/domain/test_hotel_room.py"])


@pytest.mark.parametrize("kind", ["aggregate", "saga"])
def test_nothing_is_overwritten(tmp_path: Path, kind: str) -> None:
    clone = small_clone(tmp_path)
    assert saga(clone, "new", kind, "hotel-room").returncode == 0
    before = contents(clone)

    again = saga(clone, "new", kind, "hotel-room")

    assert again.returncode == 1
    assert (
        again.stderr
        == f"saga: {'domain' if kind == 'aggregate' else 'workflows'}/hotel_room.py exists already\n"
    )
    assert contents(clone) == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("aggregate", "Hotel"), "'Hotel' is no name: small letters and digits"),
        (("aggregate", "../hotel"), "'../hotel' is no name"),
        (("saga", "a" * 31), "is no name"),
        (("saga", ""), "'' is no name"),
        (("aggregate", "class"), "'class' has another meaning"),
        (("aggregate", "saga"), "'saga' has another meaning"),
        (("aggregate", "decider"), "domain/decider.py exists already"),
        (("aggregate", "money"), "domain/money.py exists already"),
        (("saga", "money"), "domain/money.py has a class Money already"),
        (("saga", "deposit"), "domain/account.py has a class Deposit already"),
        (("saga", "ship-stock"), "domain/stock.py has a class ShipStock already"),
        (("saga", "final"), "Final would mean two things in workflows/final.py"),
    ],
)
def test_a_name_that_cannot_be_is_refused_in_one_line(
    tmp_path: Path, arguments: tuple[str, str], said: str
) -> None:
    clone = small_clone(tmp_path)
    before = contents(clone)

    refused = saga(clone, "new", *arguments)

    assert refused.returncode == 1
    [line] = refused.stderr.splitlines()
    assert line.startswith("saga: ")
    assert said in line
    assert contents(clone) == before


def test_a_table_that_is_written_otherwise_is_left_alone(tmp_path: Path) -> None:
    clone = small_clone(tmp_path)
    table = clone / "domain/aggregates.py"
    mine = "from domain.stock import stock\n\nCATALOG = Catalog([stock])\n"
    table.write_text(mine)

    printed = done(clone, sys.executable, "-m", "app.cli.main", "new", "aggregate", "hotel-room")

    assert table.read_text() == mine
    assert "add this to domain/aggregates.py" in printed
    assert "from domain.hotel_room import hotel_room" in printed
    assert (clone / "domain/hotel_room.py").exists()


def test_a_file_that_is_no_python_yet_is_said(tmp_path: Path) -> None:
    clone = small_clone(tmp_path)
    (clone / "domain/half.py").write_text("class Half(\n")

    refused = saga(clone, "new", "aggregate", "hotel-room")

    assert refused.stderr.startswith("saga: a file is no Python yet: ")
    assert "class Half(" in refused.stderr
    assert not (clone / "domain/hotel_room.py").exists()


def test_elsewhere_it_is_said_that_this_is_no_clone(tmp_path: Path) -> None:
    refused = saga_in_no_clone(tmp_path)

    assert "is no clone of saga-orchestrator: it has no domain/aggregates.py" in refused
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a", "hotel", "hotel-room", "b2b-order", LONGEST])
def test_names_have_all_their_forms(name: str) -> None:
    forms = NewName.of(name).forms

    assert forms["kebab"] == name
    assert forms["snake"].isidentifier()
    assert forms["Class"].isidentifier()
    assert forms["CAPITALS"] == forms["snake"].upper()


@pytest.mark.parametrize("name", ["-a", "a-", "a--b", "1a", "a-1", "a_b", "ä", "a b", "a\n", "match"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(BadName):
        NewName.of(name)


def small_clone(tmp_path: Path) -> Path:
    """As much of the repository as the command needs, and the tests that it writes."""
    clone = tmp_path / "clone"
    for folder in ("app", "domain", "workflows", "eventstore", "tests/unit"):
        shutil.copytree(ROOT / folder, clone / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", clone)
    return clone


def contents(clone: Path) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes()
        for path in clone.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def saga_in_no_clone(folder: Path) -> str:
    return saga(folder, "new", "aggregate", "hotel-room").stderr
