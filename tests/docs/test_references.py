"""What the pages point at exists: links, files, tests."""

import re
from collections.abc import Iterator

import jsonschema_rs
import pytest
import yaml

from app.api.examples import ANSWERS
from app.problems import FAMILIES, INTERNAL
from tests.docs.pages import NAMES, PAGES, ROOT, Page, page
from tests.docs.references import GENERATED
from tests.docs.references.document import document

_FILE = re.compile(r"(?:app|workflows|domain|eventstore|tests|docs)/[\w/.\-]*\w")
_TEST = re.compile(r"(tests/[\w/.\-]+\.py)::(\w+)")


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_inside_the_repository_lead_somewhere(page: Page) -> None:
    dead = []
    for link in page.links:
        path, _, anchor = link.partition("#")
        target = (page.path.parent / path).resolve() if path else page.path
        known = target.exists() and (not anchor or anchor in Page(target).anchors)
        if not known and link not in SERVED:
            dead.append(link)

    assert dead == []


SERVED = {"/docs"}
"""Paths of a running server, not of the repository."""


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_files_that_are_named_exist(page: Page) -> None:
    named = [code.partition("::")[0] for code in page.inline_code if _FILE.fullmatch(code.partition("::")[0])]

    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_tests_that_are_named_exist(page: Page) -> None:
    missing = [
        f"{path}::{name}"
        for path, name in _TEST.findall(page.text)
        if not re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(), re.M)
    ]

    assert missing == []


def test_every_page_of_the_docs_is_in_the_navigation_of_the_site() -> None:
    """Decisions are reached by the list of them."""
    named = {f"docs/{path}" for path in leaves(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"])}
    pages = {name for name in NAMES if name.startswith("docs/") and not name.startswith("docs/adr/0")}

    assert named == pages


def test_the_home_page_leads_to_every_page_but_decisions() -> None:
    home = page("docs/README.md")
    linked = {f"docs/{link.partition('#')[0]}" for link in home.links}
    pages = {name for name in NAMES if name.startswith("docs/") and not name.startswith("docs/adr/0")}

    assert pages - linked == {home.name}


@pytest.mark.parametrize("name", GENERATED)
def test_generated_pages_are_fresh(name: str) -> None:
    assert (ROOT / name).read_text() == GENERATED[name](), "run `make references`, and review the difference"


@pytest.mark.parametrize("name", ANSWERS)
def test_answers_that_are_shown_fit_their_model(name: str) -> None:
    schema = {"$ref": f"#/components/schemas/{name}", **document()}
    jsonschema_rs.validator_for(schema, validate_formats=True).validate(ANSWERS[name])
    assert set(ANSWERS[name]) >= set(document()["components"]["schemas"][name]["properties"]) - OPTIONAL


OPTIONAL = {"correlation_id", "errors"}
"""Of a problem."""


def test_the_table_of_errors_has_every_code_under_its_status() -> None:
    rows = re.findall(r"^\| (\d{3}) \| ((?:`[\w-]+` ?)+)\|", page("docs/reference/api.md").text, re.M)
    listed = {(int(status), code) for status, codes in rows for code in re.findall(r"`([\w-]+)`", codes)}
    known = {(family.status, family.code) for family in (*FAMILIES.values(), INTERNAL)}

    assert listed == known | {(405, "method-not-allowed")}


def leaves(entry: object) -> Iterator[str]:
    match entry:
        case str():
            yield entry
        case dict():
            for part in entry.values():
                yield from leaves(part)
        case list():
            for part in entry:
                yield from leaves(part)


def test_the_checks_above_have_something_to_check() -> None:
    assert sum(len(page.links) for page in PAGES) > 20
    assert sum(len(_TEST.findall(page.text)) for page in PAGES) >= 3
