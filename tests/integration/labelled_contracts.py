"""Contracts made up for the evaluation: in each the right answers are known, and beside them stand decoys.

The agreements are ContractNLI's kind: two hypotheses, each with one span of evidence that has its rare words; the
decoys have its frequent ones. The contracts are CUAD's kind: articles of some hundred words, two of which hold a
labelled clause.
"""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HYPOTHESES = {
    "nda-1": "The receiver shall not sell honey of the giver to any other party of this agreement.",
    "nda-2": "The receiver shall give the lantern of the giver back to the giver after this agreement.",
}
EVIDENCE = {
    "nda-1": "Honey is never sold on, not even {n} jars.",
    "nda-2": "Within {n} days each lantern goes back.",
}
DECOYS = (
    "The receiver shall not speak of this agreement to any other party of the giver.",
    "The giver shall not give this agreement of the receiver to any other party.",
    "The receiver of this agreement shall keep to it after the giver.",
    "Any party to this agreement shall be the giver or the receiver of it.",
)
QUESTIONS = {
    "Governing Law": "Which state's law governs the interpretation of the contract?",
    "Insurance": "Is there a requirement for insurance that must be maintained by one party?",
}
CLAUSES = {
    "Governing Law": "The laws of Norway govern the interpretation of every word in article {n}.",
    "Insurance": "The carrier maintains insurance of {n} million crowns for its vans.",
}
FILLER = "The {} of the receiver shall not be any {} of the giver after this agreement with the other party."
WORDS = (
    "amber barge candle dune ember ferry garnet harbour iris jetty kettle lagoon meadow nettle orchard pebble "
    "quarry ribbon saddle timber umbrella velvet willow yarrow anchor basil copper damson elder feather"
).split()


def write(folder: Path, count: int = 12) -> Path:
    """Write archives of both kinds where `--data folder` looks for them; returns the folder."""
    for source, name, content in (
        ("contract_nli", "train.json", _nli(count)),
        ("cuad", "CUAD_v1.json", _cuad(count)),
    ):
        (folder / source).mkdir(parents=True, exist_ok=True)
        (folder / source / name).write_text(json.dumps(content))
    return folder


def _nli(count: int) -> dict[str, Any]:
    labels = {key: {"short_description": key, "hypothesis": text} for key, text in HYPOTHESES.items()}
    return {"documents": [_agreement(number) for number in range(count)], "labels": labels}


def _agreement(number: int) -> dict[str, Any]:
    dice = random.Random(number)
    sentences = [f"{sentence[:-1]}, {' '.join(dice.sample(WORDS, 2))}." for sentence in DECOYS for _ in range(3)]
    sentences += [f"The {first} and the {last} are blue." for first, last in _pairs(dice, 8)]
    evidence = {key: text.format(n=number + 2) for key, text in EVIDENCE.items()}
    sentences += evidence.values()
    dice.shuffle(sentences)
    text = "\n".join(sentences)
    spans = [[text.index(sentence), text.index(sentence) + len(sentence)] for sentence in sentences]
    chosen = {
        key: {"choice": "Entailment", "spans": [sentences.index(sentence)]} for key, sentence in evidence.items()
    }
    blank = [text.index("\n"), text.index("\n") + 1]
    return {
        "id": number,
        "file_name": f"agreement {number}.pdf",
        "text": text,
        "spans": [*spans, blank],
        "annotation_sets": [{"annotations": chosen}],
        "document_type": "search-pdf",
        "url": "https://syrup.example/accord.pdf",
    }


def _pairs(dice: random.Random, count: int) -> Iterator[tuple[str, str]]:
    words = dice.sample(WORDS, 2 * count)
    return zip(words[:count], words[count:], strict=True)


def _cuad(count: int) -> dict[str, Any]:
    return {"version": "made up", "data": [_contract(number) for number in range(count)]}


def _contract(number: int, articles: int = 12) -> dict[str, Any]:
    dice = random.Random(1_000 + number)
    holding = dict(zip(CLAUSES, dice.sample(range(articles), len(CLAUSES)), strict=True))
    parts, clauses = [], {}
    for article in range(articles):
        own = [FILLER.format(*dice.choices(WORDS, k=2)) for _ in range(12)]
        for category, place in holding.items():
            if place == article:
                clauses[category] = CLAUSES[category].format(n=number + 2)
                own.insert(6, clauses[category])
        parts.append(
            f"{article + 1}. {dice.choice(WORDS).upper()} AND {dice.choice(WORDS).upper()}\n" + " ".join(own)
        )
    text = "\n\n".join(parts)
    asked = [
        {
            "id": f"Contract {number}__{category}",
            "question": f'Highlight the parts (if any) of this contract related to "{category}" that should be '
            f"reviewed by a lawyer. Details: {QUESTIONS[category]}",
            "answers": [{"text": clause, "answer_start": text.index(clause)}],
            "is_impossible": False,
        }
        for category, clause in clauses.items()
    ]
    return {"title": f"Contract {number}", "paragraphs": [{"context": text, "qas": asked}]}
