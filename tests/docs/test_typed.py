"""Every command in the pages could be typed so: `curl`, `make`, `python` and `dbos` know what is asked.

Whole pages are run, as they stand, by the tests that `RUN` names; test_commands.py looks at `saga`.
"""

import json
import re
import subprocess
from importlib.util import find_spec
from urllib.parse import SplitResult, urlsplit

import jsonschema_rs
import pytest

from tests.docs.pages import NAMES, PAGES, ROOT, Page
from tests.docs.references.document import Json, document
from tests.docs.typed import SHELL, Typed, commands, typed

RUN = {
    "README.md": "tests/docs/test_readme.py",
    "docs/book-a-trip.md": "tests/clone/test_book_a_trip.py",
    "docs/time-travel.md": "tests/docs/test_time_travel.py",
    "docs/your-first-saga.md": "tests/docs/test_trip_over_http.py",
}
RUN_IN_PART = {
    **dict.fromkeys(
        (
            *("docs/audit.md", "docs/backup-and-archive.md", "docs/change-a-running-saga.md"),
            *("docs/evolve-an-event.md", "docs/personal-data.md", "docs/query-read-models.md"),
            *("docs/rebuild-a-projection.md", "docs/security.md", "docs/wait-for-approval.md"),
        ),
        "tests/docs/test_operators_pages.py",
    ),
    "docs/operate.md": "tests/acceptance/test_dbos_config.py",
    "docs/performance.md": "tests/acceptance/test_bench.py",
    "docs/reliability.md": "tests/simulation/test_exploring.py",
    "docs/deploy.md": "tests/deploy/test_compose.py",
}
"""Names in them are examples, or what they want is not here: Docker, systemd, a second database."""
NOT_RUN = {
    "docs/growth.md": "five minutes, and 12 GB",
    "CONTRIBUTING.md": "the tests themselves",
}
LANGUAGES = {"", "ini", "json", "python", "sql", "text", "yaml", *SHELL}
ORDINARY = {
    *("cd", "cp", "docker", "echo", "export", "grep", "install", "kill", "mkdir", "psql", "systemctl"),
    "useradd",
}
"""Of these only the files of ours are checked that they name."""
FILES = re.compile(r"(app|deploy|docs|domain|eventstore|tests|workflows)/\S+")
TARGETS = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M))


@pytest.mark.parametrize("name", RUN)
def test_a_page_that_is_run_is_run_by_its_test(name: str) -> None:
    assert f'page("{name}")' in (ROOT / RUN[name]).read_text()


def test_commands_that_are_not_run_are_known() -> None:
    with_commands = {page.name for page in PAGES if any(True for _ in typed(page))}

    assert with_commands == {*RUN, *RUN_IN_PART, *NOT_RUN}
    assert [name for name in RUN_IN_PART.values() if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_blocks_say_what_they_are(page: Page) -> None:
    """So that none escapes the checks."""
    unnamed = [line for block in page.blocks if not block.language for line in block.text.splitlines()]

    assert {block.language for block in page.blocks} <= LANGUAGES
    assert [line for line in unnamed if re.match(r"\s*(\$|saga|make|python|curl|\.venv)\b", line)] == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_the_shell_understands_the_blocks(page: Page) -> None:
    for block in page.blocks:
        if block.language == "sh":
            checked = subprocess.run(
                ["bash", "-n"], input=block.text, capture_output=True, text=True, check=False
            )
            assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("page", [each for each in PAGES if each.name not in RUN], ids=lambda page: page.name)
def test_commands_of_a_page_that_is_not_run_are_asked_as_they_can_be(page: Page) -> None:
    for command in typed(page):
        check(command)


def check(command: Typed) -> None:
    match command.program:
        case "saga":  # test_commands.py
            pass
        case "make":
            goals = [word for word in command.words[1:] if "=" not in word]
            assert set(goals) <= TARGETS, command
        case "python" | "python3":
            check_python(command)
        case "curl":
            check_curl(command)
        case "dbos":
            assert command.words[1] in {"migrate", "start"}, command  # tests/acceptance/test_dbos_config.py
        case program:
            assert program in ORDINARY, f"{command} is of no kind that is checked"
            assert [word for word in command.words if FILES.fullmatch(word) and not [*ROOT.glob(word)]] == []


def check_python(command: Typed) -> None:
    assert command.words[1] == "-m", command
    module, *arguments = command.words[2:]
    assert find_spec(module), command
    files = [word for word in arguments if word.startswith("tests/")]
    assert [name for name in files if not (ROOT / name).exists()] == []


def check_curl(command: Typed) -> None:
    """The route exists, and takes the body."""
    words = list(command.words)
    [url] = [word for word in words if word.startswith(("localhost:8000", "http://localhost:8000"))]
    method = words[words.index("-X") + 1] if "-X" in words else "GET"
    operation = operation_of(method, urlsplit(f"http://{url.removeprefix('http://')}"))
    if "-d" in words:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        jsonschema_rs.validator_for({**schema, **document()}).validate(
            json.loads(words[words.index("-d") + 1])
        )


def operation_of(method: str, url: SplitResult) -> Json:
    """Of the document; sagas that a page makes are not in it, their general routes are."""
    matching = [
        item[method.lower()]
        for template, item in document()["paths"].items()
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), url.path) and method.lower() in item
    ]
    assert matching, f"no route {method} {url.path}"
    operation: Json = matching[0]
    known = {parameter["name"] for parameter in operation.get("parameters", [])}
    asked = {pair.partition("=")[0] for pair in url.query.split("&") if pair}
    assert asked <= known, f"{url.path} knows no {asked - known}"
    return operation


def test_there_is_enough_to_check() -> None:
    everything = [command.program for each in PAGES for command in typed(each)]

    assert len(everything) > 60
    assert {"saga", "make", "python", "curl", "dbos"} <= set(everything)


@pytest.mark.parametrize(
    "line",
    [
        "curl -X POST localhost:8000/sagas/fulfil-order -d '{}'",
        "curl localhost:8000/nowhere",
        "curl 'localhost:8000/orders?colour=red'",
        "make nothing",
        ".venv/bin/python -m tests.nothing",
        ".venv/bin/python -m pytest tests/nothing.py",
        "frobnicate now",
    ],
)
def test_the_checks_see_what_could_not_be_typed(line: str) -> None:
    [command] = commands(line)
    with pytest.raises((AssertionError, jsonschema_rs.ValidationError)):
        check(command)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_json_is_json(page: Page) -> None:
    """What is left out is said by `…`."""
    for block in page.blocks:
        if block.language == "json" and "…" not in block.text:
            json.loads(block.text)
