"""Code in the pages is code of the repository, or at least Python."""

import ast
from collections.abc import Callable
from inspect import signature

import pytest

import workflows.saga as kernel
from tests.docs.pages import PAGES, ROOT, Block, copied

PYTHON = [(page, block) for page in PAGES for block in page.blocks if block.language == "python"]
SHORT = [block for _, block in PYTHON if block.source is None]
COPIES = [(page, block) for page in PAGES for block in page.blocks if block.source is not None]


@pytest.mark.parametrize("block", [b for _, b in COPIES], ids=[str(b.source) for _, b in COPIES])
def test_a_block_with_a_source_is_its_copy(block: Block) -> None:
    assert block.source is not None
    assert block.text == copied(block.source)


@pytest.mark.parametrize("block", [b for _, b in PYTHON], ids=[page.name for page, _ in PYTHON])
def test_python_compiles(block: Block) -> None:
    compile(block.text, "page", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize("block", SHORT, ids=[page.name for page, block in PYTHON if block.source is None])
def test_what_is_no_copy_calls_what_there_is_with_arguments_that_it_takes(block: Block) -> None:
    """`saga.…` is a method of Saga; other names are checked if the kernel has them."""
    for call in [node for node in ast.walk(ast.parse(block.text)) if isinstance(node, ast.Call)]:
        if any(isinstance(argument, ast.Starred) for argument in call.args):
            continue
        match call.func:
            case ast.Attribute(value=ast.Name(id="saga"), attr=name):
                bind(getattr(kernel.Saga, name), call, None)
            case ast.Name(id=name) if hasattr(kernel, name):
                bind(getattr(kernel, name), call)


def bind(called: Callable[..., object], call: ast.Call, *receiver: None) -> None:
    named = {keyword.arg: None for keyword in call.keywords if keyword.arg}
    signature(called).bind(*receiver, *([None] * len(call.args)), **named)


@pytest.mark.parametrize("folder", ["example", "howto", "trip"])
def test_every_file_of_the_examples_is_shown(folder: str) -> None:
    """Their tests run with all others, from the same files."""
    shown = {ROOT / str(block.source).partition("#")[0] for _, block in COPIES}
    files = (ROOT / "tests/docs" / folder).glob("*.py")

    assert [path.name for path in files if path not in shown and not path.name.startswith("test_")] == []
