"""The site of the documentation: built strictly, and asking no other host for anything."""

import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.bench.growth_plot import DRAWING, RECORDED, drawing
from tests.docs.pages import ROOT

pytestmark = pytest.mark.slow

LOADS = {"src", "srcset", "poster", "data"}
"""Attributes that make a browser load something; so does `href` of a link element."""
ELSEWHERE = re.compile(r"^\s*([a-z]+:)?//", re.I)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = build(ROOT, folder)
    assert done.returncode == 0, done.stderr
    return folder


def build(root: Path, site: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120, check=False)


class Loaded(HTMLParser):
    """What a browser loads for a page, its links left aside."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.classes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in LOADS or (tag == "link" and name == "href" and ("rel", "canonical") not in attrs):
                self.targets.append(value or "")
            elif name == "class":
                self.classes.update((value or "").split())


def loaded(page: Path) -> Loaded:
    parser = Loaded()
    parser.feed(page.read_text())
    return parser


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    pages = {path: loaded(path) for path in site.rglob("*.html")}

    assert len(pages) > 50
    assert all(page.targets for page in pages.values())
    assert [(path, t) for path, page in pages.items() for t in page.targets if ELSEWHERE.match(t)] == []
    # The script that draws them is elsewhere.
    assert [path for path, page in pages.items() if "mermaid" in page.classes] == []


def test_styles_load_nothing_from_elsewhere(site: Path) -> None:
    styles = [path.read_text() for path in site.rglob("*.css")]
    targets = [t for style in styles for t in re.findall(r"(?:url\(|@import)\s*[\"']?([^\"')\s]+)", style)]

    assert targets
    assert [target for target in targets if ELSEWHERE.match(target)] == []


def test_drawings_are_well_formed_and_load_nothing() -> None:
    drawings = list((ROOT / "docs/images").glob("*.svg"))
    elements = [element for path in drawings for element in ElementTree.parse(path).iter()]

    assert drawings
    assert [e.attrib for e in elements if any(name.endswith("href") for name in e.attrib)] == []


def test_the_drawing_of_growth_is_that_of_the_recorded_numbers() -> None:
    runs = json.loads(RECORDED.read_text())

    assert DRAWING.read_text() == drawing(runs), "run `python -m tests.bench.growth_plot`"


def test_a_bar_in_the_code_of_a_table_is_shown_as_one(site: Path) -> None:
    assert "JSON|@FILE|-" in (site / "reference/cli.html").read_text()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("# Lost\n", "not included in the"),
        ("# Lost\n\n[there](nowhere.md)\n", "nowhere.md"),
        ("# Lost\n\n[there](operate.md#nowhere)\n", "does not contain an anchor '#nowhere'"),
        ("# Lost\n\n![there](nowhere.png)\n", "nowhere.png"),
    ],
    ids=["not in the navigation", "dead link", "dead anchor", "no such image"],
)
def test_a_page_that_leads_nowhere_fails_the_build(text: str, says: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    (tmp_path / "docs/lost.md").write_text(text)

    done = build(tmp_path, tmp_path / "site")

    assert done.returncode != 0
    assert says in done.stderr
