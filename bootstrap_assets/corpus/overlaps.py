"""Of many stretches of a text, the one that shares most with each of others, without comparing each with each."""

from bisect import bisect_left
from collections.abc import Sequence

Stretch = tuple[int, int]
"""Start and end, in characters."""

_Key = tuple[int, int]
_NONE: _Key = (-(1 << 62), 0)


def most_shared(stretches: Sequence[Stretch], among: Sequence[Stretch]) -> list[int | None]:
    """For each stretch the index of that one among the others which shares most characters with it.

    Of several that share as much, the first; None where none shares any. In time n log n: what holds a stretch
    whole, lies whole in it, or reaches over one of its ends is found in two walks over all starts, forwards and
    backwards, each keeping the best so far by end.
    """
    ends = sorted({end for _, end in among})
    starting = sorted(range(len(among)), key=lambda index: among[index][0])
    asking = sorted(range(len(stretches)), key=lambda number: stretches[number][0])
    best: list[_Key] = [(0, -len(among))] * len(stretches)

    def offer(number: int, shared: int, key: _Key) -> None:
        if key is not _NONE:
            best[number] = max(best[number], (shared, key[1]))

    # Those that begin at or before the stretch: the first that holds it whole, the one that reaches farthest in.
    holding, reaching = _Best(len(ends)), _Best(len(ends))
    waiting = iter(starting)
    index = next(waiting, None)
    for number in asking:
        start, end = stretches[number]
        while index is not None and among[index][0] <= start:
            place = bisect_left(ends, among[index][1])
            holding.add(len(ends) - 1 - place, (0, -index))
            reaching.add(place, (among[index][1], -index))
            index = next(waiting, None)
        offer(number, end - start, holding.up_to(len(ends) - bisect_left(ends, end)))
        farthest = reaching.up_to(bisect_left(ends, end + 1))
        offer(number, farthest[0] - start, farthest)

    # Those that begin at or after it: the longest within it, and the one that begins first and goes on behind it.
    within, behind = _Best(len(ends)), _Best(len(ends))
    waiting = reversed(starting)
    index = next(waiting, None)
    for number in reversed(asking):
        start, end = stretches[number]
        while index is not None and among[index][0] >= start:
            place = bisect_left(ends, among[index][1])
            within.add(place, (among[index][1] - among[index][0], -index))
            behind.add(len(ends) - 1 - place, (-among[index][0], -index))
            index = next(waiting, None)
        longest = within.up_to(bisect_left(ends, end + 1))
        offer(number, longest[0], longest)
        nearest = behind.up_to(len(ends) - bisect_left(ends, end))
        offer(number, end + nearest[0], nearest)
    return [-index if shared > 0 else None for shared, index in best]


class _Best:
    """The greatest key at any of the first places, as keys are added (a Fenwick tree)."""

    def __init__(self, places: int) -> None:
        self._keys = [_NONE] * (places + 1)

    def add(self, place: int, key: _Key) -> None:
        at = place + 1
        while at < len(self._keys):
            self._keys[at] = max(self._keys[at], key)
            at += at & -at

    def up_to(self, count: int) -> _Key:
        """The greatest key at the first `count` places."""
        best, at = _NONE, count
        while at > 0:
            best = max(best, self._keys[at])
            at -= at & -at
        return best
