"""A text before it is classified: what its file says of it, and its language."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bootstrap_assets.documents.extraction.model import ExtractedDocument

ENGLISH = frozenset("the of and to in or any shall by this for be such with as is not that on other".split())
"""Words that every English contract is full of: a third of its words; of other languages' hardly any."""

LEAST_ENGLISH = 0.15
"""Share of such words below which a text is in another language."""

FEW = 20
"""Words below which nothing can be said of a language."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A text with its name, where it is a file's, and the pages of its characters, where it has some."""

    text: str
    name: str | None = None
    extracted: ExtractedDocument | None = None

    def page_at(self, offset: int) -> int | None:
        """The page, from 1, that a character stands on; None where there are none."""
        position = self.extracted.position_at(offset) if self.extracted else None
        return position.page if position else None

    @property
    def pages(self) -> int | None:
        """How many pages it has."""
        return self.extracted.pages if self.extracted else None

    @property
    def notes(self) -> list[str]:
        """What its extraction noticed."""
        return [notice.message for notice in self.extracted.notices] if self.extracted else []


def words_of(text: str) -> list[str]:
    """Its words, in small letters."""
    return re.findall(r"[^\W\d_]+", text.lower())


def is_english(words: Sequence[str]) -> bool:
    """Whether the words are English; so few that nobody can say are taken for it."""
    return len(words) < FEW or sum(word in ENGLISH for word in words) >= LEAST_ENGLISH * len(words)
