"""What a reader of the pages types into a shell, command by command."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import PurePosixPath

from tests.docs.pages import Page

SHELL = {"sh", "console"}
_IN_CONTAINER = ["docker", "compose", "run", "--rm"]
"""A service follows, then the arguments of its `saga`."""
_ASSIGNMENT = re.compile(r"\w+=.*", re.S)


@dataclass(frozen=True)
class Typed:
    """One command: its words, without assignments and `sudo` before it."""

    words: tuple[str, ...]

    @property
    def program(self) -> str:
        return PurePosixPath(self.words[0]).name


def typed(page: Page) -> Iterator[Typed]:
    """All commands of the shell blocks of a page."""
    for block in page.blocks:
        if block.language in SHELL:
            yield from commands(block.text.replace("\n$ ", "\n").removeprefix("$ "))


def commands(script: str) -> Iterator[Typed]:
    for line in _lines(script):
        words = shlex.shlex(line, posix=True, punctuation_chars=";|&(){}")
        words.whitespace_split = True
        words.commenters = "#"
        for separates, group in groupby(words, lambda word: set(word) <= set(";|&(){}") and word != "{}"):
            if not separates and (left := _arguments(list(group))):
                yield Typed(tuple(left))
                if (inside := left[len(_IN_CONTAINER) + 1 :]) and left[: len(_IN_CONTAINER)] == _IN_CONTAINER:
                    yield Typed(("saga", *inside))


def _lines(script: str) -> Iterator[str]:
    """Lines that are whole: joined where a backslash or an open quote goes on."""
    whole = ""
    for line in script.replace("\\\n", " ").splitlines():
        whole += f"{line}\n"
        if _closed(whole):
            yield whole
            whole = ""
    assert not whole.strip(), f"a quote stays open: {whole}"


def _closed(text: str) -> bool:
    try:
        shlex.split(text, comments=True)
    except ValueError:
        return False
    return True


def _arguments(words: list[str]) -> list[str]:
    """Without assignments before them, and without the file that the output goes to."""
    while words and (_ASSIGNMENT.fullmatch(words[0]) or words[0] == "sudo"):
        words = words[1:]
    return words[: words.index(">")] if ">" in words else words
