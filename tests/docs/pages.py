"""The pages of the documentation, taken apart."""

import ast
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(r"(?:<!-- (?P<source>\S+) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S)
_INLINE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.M)


@dataclass(frozen=True)
class Block:
    """A fenced block. `source` is what it must be a copy of, if a comment above says so: a file, or
    `file#name,name`, what the file defines under these names."""

    language: str
    text: str
    source: str | None


@dataclass(frozen=True)
class Page:
    path: Path

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @cached_property
    def text(self) -> str:
        return self.path.read_text()

    @cached_property
    def blocks(self) -> list[Block]:
        return [
            Block(found["language"], found["text"], found["source"]) for found in _FENCE.finditer(self.text)
        ]

    @cached_property
    def prose(self) -> str:
        """The page without its fenced blocks."""
        return _FENCE.sub("", self.text)

    @property
    def inline_code(self) -> list[str]:
        return _INLINE.findall(self.prose)

    @property
    def links(self) -> list[str]:
        """The targets of links to places in this repository."""
        return [target for target in _LINK.findall(self.prose) if not re.match(r"[a-z]+:", target)]

    @property
    def anchors(self) -> set[str]:
        """What a link may name after `#`: headings in small letters, with hyphens for spaces."""
        plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in _HEADING.findall(self.prose))
        return {heading.replace(" ", "-") for heading in plain}


def copied(source: str) -> str:
    """The text that `source` names."""
    path, _, names = source.partition("#")
    text = (ROOT / path).read_text()
    return "\n\n\n".join(_definition(text, name) for name in names.split(",")) + "\n" if names else text


def _definition(text: str, name: str) -> str:
    [node] = [node for node in ast.parse(text).body if name in _names(node)]
    return "\n".join(text.splitlines()[node.lineno - 1 : node.end_lineno])


def _names(node: ast.stmt) -> list[str]:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return [node.name]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
        case _:
            return []


_ROOT_PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
PAGES = [Page(path) for path in [*_ROOT_PAGES, *sorted((ROOT / "docs").rglob("*.md"))]]
NAMES = [page.name for page in PAGES]


def page(name: str) -> Page:
    return next(page for page in PAGES if page.name == name)
