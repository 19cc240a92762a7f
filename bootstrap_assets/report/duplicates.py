"""Clauses that are nearly the same: at least four words in five agree, in their order.

Found in the words themselves, not by their vectors: of the real corpus's pairs that agree in nine characters of
ten, a cosine of 0.8 misses one in ten. Two texts that agree so far share some of their rarest words, so a text is
compared only with those that do (the prefix filter of Chaudhuri, Ganti and Kaushik 2006, with more than one word).
The comparison is exact, nothing is estimated, and texts without a vector take part.
"""

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import ceil, floor
from typing import NamedTuple
from uuid import UUID

from rapidfuzz.distance import Indel

from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.report.changes import Piece, between

statement = statements_of(__name__)

ALIKE = 0.8
"""From here on two texts are nearly the same. It is twice the words that they have in common, in their order,
divided by the words of both."""

LEAST_WORDS = 12
"""Shorter texts (dates, names, headings) are alike by chance."""

MOST_TEXTS = 20_000
"""Texts that are compared, a random sample where there are more: that bounds memory, however large the corpus."""

MOST_PLACES = 100
"""Places of a text in each source that are looked at; standard wording stands in very many."""

VARIANTS = 4
"""How many texts of a group are compared word by word."""

SHARED = 8
"""How many rare words two texts must share before they are compared; more are slower to look up."""

_WORD = re.compile(r"\w+")
_FIRST = 0x10000  # code points from here on are no surrogates
_LAST = 0x10FFFF

Pair = tuple[int, int, float]
"""Two positions, the lower first, and how alike they are."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a text stands."""

    source: str
    document: str
    section: str | None
    category: str | None


@dataclass(frozen=True, slots=True)
class Variant:
    """A text of a group, and where it stands."""

    text: str
    places: tuple[Place, ...]


class Comparison(NamedTuple):
    """A variant beside the first of its group: how alike it is, 0 to 1, and the words that differ."""

    variant: Variant
    alike: float
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Texts that are nearly the same, in several documents. The first variant stands for all.

    `more`: whether some stand in more places than were looked at, and maybe in more documents.
    """

    variants: tuple[Variant, ...]
    documents: int
    more: bool
    sources: tuple[str, ...]
    categories: tuple[str, ...]

    @property
    def comparisons(self) -> list[Comparison]:
        """Some variants, the first among them, word by word with the first. Long texts take a moment."""
        first = self.variants[0].text
        return [
            Comparison(variant, similarity(first, variant.text), between(first, variant.text))
            for variant in self.variants[:VARIANTS]
        ]


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Groups, those over several sources first; and how many texts are shared word for word.

    `texts`: distinct texts that were compared; `of`: those that there are; `in_groups`: those of the compared ones
    that are in a group.
    """

    texts: int
    of: int
    groups: Sequence[Group]
    in_groups: int
    across_sources: int
    labelled_differently: int
    shared_documents: int
    shared_sources: int
    shared_labels: int

    @property
    def is_sample(self) -> bool:
        """Whether not all texts were compared."""
        return self.texts < self.of


def find(connection: Connection, *, most: int = MOST_TEXTS) -> Duplicates:
    """Compare every distinct clause, section and span of the corpus with every other.

    Of more than `most` those with the lowest hashes are taken: in effect a random sample, and the same every time.
    """
    rows = connection.execute(statement("report_clauses"), {"most": most}, binary=True)
    texts = {bytes(digest): content for digest, content in rows}
    [count] = connection.execute(statement("report_clauses_counted")).fetchone() or (0,)
    names = list(texts)
    members = [[names[position] for position in group] for group in components(list(texts.values()))]
    groups = _placed(connection, members, texts)
    shared = connection.execute(statement("report_shared")).fetchone() or (0, 0, 0)
    return Duplicates(
        texts=len(texts),
        of=count,
        groups=sorted(groups, key=lambda group: (-len(group.sources), -group.documents, group.variants[0].text)),
        in_groups=sum(len(group.variants) for group in groups),
        across_sources=sum(len(group.sources) > 1 for group in groups),
        labelled_differently=sum(len(group.categories) > 1 for group in groups),
        shared_documents=shared[0],
        shared_sources=shared[1],
        shared_labels=shared[2],
    )


def components(texts: Sequence[str], *, alike: float = ALIKE) -> list[list[int]]:
    """Positions of texts that are nearly the same, directly or by others between them; each group ascending."""
    root = list(range(len(texts)))

    def find_root(position: int) -> int:
        while root[position] != position:
            root[position] = root[root[position]]
            position = root[position]
        return position

    for one, other, _ in pairs(texts, alike=alike):
        root[max(find_root(one), find_root(other))] = min(find_root(one), find_root(other))
    groups: dict[int, list[int]] = defaultdict(list)
    for position in range(len(texts)):
        groups[find_root(position)].append(position)
    return [group for group in groups.values() if len(group) > 1]


def pairs(texts: Sequence[str], *, alike: float = ALIKE) -> Iterator[Pair]:
    """All pairs of texts of at least LEAST_WORDS words that are at least so much alike.

    Texts come by length. A text of n words can only be that much like one of at least n * alike / (2 - alike)
    words, and has to share as many with it; so of the rarest n + SHARED - that many of each, SHARED are in both.
    """
    coded = _coded(texts)
    order = sorted((i for i, code in enumerate(coded) if len(code) >= LEAST_WORDS), key=lambda i: len(coded[i]))
    lengths = [len(coded[i]) for i in order]
    holders: dict[str, list[int]] = defaultdict(list)  # positions in `order`, ascending, so by length
    for position, i in enumerate(order):
        needed = ceil(lengths[position] * alike / (2 - alike) - 1e-9)
        first = bisect_left(lengths, needed)
        enough = min(SHARED, needed)
        shared: Counter[int] = Counter()
        for word in _rarest(coded[i], lengths[position] - needed + enough):
            same = holders[word]
            shared.update(same[bisect_left(same, first) :])
        for other, words in shared.items():
            if words >= enough:
                j = order[other]
                both = lengths[position] + lengths[other]
                apart = floor((1 - alike) * both + 1e-9)  # a share would be a rounding error away from the border
                distance = Indel.distance(coded[i], coded[j], score_cutoff=apart)
                if distance <= apart:
                    yield min(i, j), max(i, j), 1 - distance / both
        # Those to come are as long or longer, and have to share more: fewer of the rarest words find them.
        for word in _rarest(coded[i], lengths[position] - ceil(lengths[position] * alike - 1e-9) + SHARED):
            holders[word].append(position)


def _rarest(code: str, count: int) -> list[str]:
    """The rarest words; a word that comes again is another word: its second occurrence differs from its first."""
    rarest = sorted(code)[:count]
    return [word * (number + 1) for word, same in groupby(rarest) for number, _ in enumerate(same)]


def _coded(texts: Sequence[str]) -> list[str]:
    """Each text as a string with one character for a word, without case; the rarer a word, the lower it is."""
    counts = Counter(word for text in texts for word in _words(text))
    ranked = sorted(counts, key=lambda word: (counts[word], word))
    # A million different words have characters of their own; further ones share theirs, which finds too much.
    codes = {word: chr(_FIRST + rank % (_LAST - _FIRST + 1)) for rank, word in enumerate(ranked)}
    return ["".join(codes[word] for word in _words(text)) for text in texts]


def _words(text: str) -> list[str]:
    """Taken from a text twice, so that never those of all texts are held at once."""
    return _WORD.findall(text.casefold())


def similarity(one: str, other: str) -> float:
    """How much two texts are alike, 0 to 1, as `pairs` counts it."""
    return float(Indel.normalized_similarity(*_coded((one, other))))


def _placed(connection: Connection, groups: Sequence[Sequence[bytes]], texts: Mapping[bytes, str]) -> list[Group]:
    """The groups that stand in more than one document."""
    hashes = [digest for group in groups for digest in group]
    rows: dict[bytes, list[_Row]] = defaultdict(list)
    parameters = {"hashes": hashes, "most": MOST_PLACES}
    for digest, *row in connection.execute(statement("report_places"), parameters, binary=True):
        rows[bytes(digest)].append(_Row(*row))
    placed = [_group(members, rows, texts) for members in groups]
    return [group for group in placed if group.documents > 1]


class _Row(NamedTuple):
    source: str
    document_id: UUID
    title: str
    section: str | None
    category: str | None
    start: int | None
    end: int | None
    places: int

    def overlaps(self, other: "_Row") -> bool:
        """Whether it is the same stretch of the same document, more or less: a clause and the section it is in."""
        if self.document_id != other.document_id or None in (self.start, other.start):
            return False
        return bool(self.start < other.end and other.start < self.end)  # type: ignore[operator]


def _group(members: Sequence[bytes], rows: Mapping[bytes, Sequence[_Row]], texts: Mapping[bytes, str]) -> Group:
    """A group with its most frequent text first. A stretch of a document counts once, however it is cut."""
    by_frequency = sorted(members, key=lambda digest: (-len(rows[digest]), texts[digest]))
    stretches: list[_Row] = []
    variants: list[Variant] = []
    for digest in by_frequency:
        own = [row for row in rows[digest] if not any(row.overlaps(other) for other in stretches)]
        stretches += own
        if own:
            places = tuple(Place(row.source, row.title, row.section, row.category) for row in own)
            variants.append(Variant(texts[digest], places))
    return Group(
        variants=tuple(variants),
        documents=len({row.document_id for row in stretches}),
        more=any(row.places > MOST_PLACES for row in stretches),
        sources=tuple(sorted({row.source for row in stretches})),
        categories=tuple(sorted({row.category for row in stretches if row.category})),
    )
