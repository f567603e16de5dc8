"""Decisions: numbered once, with Nygard's headings, all in the list."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, page

FOLDER = ROOT / "docs/adr"
DECISIONS = sorted(path for path in FOLDER.glob("*.md") if path.name != "README.md")
HEADINGS = ["Status", "Context", "Decision", "Consequences"]
_TITLE = re.compile(r"# (\d+)\. (.+)")


def test_each_number_is_given_once() -> None:
    numbers = [path.name[:4] for path in DECISIONS]

    assert len(numbers) > 10
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_has_its_number_date_and_headings(path: Path) -> None:
    text = path.read_text()
    title = _TITLE.match(text)

    assert title is not None
    assert int(title[1]) == int(path.name[:4])
    assert re.search(r"^Date: \d{4}-\d\d-\d\d$", text, re.M)
    assert re.findall(r"^## (.+)$", text, re.M) == HEADINGS


def test_the_list_has_every_decision_under_its_title() -> None:
    listed = re.findall(r"^- \[(\d{4})\]\((\S+)\) (.+)$", page("docs/adr/README.md").text, re.M)
    titles = []
    for path in DECISIONS:
        title = _TITLE.match(path.read_text())
        assert title is not None
        titles.append((path.name[:4], path.name, title[2]))

    assert listed == titles
