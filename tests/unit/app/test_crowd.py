"""A crowd lets in as many as may be, and forgets who has gone."""

import pytest

from app.crowd import Crowd, Crowded


def test_one_too_many_is_refused_and_counted_and_may_come_when_somebody_has_gone() -> None:
    crowd = Crowd("requests", 2)
    with crowd.place():
        with crowd.place():
            with pytest.raises(Crowded, match="2 requests are under way already"), crowd.place():
                pass
            assert (crowd.inside, crowd.refused) == (2, 1)
        with crowd.place():
            assert crowd.inside == 2

    assert (crowd.inside, crowd.refused) == (0, 1)


def test_who_fails_leaves_a_place_as_well() -> None:
    crowd = Crowd("requests", 1)
    with pytest.raises(LookupError), crowd.place():
        raise LookupError

    assert crowd.inside == 0
