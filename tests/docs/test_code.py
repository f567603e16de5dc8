"""Code in the pages is code of the repository, or at least Python."""

import ast

import pytest

from tests.docs.pages import PAGES, ROOT, Block, copied

PYTHON = [(page, block) for page in PAGES for block in page.blocks if block.language == "python"]
COPIES = [(page, block) for page in PAGES for block in page.blocks if block.source is not None]


@pytest.mark.parametrize("block", [b for _, b in COPIES], ids=[str(b.source) for _, b in COPIES])
def test_a_block_with_a_source_is_its_copy(block: Block) -> None:
    assert block.source is not None
    assert block.text == copied(block.source)


@pytest.mark.parametrize("block", [b for _, b in PYTHON], ids=[page.name for page, _ in PYTHON])
def test_python_compiles(block: Block) -> None:
    compile(block.text, "page", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize("folder", ["example", "howto", "trip"])
def test_every_file_of_the_examples_is_shown(folder: str) -> None:
    """Their tests run with all others, from the same files."""
    shown = {ROOT / str(block.source).partition("#")[0] for _, block in COPIES}
    files = (ROOT / "tests/docs" / folder).glob("*.py")

    assert [path.name for path in files if path not in shown and not path.name.startswith("test_")] == []
