"""The page of all commands with their arguments and options."""

from collections.abc import Iterator
from enum import Enum
from typing import Any, Literal, get_args, get_origin

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from app.cli.main import app
from tests.docs.references.markdown import code, page, table

HEAD = """# Command line: commands

Generated from the commands by `make references`; `saga COMMAND --help` says the same.
What they are for, exit codes, and which of them ask a server: [command line](cli.md).
"""
NAMES = {"str": "TEXT", "int": "INTEGER", "float": "NUMBER", "Path": "PATH"}


def commands_page() -> str:
    return page(HEAD, *_sections("saga", typer.main.get_command(app)))


def _sections(name: str, command: Any) -> Iterator[str]:
    if isinstance(command, TyperGroup):
        for each in command.commands.values():
            yield from _sections(f"{name} {each.name}", each)
    elif not command.hidden:
        yield _section(name, command)


def _section(name: str, command: TyperCommand) -> str:
    arguments = [p for p in command.params if isinstance(p, TyperArgument)]
    options = [p for p in command.params if isinstance(p, TyperOption) and not p.hidden]
    usage = " ".join([name, *(_argument(a) for a in arguments), *(["[OPTIONS]"] if options else [])])
    rows = [
        *((code(_argument(a).strip("[]")), _meaning(a)) for a in arguments),
        *((code(_option(o)), _meaning(o)) for o in options),
    ]
    return page(
        f"## {name}",
        code(usage),
        (command.help or "").strip(),
        table(("argument or option", "meaning"), rows),
    )


def _argument(argument: TyperArgument) -> str:
    name = argument.metavar or str(argument.name).upper().replace("_", "-")
    return name if argument.required or name.startswith("[") else f"[{name}]"


def _option(option: TyperOption) -> str:
    names = ", ".join(option.opts)
    if option.is_flag:
        return " / ".join([names, *option.secondary_opts])
    return f"{names} {option.metavar or _value(option.type_descriptor.annotation)}"


def _value(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return "|".join(map(str, get_args(annotation)))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return "|".join(str(member.value) for member in annotation)
    inner = next(iter(get_args(annotation)), annotation)
    return NAMES.get(getattr(inner, "__name__", ""), "TEXT")


def _meaning(parameter: TyperArgument | TyperOption) -> str:
    said = (parameter.help or "").strip()
    needed = isinstance(parameter, TyperOption) and parameter.required
    return " ".join(
        [
            *([said if said.endswith((".", "]")) else f"{said}."] if said else []),
            *(["Must be given."] if needed else []),
            *([f"Default {code(_default(parameter))}."] if _default(parameter) else []),
            *([f"Also {code(parameter.envvar)}."] if parameter.envvar else []),
        ]
    )


def _default(parameter: TyperArgument | TyperOption) -> str:
    value = parameter.default
    if not parameter.show_default or value in (None, False, True, "") or callable(value) or value in ([], ()):
        return ""
    return str(value.value if isinstance(value, Enum) else value)
