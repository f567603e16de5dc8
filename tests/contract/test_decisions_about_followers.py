"""Names of events that say what was decided about a follower of the log are durable: they never change."""

from typing import get_args

from eventstore.decisions import CATEGORIES, What, stream_of

NAMES = (
    "Parked",
    "WentOn",
    "Retried",
    "Skipped",
    "RebuildStarted",
    "RebuildPaused",
    "RebuildResumed",
    "Promoted",
    "Returned",
    "Discarded",
)


def test_names_stay() -> None:
    assert get_args(What) == NAMES
    assert {"projection", "subscription"} == CATEGORIES


def test_all_slots_of_a_projection_have_one_stream() -> None:
    assert stream_of("projection", "sagas") == "projection-sagas"
    assert stream_of("projection", "sagas@staging") == "projection-sagas"
    assert stream_of("subscription", "start-it") == "subscription-start-it"
