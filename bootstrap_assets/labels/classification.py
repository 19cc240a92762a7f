"""What the labels say of a text: which piece has which, and which of all labels are there.

    {"document", "passages": [{"char_start", "char_end", "page", "labels": [{"source", "category", "hypothesis_id",
    "nli_label", "probability"}]}], "categories": [{"category", "found", "probability", "passages", "recall"}],
    "hypotheses": [{"hypothesis_id", "nli_label", "probability", "passages"}]}

Probabilities are calibrated on contracts that the scorers were not trained on. `found` is said from `LIKELY` on,
and `recall` is the share of contracts with a category in which it would be: what "not found" is worth. Without a
scorer, for too few examples, `probability` is null and `recall` 0. `document` has `notes` for what a reader has to
know.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bootstrap_assets.corpus import overview
from bootstrap_assets.corpus.records import NliLabel
from bootstrap_assets.database.connection import Connection, Database
from bootstrap_assets.errors import ConfigurationError
from bootstrap_assets.labels import VERSION, store
from bootstrap_assets.labels.lessons import Numbers
from bootstrap_assets.labels.pieces import Stretch, pieces_of
from bootstrap_assets.labels.quality import LIKELY
from bootstrap_assets.labels.reading import Reading, is_english, words_of
from bootstrap_assets.labels.scorers import Scorer, Scorers
from bootstrap_assets.labels.sections import Sections
from bootstrap_assets.labels.store import Origin
from bootstrap_assets.sources.registry import SOURCES
from bootstrap_assets.sources.spec import Label, Source
from bootstrap_assets.texts.passages import Passage, cut

LEAST = 0.2
"""Probability from which on a piece is listed with a label."""

AT_ONCE = 5_000
"""Pieces that are scored together: bounds the memory for a long text, whose best is then that of these."""

FEWEST_SECTIONS = 3
"""Sections below which a text is no contract in which one could be compared with the rest: its pieces say all."""

UNCERTAIN = 0.45
"""Most that is said of a text in another language: never that something is there."""


@dataclass(frozen=True)
class Teacher:
    """A source that teaches labels, its scorers, their origin, and whether its records changed since."""

    source: Source
    scorers: Scorers
    origin: Origin
    is_outdated: bool

    @property
    def remark(self) -> str:
        """What to say of the contracts that taught where some are invented, else empty."""
        return max((scorer.quality.remark for scorer in self.scorers.scorers), default="")

    @property
    def kind(self) -> Label:
        """Whether its labels are categories or hypotheses."""
        assert self.source.teaching
        return self.source.teaching.label


@dataclass(frozen=True)
class Verdict:
    """What one scorer says of all pieces, of all sections, and of each piece whether it entails, if evidence.

    `most`: the most that a probability of this text can be, less than 1 where it is in another language.
    """

    teacher: Teacher
    scorer: Scorer
    probabilities: npt.NDArray[np.float64]
    sections: npt.NDArray[np.float64]
    entailments: npt.NDArray[np.float64]
    most: float = 1.0

    @property
    def best(self) -> float:
        """The probability that the label is there: that of its likeliest piece, or of a category's section."""
        is_asked = self.teacher.kind is Label.CATEGORY and len(self.sections) >= FEWEST_SECTIONS
        return max(float(self.probabilities.max(initial=0.0)), float(self.sections.max(initial=0.0)) * is_asked)

    @property
    def least(self) -> float:
        """The probability from which on a piece is listed: where the label is there, its likeliest piece is."""
        return min(LEAST, float(self.probabilities.max(initial=0.0))) if self.best >= LIKELY else LEAST

    def evidence(self) -> list[int]:
        """The numbers of the pieces that are listed, the likeliest first."""
        rows = np.flatnonzero(self.probabilities >= self.least)
        return [int(row) for row in rows[np.argsort(-self.probabilities[rows], kind="stable")]]


def teachers(connection: Connection) -> list[Teacher]:
    """All sources that have scorers. ConfigurationError where none has."""
    those = []
    for source in SOURCES.values():
        if source.teaching and (pair := store.read(connection, source.name)):
            scorers, origin = pair
            is_outdated = origin.corpus != overview.records_version(connection, source.name)
            those.append(Teacher(source, scorers, origin, is_outdated))
    if not those:
        raise ConfigurationError("nothing has been learnt from labels yet: `bootstrap labels train` does it")
    return those


def classify(database: Database, reading: Reading) -> dict[str, Any]:
    """The document above, as plain values. ConfigurationError where no scorers have been trained."""
    return classify_with(database.transact(teachers), reading)


def classify_text(database: Database, text: str) -> dict[str, Any]:
    """`classify` of a mere text, which has no name and no pages."""
    return classify(database, Reading(text))


def classify_with(those: Sequence[Teacher], reading: Reading) -> dict[str, Any]:
    """`classify`, by scorers that were read before: for many texts one after another."""
    words = words_of(reading.text)
    pieces = pieces_of(reading.text)
    verdicts = verdicts_of(those, reading.text, pieces)
    rows = sorted({row for verdict in verdicts for row in verdict.evidence()})
    place = {row: number for number, row in enumerate(rows)}
    return {
        "document": _about(those, reading, words),
        "passages": [_passage(reading, pieces[row], row, verdicts) for row in rows],
        "categories": [*_categories(those, verdicts, place)],
        "hypotheses": [*_hypotheses(those, verdicts, place)],
    }


def verdicts_of(those: Sequence[Teacher], text: str, pieces: Sequence[Stretch]) -> list[Verdict]:
    """What each scorer of these teachers says of a text's pieces."""
    passages = cut(text)
    return [verdict for teacher in those for verdict in _verdicts(teacher, text, pieces, passages)]


def _verdicts(
    teacher: Teacher, text: str, pieces: Sequence[Stretch], passages: Sequence[Passage]
) -> Iterator[Verdict]:
    scorers = teacher.scorers
    parts = [_scored(scorers, text, some, passages) for some in _blocks(pieces)]
    nothing = np.zeros((0, len(scorers.scorers)))
    probabilities, sections, entailments = (
        np.vstack([nothing, *(part[number] for part in parts)]) for number in range(3)
    )
    most = certainty(scorers, text)
    for column, scorer in enumerate(scorers.scorers):
        columns = (probabilities[:, column] * most, sections[:, column] * most, entailments[:, column])
        yield Verdict(teacher, scorer, *columns, most)


def certainty(scorers: Scorers, text: str) -> float:
    """What probabilities of a text are multiplied by: less than 1 in another language, 0 where it has no words."""
    words = words_of(text)
    if not words:
        return 0.0
    return 1.0 if is_english(words) else min(UNCERTAIN, scorers.features.share(text))


def _blocks(pieces: Sequence[Stretch]) -> Iterator[Sequence[Stretch]]:
    yield from (pieces[start : start + AT_ONCE] for start in range(0, len(pieces), AT_ONCE))


def _scored(
    scorers: Scorers, text: str, pieces: Sequence[Stretch], passages: Sequence[Passage]
) -> list[npt.NDArray[np.float64]]:
    """Probabilities of the pieces and of the sections that they are of, and of the pieces that they entail."""
    owner: Numbers = np.zeros(len(pieces), dtype=np.int64)
    view = scorers.features.view([text[start:end] for start, end in pieces], owner)
    sections = Sections.of_passages([passages], [pieces])
    return [scorers.probabilities(view), scorers.of_sections(view, sections), scorers.entailments(view)]


def confidence_in(words: Sequence[str]) -> str:
    """How far what is said of a text of these words can be relied on: `normal` or `low`."""
    return "normal" if words and is_english(words) else "low"


def _about(those: Sequence[Teacher], reading: Reading, words: Sequence[str]) -> dict[str, Any]:
    return {
        "name": reading.name,
        "characters": len(reading.text),
        "words": len(words),
        "pages": reading.pages,
        "confidence": confidence_in(words),
        "notes": [*reading.notes, *_notes(those, words)],
        "scorers": [_origin(teacher) for teacher in those],
    }


def _notes(those: Sequence[Teacher], words: Sequence[str]) -> Iterator[str]:
    if not words:
        yield "There is no text in it: nothing can be said."
    if not is_english(words):
        yield "It is not in English, and the labels are: nothing is said to be there, and probabilities are low."
    for teacher in those:
        name = teacher.source.title
        if teacher.remark:
            yield f"The scorers of {name} learnt from what is {teacher.remark}: they are a show, and no more."
        if teacher.is_outdated:
            yield f"{name} has changed since its scorers were trained: `bootstrap labels train` trains them anew."
        if teacher.origin.version != VERSION:
            yield f"The scorers of {name} are another version's: `bootstrap labels train` trains them anew."


def _origin(teacher: Teacher) -> dict[str, Any]:
    origin = teacher.origin
    return {
        "source": teacher.source.name,
        "corpus": origin.corpus,
        "splits": list(origin.splits),
        "contracts": origin.contracts,
        "version": origin.version,
        "trained_at": origin.trained_at.isoformat(timespec="seconds"),
        "outdated": teacher.is_outdated,
    }


def _passage(reading: Reading, piece: Stretch, row: int, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    labels = [_label(verdict, row) for verdict in verdicts if verdict.probabilities[row] >= verdict.least]
    return {
        "char_start": piece[0],
        "char_end": piece[1],
        "page": reading.page_at(piece[0]),
        "labels": sorted(labels, key=lambda label: -label["probability"]),
    }


def _label(verdict: Verdict, row: int) -> dict[str, Any]:
    scorer, is_category = verdict.scorer, verdict.teacher.kind is Label.CATEGORY
    entails = verdict.entailments[row] >= LIKELY
    return {
        "source": verdict.teacher.source.name,
        "category": scorer.label if is_category else None,
        "hypothesis_id": None if is_category else int(scorer.label),
        "nli_label": None if is_category else class_of(entails),
        "probability": _rounded(verdict.probabilities[row]),
    }


def class_of(entails: bool) -> str:
    """The class of evidence."""
    return (NliLabel.ENTAILMENT if entails else NliLabel.CONTRADICTION).value


def _categories(
    those: Sequence[Teacher], verdicts: Sequence[Verdict], place: Mapping[int, int]
) -> Iterator[dict[str, Any]]:
    for label, verdict in every_label(those, verdicts, Label.CATEGORY):
        yield {
            "category": label,
            "found": verdict is not None and verdict.best >= LIKELY,
            "probability": _rounded(verdict.best) if verdict else None,
            "passages": [place[row] for row in verdict.evidence()] if verdict else [],
            "recall": _rounded(verdict.scorer.quality.recall) if verdict else 0.0,
        }


def _hypotheses(
    those: Sequence[Teacher], verdicts: Sequence[Verdict], place: Mapping[int, int]
) -> Iterator[dict[str, Any]]:
    for label, verdict in every_label(those, verdicts, Label.HYPOTHESIS):
        choice, probability = choice_of(verdict) if verdict else (None, None)
        yield {
            "hypothesis_id": int(label),
            "nli_label": choice,
            "probability": probability,
            "passages": [place[row] for row in verdict.evidence()] if verdict else [],
        }


def choice_of(verdict: Verdict) -> tuple[str, float]:
    """The likeliest of the three classes, and how likely: its pieces decide, each as far as it is evidence."""
    if verdict.best < LIKELY:
        return NliLabel.NOT_MENTIONED.value, _rounded(verdict.most * (1 - verdict.best))
    entails = float(np.average(verdict.entailments, weights=np.maximum(verdict.probabilities, 1e-9) ** 2))
    return class_of(entails >= LIKELY), _rounded(verdict.best * max(entails, 1 - entails))


def every_label(
    those: Sequence[Teacher], verdicts: Sequence[Verdict], kind: Label
) -> Iterator[tuple[str, Verdict | None]]:
    """Each label of a kind with what its scorer says; None where it has none."""
    for teacher in those:
        if teacher.kind is kind:
            own = {verdict.scorer.label: verdict for verdict in verdicts if verdict.teacher is teacher}
            yield from ((label, own.get(label)) for label in dict.fromkeys([*teacher.source.labels, *own]))


def _rounded(number: float) -> float:
    return round(float(number), 4)
