"""Code in the pages is code of the repository, or at least Python."""

import ast

import pytest

from tests.docs.pages import PAGES, ROOT, Block

PYTHON = [(page, block) for page in PAGES for block in page.blocks if block.language == "python"]
COPIES = [(page, block) for page in PAGES for block in page.blocks if block.source is not None]


@pytest.mark.parametrize("block", [b for _, b in COPIES], ids=[str(b.source) for _, b in COPIES])
def test_a_block_with_a_source_is_its_copy(block: Block) -> None:
    assert block.source is not None
    assert block.text == (ROOT / block.source).read_text()


@pytest.mark.parametrize("block", [b for _, b in PYTHON], ids=[page.name for page, _ in PYTHON])
def test_python_compiles(block: Block) -> None:
    compile(block.text, "page", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def test_the_example_is_shown_whole() -> None:
    """Its tests run with all others, from the same files."""
    example = ROOT / "tests/docs/example"

    shown = {ROOT / str(block.source) for _, block in COPIES}

    assert shown == set(example.glob("*.py"))
