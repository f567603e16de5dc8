"""The log events that docs/operate.md wants an alarm for are logged."""

import re

from tests.docs.pages import ROOT, page

SOURCES = ("app", "workflows", "eventstore")
_ROW = re.compile(r"^\| `([a-z][^`]+ [^`]+)` \|", re.M)


def test_events_that_are_named_are_logged() -> None:
    logs = page("docs/operate.md").text.partition("## Logs")[2].partition("\n## ")[0]
    sources = "".join(path.read_text() for name in SOURCES for path in (ROOT / name).rglob("*.py"))

    events = _ROW.findall(logs)

    assert len(events) > 3
    assert [event for event in events if f'"{event}"' not in sources] == []
