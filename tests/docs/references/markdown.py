"""Markdown that GitHub and the site show alike."""

import json
from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table, or nothing when it has no rows."""
    lines = [_row(cells) for cells in rows]
    return "\n".join([_row(head), "|" + "---|" * len(head), *lines, ""]) if lines else ""


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(" ".join(cell.split()).replace("|", r"\|") for cell in cells) + " |"


def code(text: object) -> str:
    return f"`{text}`"


def as_json(value: object) -> str:
    return f"```json\n{json.dumps(value, indent=2, ensure_ascii=False)}\n```\n"


def page(*parts: str) -> str:
    """The parts that are not empty, with an empty line between them."""
    return "\n".join(part.strip("\n") + "\n" for part in parts if part.strip())
