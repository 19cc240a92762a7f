"""A contract's text in pieces as labels know them: sentences and items, one after another."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from bootstrap_assets.texts.headings import Strength, outline

LEAST = 30
"""Characters of a piece, at least: a heading or a number goes with what follows it."""

Stretch = tuple[int, int]
"""Where a piece begins in a text and where it ends, in characters."""


def pieces_of(text: str) -> list[Stretch]:
    """The pieces of a text, in order; together they hold every visible character, and begin and end at one."""
    borders = outline(text).borders
    cuts = [0, *sorted(at for at, strength in borders.items() if strength >= Strength.SENTENCE and at), len(text)]
    return list(_long_enough(text, cuts))


def _long_enough(text: str, cuts: Sequence[int]) -> Iterator[Stretch]:
    start = 0
    for _, end in pairwise(cuts):
        is_long = len(text[start:end].strip()) >= LEAST
        if is_long or end == len(text):
            yield from _visible(text, start, end)
            start = end


def _visible(text: str, start: int, end: int) -> Iterator[Stretch]:
    content = text[start:end]
    first, last = start + len(content) - len(content.lstrip()), start + len(content.rstrip())
    if first < last:
        yield first, last
