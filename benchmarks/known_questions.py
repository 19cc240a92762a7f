"""Which questions the search takes for a label that a scorer knows, and which it should.

    python -m benchmarks.known_questions

On the corpus that lies here, with scorers (`bootstrap run --data DIR`, `bootstrap labels train`). The questions
(known_questions.tsv) are made up: two for each label, in other words than its own, and as many about what
contracts hold besides. Each label's own wordings have to be recognised too. Precision: of the questions that are
taken for a label the share that means that one. Recall: of those that mean one the share that is taken for it.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bootstrap_assets.database.connection import Connection, Database, existing_database_url
from bootstrap_assets.settings import load_settings

QUESTIONS = Path(__file__).with_suffix(".tsv")

LIKENESSES = (0.45, 0.5, 0.6, 0.7, 0.8)

RECOGNISE = """
SELECT l.source, l.label, l.likeness
FROM reference_question(%(text)s, NULL, 0) q CROSS JOIN LATERAL reference_label_of(q.words, q.weights) l"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A question, the label that it means, the one that it is taken for, and how like that one's wording it is."""

    text: str
    label: tuple[str, str] | None
    guess: tuple[str, str] | None
    likeness: float

    @property
    def is_right(self) -> bool:
        """Whether it is taken for what it means."""
        return self.guess is not None and self.guess == self.label


def questions() -> list[tuple[tuple[str, str] | None, str]]:
    """Each question after the label that it means, None where it means none."""
    with QUESTIONS.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file, delimiter="\t")
        return [((source, label) if source else None, text) for source, label, text in rows]


def outcomes(connection: Connection, several: Sequence[tuple[tuple[str, str] | None, str]]) -> Iterator[Outcome]:
    """What the search takes each question for."""
    for label, text in several:
        row = connection.execute(RECOGNISE, {"text": text}).fetchone()
        source, name, likeness = row or (None, None, None)
        yield Outcome(text, label, (source, name) if source else None, likeness or 0.0)


def figures(several: Sequence[Outcome], likeness: float) -> str:
    """Precision and recall where only what is so like counts."""
    guesses = [it for it in several if it.guess and it.likeness >= likeness]
    right = sum(it.is_right for it in guesses)
    meaning = [it for it in several if it.label]
    nothing = [it for it in several if not it.label]
    wrong = sum(it.label is None for it in guesses)
    return (
        f"likeness {likeness}: precision {right / max(1, len(guesses)):.3f}, recall {right / len(meaning):.3f}; "
        f"{wrong} of {len(nothing)} that mean none are taken for one"
    )


def main() -> None:
    """Print the figures, and what is taken for something else."""
    with Database(existing_database_url(load_settings()), size=1) as database, database.connection() as connection:
        trained = {row[:2] for row in connection.execute("SELECT source, label FROM label_scorers")}
        several = [(label, text) for label, text in questions() if label is None or label in trained]
        those = list(outcomes(connection, several))
        print(f"{len(those)} questions, {sum(it.label is not None for it in those)} of which mean a label")
        print(*(figures(those, likeness) for likeness in LIKENESSES), sep="\n")
        for it in those:
            if it.guess and not it.is_right:
                print(f"  {it.likeness:.2f} {it.text!r} ({it.label}) is taken for {it.guess}")
        wordings = connection.execute("SELECT source, label, wording FROM label_wordings").fetchall()
        own = list(outcomes(connection, [((source, label), text) for source, label, text in wordings]))
        print(f"own wordings: {sum(it.is_right for it in own)} of {len(own)} are recognised")


if __name__ == "__main__":
    main()
