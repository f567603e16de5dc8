"""What the pages point at exists: links, files, tests."""

import re

import pytest

from tests.docs.pages import NAMES, PAGES, ROOT, Page

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


def test_the_checks_above_have_something_to_check() -> None:
    assert sum(len(page.links) for page in PAGES) > 20
    assert sum(len(_TEST.findall(page.text)) for page in PAGES) >= 3
