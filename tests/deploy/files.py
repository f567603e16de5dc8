"""The files that a deployment is made of, taken apart."""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from app.settings import Settings
from tests.docs.test_commands import called

ROOT: Final = Path(__file__).parents[2]
SETTINGS: Final = {f"SAGA_{name.upper()}" for name in Settings.model_fields}
UNITS: Final = sorted((ROOT / "deploy/systemd").glob("*.service"))
_VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


class Unset(Exception):
    """A variable that must be given is not."""


def interpolated(text: str, variables: Mapping[str, str]) -> str:
    """As `docker compose` does it, for the forms that we use: ${X}, ${X:-default}, ${X:?message}."""

    def value(found: re.Match[str]) -> str:
        name, kind, rest = found.groups()
        if variables.get(name):
            return variables[name]
        if kind == "?":
            raise Unset(name)
        return rest if kind == "-" else ""

    return _VARIABLE.sub(value, text)


def compose(variables: Mapping[str, str]) -> dict[str, Any]:
    """The services of compose.yaml. Raises Unset."""
    document = yaml.safe_load((ROOT / "compose.yaml").read_text())
    services: dict[str, Any] = _everywhere(document["services"], variables)
    return services


def _everywhere(node: Any, variables: Mapping[str, str]) -> Any:
    """Texts are filled in once they are read: a value may have any characters."""
    match node:
        case str():
            return interpolated(node, variables)
        case dict():
            return {key: _everywhere(value, variables) for key, value in node.items()}
        case list():
            return [_everywhere(each, variables) for each in node]
        case _:
            return node


def example_variables() -> set[str]:
    """The variables of deploy/example.env."""
    return set(re.findall(r"^(\w+)=", (ROOT / "deploy/example.env").read_text(), re.M))


def instructions() -> list[tuple[str, str]]:
    """Those of the Dockerfile: word and rest."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines]


def check_command(arguments: list[str]) -> None:
    """Fails unless `saga ARGUMENTS` can be called so."""
    command, name, rest = called(shlex.join(["saga", *arguments]))
    command.make_context(name, rest)
