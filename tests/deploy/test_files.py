"""What Dockerfile, compose.yaml and the units of systemd name exists: commands, settings, files, bounds."""

import fnmatch
import json
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from app.server import END_SECONDS_MAX
from tests.deploy.files import (
    ROOT,
    SETTINGS,
    UNITS,
    Unset,
    check_command,
    compose,
    example_variables,
    instructions,
)
from tests.docs.pages import page

SECRETS = {"POSTGRES_PASSWORD", "SAGA_OWNER_PASSWORD", "SAGA_APP_PASSWORD", "SAGA_MASTER_KEY"}
GIVEN = dict.fromkeys(SECRETS, "x")
OURS = ("server", "worker", "migrate")
GATEWAYS = ("172.17.0.1", "172.31.0.1", "192.168.0.1", "192.168.240.1")
"""As whom the proxy of the machine comes to a container, by Docker's default address pools."""


def test_no_secret_has_a_default() -> None:
    for missing in SECRETS:
        with pytest.raises(Unset, match=missing):
            compose({name: value for name, value in GIVEN.items() if name != missing})
    assert example_variables() >= SECRETS


def test_the_example_names_what_the_compose_file_reads_and_gives_no_value() -> None:
    text = (ROOT / "compose.yaml").read_text()

    assert example_variables() <= set(re.findall(r"\$\{(\w+)", text))
    assert re.findall(r"^\w+=.+$", (ROOT / "deploy/example.env").read_text(), re.M) == []


async def test_the_proxy_of_the_machine_is_believed_and_nobody_else() -> None:
    seen: list[tuple[str, str]] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append((scope["scheme"], scope["client"][0]))

    believing = ProxyHeadersMiddleware(app, compose(GIVEN)["server"]["environment"]["FORWARDED_ALLOW_IPS"])
    said = [(b"x-forwarded-proto", b"https"), (b"x-forwarded-for", b"1.1.1.1, 203.0.113.9")]
    for peer in (*GATEWAYS, "203.0.113.7"):
        scope: Any = {"type": "http", "scheme": "http", "client": (peer, 1), "headers": said}
        await believing(scope, None, None)  # type: ignore[arg-type]

    assert seen == [("https", "203.0.113.9")] * len(GATEWAYS) + [("http", "203.0.113.7")]


@pytest.mark.parametrize("name", OURS)
def test_each_service_is_a_command_of_ours_with_settings_of_ours(name: str) -> None:
    service = compose(GIVEN)[name]

    check_command(service["command"])
    assert set(service["environment"]) <= SETTINGS | ({"FORWARDED_ALLOW_IPS"} if name == "server" else set())
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert seconds(service["stop_grace_period"]) > END_SECONDS_MAX


def test_there_are_a_server_two_workers_and_a_postgres_whose_health_is_told() -> None:
    services = compose(GIVEN)

    assert services.keys() == {"postgres", *OURS}
    assert services["worker"]["deploy"]["replicas"] == 2
    assert all(services[name]["healthcheck"]["test"] for name in ("postgres", "server", "worker"))
    assert "ports" not in services["postgres"]
    assert all(port.startswith("127.0.0.1:") for port in services["server"]["ports"])


def test_only_what_migrates_has_more_than_the_role_of_the_application() -> None:
    services = compose(GIVEN)

    more = {"SAGA_OWNER_DATABASE_URL", "SAGA_ADMIN_DATABASE_URL"}
    assert {name for name in OURS if more & set(services[name]["environment"])} == {"migrate"}


def test_the_image_is_built_of_what_is_there_and_nothing_is_left_out_of_it() -> None:
    copied = [
        path
        for word, rest in instructions()
        if word == "COPY" and not rest.startswith("--from")
        for path in rest.split()[:-1]
    ]
    let_through = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), re.M)
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]

    assert all((ROOT / path).exists() for path in copied)
    assert sorted(let_through) == sorted(copied)
    assert {name.removesuffix("*") for name in packages["include"]} <= set(copied)


def test_the_image_runs_our_command_and_not_as_root() -> None:
    found = dict(instructions())  # the last of each

    [program] = json.loads(found["ENTRYPOINT"])
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert program in scripts
    check_command(json.loads(found["CMD"]))
    assert int(found["USER"]) > 0
    named = re.findall(r"\b(SAGA_\w+)=", found["ENV"])
    assert set(named) <= SETTINGS


def test_every_file_of_a_package_is_in_what_is_installed() -> None:
    """A wheel has of files that are no Python only those of the patterns: the image is made of one."""
    setup = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    patterns = setup["package-data"]["*"]
    packages = [name.removesuffix("*") for name in setup["packages"]["find"]["include"]]
    files = [path for package in packages for path in (ROOT / package).rglob("*") if path.is_file()]
    others = [path for path in files if path.suffix != ".py" and "__pycache__" not in path.parts]

    left_out = [str(path.relative_to(ROOT)) for path in others if not in_wheel(path, patterns)]

    assert others
    assert left_out == []


def in_wheel(path: Path, patterns: list[str]) -> bool:
    """Whether a pattern fits from some folder above; each folder is a package."""
    above = [folder for folder in path.parents if folder != ROOT and folder.is_relative_to(ROOT)]
    return any(
        fnmatch.fnmatchcase(str(path.relative_to(folder)), pattern)
        and str(path.relative_to(folder)).count("/") == pattern.count("/")
        for folder in above
        for pattern in patterns
    )


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_runs_our_command_and_waits_for_its_end(unit: Path) -> None:
    set_to = dict(re.findall(r"^(\w+)=(.*)$", unit.read_text(), re.M))

    program, *arguments = shlex.split(set_to["ExecStart"].replace("%i", "1"))
    assert program == "/opt/saga/bin/saga"
    check_command(arguments)
    assert int(set_to["TimeoutStopSec"]) > END_SECONDS_MAX
    assert set_to["User"] == "saga"
    assert set(re.findall(r"\b(SAGA_\w+)=", set_to["Environment"])) <= SETTINGS
    assert set_to["EnvironmentFile"] in page("docs/deploy.md").text
    assert program in page("docs/deploy.md").text


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_understands_every_line_of_a_unit(unit: Path, tmp_path: Path) -> None:
    here = tmp_path / unit.name
    here.write_text(unit.read_text().replace("/opt/saga/bin/saga", "/bin/true"))
    named = here.with_name(unit.name.replace("@", "@1"))

    done = subprocess.run(
        ["systemd-analyze", "verify", named], capture_output=True, text=True, check=False, timeout=60
    )

    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def seconds(duration: str) -> int:
    found = re.fullmatch(r"(\d+)s", duration)
    assert found is not None
    return int(found[1])
