"""Writing confidentiality agreements as ContractNLI publishes them: texts, spans, and 17 labelled hypotheses."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bootstrap_assets.sample.archive import member, new_archive

HYPOTHESES: Mapping[int, tuple[str, str]] = {
    11: (
        "Nothing is taken apart",
        "The one who receives a thing that holds a secret must not find out by analysis how it is made.",
    ),
    16: (
        "Giving back at the end",
        "When the agreement is over, at least part of the secrets has to be handed back or done away with.",
    ),
    15: ("No right is handed over", "To be let into a secret brings no licence and no other right in it."),
    10: (
        "The agreement is itself a secret",
        "Nobody may be told that the agreement, or talks about it, took place.",
    ),
    2: ("Technical matters alone", "Nothing but technical knowledge is protected; business matters are not."),
    1: ("Secrets carry a mark", "Only what the giver has pointed out or marked as secret is protected."),
    19: ("Duties that live on", "One duty or another still binds after the agreement has come to its end."),
    12: ("Own development is free", "The receiver may work out like knowledge without help and make use of it."),
    20: (
        "Something may be kept",
        "Part of the secrets may stay with the receiver after the rest was given back or destroyed.",
    ),
    3: ("The spoken word counts", "What was told by word of mouth can be protected as well."),
    18: ("No courting of staff", "The receiver must not try to win over people who work for the giver."),
    7: ("Outside helpers may see it", "Advisers, agents or other outsiders may be shown some of the secrets."),
    17: ("Copies can be made", "There are cases in which the receiver may copy a secret."),
    8: (
        "Warning before forced disclosure",
        "If an authority compels the receiver to reveal a secret, the giver has to be told.",
    ),
    13: (
        "Like knowledge from others is free",
        "The receiver may get the same kind of knowledge from somebody else.",
    ),
    5: ("Own staff may see it", "Some of the receiver's own workers may be shown some of the secrets."),
    4: ("One purpose only", "The receiver may use a secret for the stated purpose and for nothing beyond it."),
}
"""The 17 hypotheses under their official numbers, in the official order: (short description, wording)."""

SPLITS = ("train", "dev", "test")
ROOT = "contract-nli"

_SENTENCE_END = re.compile(r"[.;:!?][”’\"')]*\s+")
_ENUMERATOR = re.compile(r"\S{1,5}\s+")


@dataclass(frozen=True, slots=True)
class Nda:
    """An annotated agreement.

    `spans` are (start, end) into `text`; `choices` gives, for each hypothesis number, the official word for the
    label and the indices of the spans that show it.
    """

    number: int
    file_name: str
    text: str
    spans: tuple[tuple[int, int], ...]
    choices: Mapping[int, tuple[str, tuple[int, ...]]]


def segment(text: str) -> tuple[tuple[int, int], ...]:
    """Cut a text into spans as ContractNLI does: lines, and sentences in them; line feeds belong to no span.

    A sentence keeps the blank after it; a number or letter before a paragraph stays with its first sentence.
    """
    spans = []
    position = 0
    for line in text.split("\n"):
        start, end = position, position + len(line)
        position = end + 1
        for stop in _SENTENCE_END.finditer(line):
            cut = end - len(line) + stop.end()
            if _begins_a_sentence(line[stop.end() :], line[stop.start()]) and not _ENUMERATOR.fullmatch(
                text[start:cut]
            ):
                spans.append((start, cut))
                start = cut
        if start < end:
            spans.append((start, end))
    return tuple(spans)


def _begins_a_sentence(rest: str, before: str) -> bool:
    if before in ";:":
        return bool(rest)
    return rest[:1].isupper() or rest[:1] in "“"


def spans_within(spans: Iterable[tuple[int, int]], start: int, end: int) -> tuple[int, ...]:
    """The indices of the spans that share at least one character with a stretch of text."""
    return tuple(index for index, (left, right) in enumerate(spans) if left < end and start < right)


def write_contract_nli(path: Path, documents: Callable[[str], Iterable[Nda]]) -> Path:
    """Write `contract-nli.zip`; `documents(split)` gives the agreements of train, dev and test, one at a time."""
    with new_archive(path) as archive:
        for split in sorted(SPLITS):
            with archive.open(member(f"{ROOT}/{split}.json"), "w") as file:
                file.write(b'{"documents": [')
                for number, document in enumerate(documents(split)):
                    file.write(b",\n" if number else b"\n")
                    file.write(json.dumps(_entry(document), ensure_ascii=False).encode())
                file.write(b'\n],\n"labels": ' + json.dumps(_labels(), indent=1).encode() + b"}\n")
    return path


def _entry(document: Nda) -> dict[str, Any]:
    annotations = {
        f"nda-{number}": {"choice": document.choices[number][0], "spans": list(document.choices[number][1])}
        for number in HYPOTHESES
    }
    return {
        "id": document.number,
        "file_name": document.file_name,
        "text": document.text,
        "spans": [list(span) for span in document.spans],
        "annotation_sets": [{"annotations": annotations}],
        "document_type": "search-pdf",
        "url": f"https://example.org/agreements/{document.file_name}",
    }


def _labels() -> dict[str, dict[str, str]]:
    return {
        f"nda-{number}": {"short_description": short, "hypothesis": wording}
        for number, (short, wording) in HYPOTHESES.items()
    }
