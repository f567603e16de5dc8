"""What saga functions saw: the same on every replay.

Each strand of a function (itself, and each branch) must see the same results and failures in the same order.
Across strands the order must be the same as well, until something fails: when a gather that failed ends
depends on siblings that never began, of which the journal knows nothing.
"""

from collections.abc import Callable

from tests.simulation.world import World
from workflows.saga import Saga

Seen = tuple[str, str, str]


class Sightings:
    """For each saga and round, what its function saw of its steps, one after the other."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._of_strands: dict[tuple[str, int, str], list[Seen]] = {}
        self._of_sagas: dict[tuple[str, int], list[Seen]] = {}

    def seen_by(self, others: "Sightings") -> None:
        """Compare with what the functions saw in another world."""
        self._of_strands, self._of_sagas = others._of_strands, others._of_sagas

    def begin(self, saga: Saga) -> Callable[[Saga, str, str], None]:
        """The function is called: what it is to be told that it sees."""
        state = saga._execution.state
        key = (state.saga_id, state.round)
        whole = self._of_sagas.setdefault(key, [])
        places: dict[str, int] = {}
        place: int | None = 0

        def saw(strand: Saga, action: str, what: str) -> None:
            nonlocal place
            name = strand._branch
            seen = (name, action, what)
            self._compare(key, self._of_strands.setdefault((*key, name), []), places.get(name, 0), seen)
            places[name] = places.get(name, 0) + 1
            if place is not None:
                place = self._after(key, whole, place, seen)

        return saw

    def _after(self, key: tuple[str, int], whole: list[Seen], place: int, seen: Seen) -> int | None:
        """The next place to compare across strands; None once something has failed, now or before."""
        known = whole[place] if place < len(whole) else seen
        if known[2].startswith("got") and seen[2].startswith("got"):
            self._compare(key, whole, place, seen)
            return place + 1
        if place == len(whole):
            whole.append(seen)
        return None

    def _compare(self, where: tuple[object, ...], known: list[Seen], place: int, seen: Seen) -> None:
        if place == len(known):
            known.append(seen)
        elif known[place] != seen:
            self._world.violated(f"{where}: the function saw {seen} where it had seen {known[place]}")
