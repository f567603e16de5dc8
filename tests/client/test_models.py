"""The types of the client are those of the OpenAPI document."""

import pytest

from tests.client.generating import MODELS, generated


@pytest.mark.slow
def test_the_types_are_what_the_document_says_today() -> None:
    assert MODELS.read_text() == generated(), "an answer of the API was changed: make client"
