"""How good the scorers of labels are over all passages together, and how far their probabilities can be trusted.

    python -m benchmarks.label_quality

On the corpus that lies here (`bootstrap run --data DIR`), five-fold by contract: each fifth of a source's
contracts is read by scorers that the others taught, calibration included. A passage is a piece; or a section of
CUAD, right where it shares characters with a clause. `bootstrap evaluate` has
the figures within each contract.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from bootstrap_assets.database.connection import Connection, Database, existing_database_url
from bootstrap_assets.evaluation.answers import sections_of
from bootstrap_assets.labels import lessons
from bootstrap_assets.labels.lessons import Lesson
from bootstrap_assets.labels.quality import average_precision
from bootstrap_assets.labels.scorers import folds_of, train
from bootstrap_assets.labels.sections import Sections
from bootstrap_assets.settings import load_settings
from bootstrap_assets.sources.registry import SOURCES

PRECISION = 0.8

PROBABILITIES, AROUND = (0.3, 0.5, 0.7, 0.8, 0.9), 0.05

Column = npt.NDArray[np.float64]
Marks = npt.NDArray[np.bool_]


def said_and_right(lesson: Lesson) -> tuple[Column, Column, Marks]:
    """By other contracts' scorers the probability of each piece (row) and label (column), the same of sections;
    and which pieces are right.
    """
    labels, every = list(lesson.examples), Sections.of_lesson(lesson)
    right = np.zeros((len(lesson.texts), len(labels)), dtype=np.bool_)
    for column, label in enumerate(labels):
        right[lesson.examples[label].pieces, column] = True
    said, of_sections = np.zeros(right.shape), np.zeros((len(every.owner), len(labels)))
    folds = folds_of(lesson)
    for fold in np.unique(folds):
        scorers = train(lesson.part(np.unique(lesson.owner[folds != fold])))
        test = lesson.part(np.unique(lesson.owner[folds == fold]))
        view = scorers.features.view(test.texts, test.owner)
        columns = [labels.index(scorer.label) for scorer in scorers.scorers]
        said[np.ix_(np.flatnonzero(folds == fold), columns)] = scorers.probabilities(view)
        rows = np.flatnonzero(folds[every.first] == fold)
        of_sections[np.ix_(rows, columns)] = scorers.of_sections(view, Sections.of_lesson(test))
    return said, of_sections, right


def right_sections(connection: Connection, lesson: Lesson) -> Marks:
    """For each of CUAD's sections and each label whether a clause with it shares characters with the section."""
    clauses = """SELECT document_id, category, char_start, char_end FROM reference_records
        WHERE source = 'cuad' AND granularity = 'clause' AND category IS NOT NULL AND char_start IS NOT NULL"""
    marks: dict[object, list[tuple[int, int, int]]] = {}
    column = {label: number for number, label in enumerate(lesson.examples)}
    for document, category, start, end in connection.execute(clauses):
        marks.setdefault(document, []).append((column[category], start, end))
    sections, right = sections_of(connection), []
    for contract in lesson.contracts:
        for (start, end), _ in sections[contract.id]:
            here = {label for label, begin, stop in marks.get(contract.id, []) if begin < end and start < stop}
            right.append([label in here for label in range(len(column))])
    return np.array(right, dtype=np.bool_)


def figures(said: Column, right: Marks) -> Iterator[str]:
    """Lines of figures over all passages together."""
    order = np.argsort(-said.ravel(), kind="stable")
    hits = right.ravel()[order]
    precisions = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    enough = np.flatnonzero(precisions >= PRECISION)
    recall = hits[: enough[-1] + 1].sum() / hits.sum() if len(enough) else 0.0
    means = [average_precision(said[:, column], right[:, column]) for column in np.flatnonzero(right.any(axis=0))]
    yield f"recall at a precision of {PRECISION}: {recall:.3f} (micro, {right.sum():,} right)"
    yield f"average precision: {precisions[hits].mean():.3f} (micro), {np.mean(means):.3f} (mean over labels)"
    for probability in PROBABILITIES:
        near = np.abs(said - probability) <= AROUND
        yield f"said at {probability} ± {AROUND}: {right[near].mean():.2f} of {near.sum():,} are right"


def main() -> None:
    """Print the figures."""
    with Database(existing_database_url(load_settings()), size=1) as database, database.connection() as connection:
        for source in SOURCES.values():
            lesson = lessons.read(connection, source)
            if lesson is None:
                continue
            said, of_sections, right = said_and_right(lesson)
            print(
                f"\n{source.name}, {len(lesson.contracts)} contracts, pieces",
                *figures(said, right),
                sep="\n  ",
            )
            if source.name == "cuad":
                marks = right_sections(connection, lesson)
                print("\ncuad, sections", *figures(of_sections, marks), sep="\n  ")


if __name__ == "__main__":
    main()
