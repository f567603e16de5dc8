"""The table of settings in docs/operate.md is the settings, and no page names another one."""

import re
from typing import Any

import pytest

from app.settings import Settings
from tests.docs.pages import NAMES, PAGES, Page, page

OF_CLIENTS = {"SAGA_URL", "SAGA_TOKEN"}
"""Read by the commands that ask a server, not by the server."""

_ROW = re.compile(r"^\| `(SAGA_\w+)` \| (.+?) \| .+ \|$", re.M)


def test_every_setting_is_in_the_table_with_its_default() -> None:
    fields = Settings.model_fields

    documented = dict(_ROW.findall(page("docs/operate.md").text))

    assert documented == {f"SAGA_{name.upper()}": shown(field.default) for name, field in fields.items()}


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_no_page_names_a_setting_that_does_not_exist(page: Page) -> None:
    named = set(re.findall(r"\bSAGA_[A-Z_]*[A-Z]\b", page.text))

    assert named - OF_CLIENTS <= {f"SAGA_{name.upper()}" for name in Settings.model_fields}


def shown(default: Any) -> str:
    return "unset" if default is None else f"`{default}`"
