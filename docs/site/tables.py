"""A hook of the site: a bar in the code of a table's cell is `\\|` on GitHub, `|` for the site's Markdown."""

import re

_CODE = re.compile(r"`[^`]+`")


def on_page_markdown(markdown: str, **_: object) -> str:
    return "\n".join(_plain(line) if line.startswith("|") else line for line in markdown.split("\n"))


def _plain(row: str) -> str:
    return _CODE.sub(lambda code: code[0].replace(r"\|", "|"), row)
