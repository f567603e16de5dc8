"""A form that shows what was filled in sends the same again."""

from collections.abc import Mapping
from html.parser import HTMLParser

import pytest

from app.console.fields import Fields, fields_of
from app.console.rendering import _environment
from tests.unit.console.test_fields import WHOLE, Everything


class Form(HTMLParser):
    """What a browser would send, and the attributes of every field by its name."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.sent: dict[str, str] = {}
        self.attributes: dict[str, dict[str, str | None]] = {}
        self.ids: list[str] = []
        self._name = ""
        self._option: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        self.ids += [each for name, each in attributes if name == "id" and each]
        self._option = None
        if tag in ("input", "select", "textarea"):
            self._name = found["name"] or ""
            self.attributes[self._name] = found
            self.sent[self._name] = found.get("value") or ""
        elif tag == "option" and "selected" in found:
            self._option = found.get("value")
            self.sent[self._name] = self._option or ""
        self._text = tag == "textarea" or (tag == "option" and "selected" in found and "value" not in found)

    def handle_data(self, data: str) -> None:
        if self._text:
            self.sent[self._name] += data.removeprefix("\n")

    def handle_endtag(self, tag: str) -> None:
        self._text = False


def shown(fields: Fields, values: Mapping[str, str], wrong: Mapping[str, list[str]]) -> Form:
    macros = _environment.get_template("_form_macros.html").module
    return Form("".join(macros.field(each, values, wrong, rows="/rows") for each in fields))  # type: ignore[attr-defined]


@pytest.mark.parametrize("values", [WHOLE, {}, {"data.free": '\n\n{"a": "<b>&amp;"}', "data.text": "\"'<i>"}])
def test_what_is_shown_is_what_was_filled_in(values: dict[str, str]) -> None:
    form = shown(fields_of(Everything, values), values, {})

    assert {name: text for name, text in form.sent.items() if text} == values


def test_each_field_is_described_by_what_is_said_of_it() -> None:
    fields = fields_of(Everything, WHOLE)
    wrong = {each.form_name: ["is wrong"] for field in fields for each in field.every()}

    form = shown(fields, WHOLE, wrong)

    assert len(form.ids) == len(set(form.ids))
    for name, attributes in form.attributes.items():
        assert attributes["aria-invalid"] == "true", name
        described = (attributes["aria-describedby"] or "").split()
        assert f"{name}-wrong" in described
        assert set(described) <= set(form.ids)


def test_a_browser_is_told_what_a_field_takes() -> None:
    fields = shown(fields_of(Everything), {}, {}).attributes

    assert {"type": "number", "step": "1", "min": "1", "max": "9"}.items() <= fields["data.count"].items()
    assert fields["data.ratio"]["step"] == "any"
    assert fields["data.day"]["type"] == "date"
    assert fields["data.at"]["type"] == "datetime-local"
    assert fields["data.part.name"]["maxlength"] == "9"
    assert "required" in fields["data.part.name"]
    assert "required" not in fields["data.other.name"]
