"""Writes a starting point into a clone: its file, its test, its entry in the table. All of it, or nothing."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Final, Literal

from app.starting_points.formatting import format_files
from app.starting_points.naming import BadName, NewName
from app.starting_points.registering import Entry, registered

Kind = Literal["aggregate", "saga"]
TEMPLATES: Final = Path(__file__).parent / "templates"
PACKAGES: Final = ("domain", "workflows")


class CannotWrite(Exception):
    """Nothing was written. The message says what is in the way."""


@dataclass(frozen=True)
class Plan:
    """Where the files of one kind go."""

    folder: str
    tests: str
    table_file: str
    table: str
    entry: str
    """The form of the name under which the table lists it."""


PLANS: Final[dict[Kind, Plan]] = {
    "aggregate": Plan("domain", "tests/unit/domain", "domain/aggregates.py", "CATALOG", "snake"),
    "saga": Plan("workflows", "tests/unit/workflows", "workflows/sagas.py", "SAGAS", "CAPITALS"),
}


@dataclass(frozen=True)
class Written:
    """What was written, as paths in the clone.

    `to_add` are the lines that a person must add to `table_file`; empty when it was done.
    """

    files: tuple[str, ...]
    table_file: str
    to_add: tuple[str, ...]


def write(kind: Kind, name: NewName, clone: Path) -> Written:
    """Raises CannotWrite, BadName."""
    plan = PLANS[kind]
    table = clone / plan.table_file
    if not table.is_file() or not (clone / plan.tests).is_dir():
        raise CannotWrite(f"{clone} is no clone of saga-orchestrator: it has no {plan.table_file}")
    files = {
        f"{plan.folder}/{name.snake}.py": _filled(kind, name),
        f"{plan.tests}/test_{name.snake}.py": _filled(f"{kind}_test", name),
    }
    entry = Entry(plan.table, f"{plan.folder}.{name.snake}", name.forms[plan.entry])
    try:
        _check_free(clone, name, files)
        longer = registered(table.read_text(), entry)
    except SyntaxError as error:
        raise CannotWrite(
            f"a file is no Python yet: {error.msg}, line {error.lineno}: {error.text}"
        ) from None
    _write(clone, files)
    if longer is not None:
        table.write_text(longer)
    format_files(clone, [*files, *([] if longer is None else [plan.table_file])])
    to_add = (entry.import_line, f"{entry.name},  # into {plan.table}") if longer is None else ()
    return Written(tuple(files), plan.table_file, to_add)


def _filled(template: str, name: NewName) -> str:
    return Template((TEMPLATES / f"{template}.txt").read_text()).substitute(name.forms)


def _check_free(clone: Path, name: NewName, files: dict[str, str]) -> None:
    for path in [*files, *(f"{package}/{name.snake}" for package in PACKAGES)]:
        if (clone / path).exists():
            raise CannotWrite(f"{path} exists already")
    [code, _] = files.values()
    new = set(_classes(code))
    for module in sorted(each for package in PACKAGES for each in (clone / package).glob("*.py")):
        if taken := new.intersection(_classes(module.read_text())):
            where = module.relative_to(clone)
            raise BadName(f"{where} has a class {min(taken)} already: choose another name")
    for path, text in files.items():
        names = list(_names(ast.parse(text)))
        if twice := {each for each in names if names.count(each) > 1}:
            raise BadName(f"{min(twice)} would mean two things in {path}: choose another name")


def _names(tree: ast.Module) -> Iterator[str]:
    """What a file binds at its top level."""
    for node in tree.body:
        match node:
            case ast.ImportFrom(names=names) | ast.Import(names=names):
                yield from (each.asname or each.name for each in names)
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
                yield name


def _classes(source: str) -> Iterator[str]:
    return (node.name for node in ast.parse(source).body if isinstance(node, ast.ClassDef))


def _write(clone: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        try:
            with (clone / path).open("x") as file:
                file.write(text)
        except OSError as error:
            raise CannotWrite(f"{path}: {error.strerror}") from None
