"""Commands in the pages exist, and are called as they can be."""

import re
import shlex
from typing import cast

import pytest
import typer
from typer.core import TyperCommand, TyperGroup

from app.cli.main import app
from tests.docs.pages import NAMES, PAGES, Page, page
from tests.docs.typed import typed

SAGA = cast("TyperGroup", typer.main.get_command(app))
PLACEHOLDER = re.compile(r"\[|…|\bCOMMAND\b")
"""Marks a call that shows the form of a command, and is none that could be typed."""
OF_THE_LOG = {"saga had no run"}
"""Not every line that begins so is a command."""


def calls_of(page: Page) -> list[str]:
    """Calls of `saga` in the text. `saga show` alone is a name."""
    lines = [line.removeprefix(".venv/bin/") for line in page.inline_code]
    return [line for line in lines if line.startswith("saga ") and line not in OF_THE_LOG]


def called(line: str) -> tuple[TyperCommand, str, list[str]]:
    """The command that a call means, also one of a group, and its arguments."""
    _, name, *arguments = shlex.split(line)
    assert name in SAGA.commands
    command = SAGA.commands[name]
    while isinstance(command, TyperGroup) and arguments and arguments[0] in command.commands:
        command, name, arguments = command.commands[arguments[0]], arguments[0], arguments[1:]
    return cast("TyperCommand", command), name, arguments


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_commands_can_be_called_so(page: Page) -> None:
    for line in calls_of(page):
        if line.split()[1] in ("--help", "COMMAND"):
            continue
        command, name, arguments = called(line)
        if PLACEHOLDER.search(line):
            assert options_in(line) <= options_of(command), line
        elif arguments:
            command.make_context(name, arguments)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_commands_of_shell_blocks_can_be_typed_so(page: Page) -> None:
    for each in typed(page):
        if each.program == "saga":
            command, name, arguments = called(shlex.join(("saga", *each.words[1:])))
            command.make_context(name, arguments)


def test_every_command_is_in_the_reference() -> None:
    text = page("docs/reference/cli.md")
    named = {line.split()[1] for line in calls_of(text)}

    assert set(SAGA.commands) <= named
    for group in SAGA.commands.values():
        if isinstance(group, TyperGroup):
            rows = " ".join(text.inline_code)
            assert [name for name in group.commands if not re.search(rf"\b{name}\b", rows)] == []


def options_in(line: str) -> set[str]:
    return set(re.findall(r"--[\w-]+", line))


def options_of(command: TyperCommand) -> set[str]:
    return {"--help", *(option for parameter in command.params for option in parameter.opts)}
