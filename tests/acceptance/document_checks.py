"""Checks of ours for schemathesis, which loads this module: see test_contract_of_the_document."""

import re
from typing import Final

import schemathesis
from schemathesis.checks import CheckContext
from schemathesis.generation import GenerationMode

RULES: Final = re.compile(
    "|".join(
        (
            r"after: the cursor is not one of this list in this order",
            r"(after|position|Last-Event-ID): must be a position, at most .*",  # 13 digits may be too many
            r"(version|as_of|position): one of version, as_of, position",
            r"(as_of|at|\w+_(after|before)): .*",  # RFC 3339 has no year 0, and no leap second here
            r"attribute: .*",
            r"If-Match: .*",  # some requests lose the quotes that are part of it
            r".*(quantity|amount|level|position|wait_seconds): Input should be a valid integer.*",  # 1.0
            r"filter\.attributes: an attribute has .*",
            r"filter: must say which sagas",
            r"lines: .*",
            r"\w+: amount must be greater than 0",
            r"sagas\.\d+\.input.*",  # which input depends on the name in the path
            r"\w+: \w+ (needs it|takes none)",  # what goes with an action
            r"reason: Field required",  # of a compensation that is no preview
            r"target: source and target must be two accounts",
            r".*must not contain .* which marks encrypted values",
        )
    ),
    re.DOTALL,
)
"""What a request can break though its fields are as the document has them, each for itself."""


@schemathesis.check
def refused_for_a_rule_only(
    _context: CheckContext, answer: schemathesis.Response, case: schemathesis.Case
) -> bool | None:
    """A request whose fields are right is refused for what a schema cannot say, or not at all."""
    if case.meta is None or case.meta.generation.mode is not GenerationMode.POSITIVE:
        return None
    if answer.status_code in (413, 415):
        raise AssertionError(f"{answer.status_code} to what the document allows")
    if answer.status_code == 422:
        problem = answer.json()
        said = [f"{error['field']}: {error['message']}" for error in problem.get("errors", [])]
        unsaid = [line for line in said or [problem["code"]] if not RULES.fullmatch(line)]
        assert not unsaid, f"refused though the document allows it: {unsaid}"
    return None


@schemathesis.check
def no_server_error(
    _context: CheckContext, answer: schemathesis.Response, _case: schemathesis.Case
) -> bool | None:
    """The 503s that requests can bring about: asking a read model for a position that was never reached, and
    deciding about a rebuild while a batch of it goes on."""
    if answer.status_code >= 500:
        assert answer.json()["code"] in ("read-model-behind", "tables-busy"), answer.text
    return None
