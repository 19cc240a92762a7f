"""What there is to learn from: a source's contracts in pieces, and which of them each label marks."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import numpy as np
import numpy.typing as npt

from bootstrap_assets.corpus import overview
from bootstrap_assets.corpus.records import NliLabel
from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.labels import VERSION
from bootstrap_assets.labels.pieces import Stretch, pieces_of
from bootstrap_assets.sources.spec import Label, Source

statement = statements_of(__name__)

CLASSES = (NliLabel.CONTRADICTION.value, NliLabel.ENTAILMENT.value)
"""What evidence can be, in the order in which a scorer of classes counts them."""

Numbers = npt.NDArray[np.int64]
"""Numbers of pieces, or of contracts."""


@dataclass(frozen=True, slots=True)
class Contract:
    """A contract that teaches: where its pieces stand, and of which split of its data set it is."""

    id: UUID
    source_id: str
    split: str | None
    text: str
    pieces: tuple[Stretch, ...]


@dataclass(frozen=True, slots=True)
class Examples:
    """What a label marks: numbers of pieces in all, and for a hypothesis the class of each (of `CLASSES`).

    `wording`: the hypothesis, or the category. A piece that is labelled as both classes has none, and is one of
    `contradictions`.
    """

    label: str
    wording: str
    pieces: Numbers
    classes: Mapping[int, int]
    contradictions: int = 0


@dataclass(frozen=True, slots=True)
class Lesson:
    """A source's contracts and labels; `owner` has the number of each piece's contract.

    `remark`: what to say of contracts that are invented, else empty.
    """

    source: str
    kind: Label
    contracts: Sequence[Contract]
    texts: Sequence[str]
    owner: Numbers
    examples: Mapping[str, Examples]
    remark: str = ""

    @property
    def splits(self) -> list[str]:
        """The splits that the contracts are of."""
        return sorted({contract.split for contract in self.contracts if contract.split})

    def part(self, contracts: Numbers) -> "Lesson":
        """The lesson of some contracts, by their numbers in rising order."""
        rows = [int(row) for row in np.flatnonzero(np.isin(self.owner, contracts))]
        number = {row: place for place, row in enumerate(rows)}
        examples = {label: _renumbered(it, number) for label, it in self.examples.items()}
        return Lesson(
            self.source,
            self.kind,
            [self.contracts[contract] for contract in contracts],
            [self.texts[row] for row in rows],
            np.searchsorted(contracts, self.owner[rows]),
            {label: it for label, it in examples.items() if len(it.pieces)},
        )

    def digest(self, label: str | None = None) -> str:
        """Another text as soon as texts, a label's examples or wording are others, or another code learns."""
        digest = hashlib.sha256(f"{VERSION}\x1f{self.source}\x1f{label}{self.remark}".encode())
        for contract in self.contracts:
            digest.update(f"{contract.source_id}\x1f{contract.split}\x1f{contract.pieces}\x1f".encode())
        digest.update("\x1f".join(self.texts).encode())
        if label is not None:
            examples = self.examples[label]
            digest.update(f"{examples.pieces.tolist()}{sorted(examples.classes.items())}".encode())
            digest.update(b"" if examples.wording == label else examples.wording.encode())
        return digest.hexdigest()[:24]


def _renumbered(examples: Examples, number: Mapping[int, int]) -> Examples:
    pieces = np.array([number[int(it)] for it in examples.pieces if int(it) in number], dtype=np.int64)
    classes = {number[it]: which for it, which in examples.classes.items() if it in number}
    return Examples(examples.label, examples.wording, pieces, classes, examples.contradictions)


def read(connection: Connection, source: Source) -> Lesson | None:
    """What a source teaches; None where it teaches nothing, or none of it is in the corpus."""
    if source.teaching is None:
        return None
    parameters = {"source": source.name, "granularity": source.teaching.granularity.value}
    contracts = [
        contract_of(*row) for row in connection.execute(statement("contracts_of_lesson"), parameters).fetchall()
    ]
    rows = connection.execute(statement("labels_of_lesson"), parameters).fetchall()
    if not contracts:
        return None
    lesson = lesson_of(source.name, source.teaching.label, contracts, rows)
    return replace(lesson, remark=overview.invented(connection).get(source.name, ""))


def contract_of(
    identifier: UUID, name: str, split: str | None, text: str, spans: Sequence[Stretch] | None
) -> Contract:
    """A document in pieces: those that its data set chose evidence among, where it says which."""
    stretches = [(start, end) for start, end in spans or [] if text[start:end].strip()] or pieces_of(text)
    return Contract(identifier, name, split, text, tuple(sorted(set(stretches))))


Row = tuple[UUID, str | None, int | None, str | None, str | None, int, int]
"""A label: document, category, hypothesis and its wording, class, and where it stands."""


def lesson_of(source: str, kind: Label, contracts: Sequence[Contract], rows: Iterable[Row]) -> Lesson:
    """A lesson of contracts and their labels."""
    texts = [contract.text[start:end] for contract in contracts for start, end in contract.pieces]
    owner = np.repeat(np.arange(len(contracts)), [len(contract.pieces) for contract in contracts])
    first = dict(zip((c.id for c in contracts), np.searchsorted(owner, np.arange(len(contracts))), strict=True))
    pieces = {contract.id: contract.pieces for contract in contracts}
    marks: dict[str, list[tuple[int, str | None]]] = {}
    wordings: dict[str, str] = {}
    for document, category, number, wording, choice, start, end in rows:
        label = category if kind is Label.CATEGORY else None if number is None else str(number)
        if label is None or document not in pieces:
            continue
        wordings.setdefault(label, (wording if kind is Label.HYPOTHESIS else None) or category or label)
        places = _touched(pieces[document], start, end)
        marks.setdefault(label, []).extend((int(first[document]) + place, choice) for place in places)
    examples = {label: _examples(label, wordings[label], places) for label, places in sorted(marks.items())}
    return Lesson(source, kind, contracts, texts, owner, examples)


def _touched(pieces: Sequence[Stretch], start: int, end: int) -> Iterator[int]:
    """The pieces that share half of themselves, or of the labelled stretch, with it."""
    first = max(0, int(np.searchsorted([piece[1] for piece in pieces], start, side="right")))
    for place in range(first, len(pieces)):
        begin, stop = pieces[place]
        if begin >= end:
            return
        if 2 * (min(stop, end) - max(begin, start)) >= min(stop - begin, end - start):
            yield place


def _examples(label: str, wording: str, marks: Sequence[tuple[int, str | None]]) -> Examples:
    choices: dict[int, set[str | None]] = {}
    for piece, choice in marks:
        choices.setdefault(piece, set()).add(choice)
    classes = {
        piece: CLASSES.index(choice)
        for piece, several in choices.items()
        for choice in several
        if choice in CLASSES and len(several) == 1
    }
    return Examples(
        label,
        wording,
        np.array(sorted(choices), dtype=np.int64),
        classes,
        sum(len(it) > 1 for it in choices.values()),
    )
