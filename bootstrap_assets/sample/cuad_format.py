"""Writing contracts as CUAD v1 publishes them: SQuAD 2.0 JSON, the table of master clauses, and plain texts."""

import csv
import io
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from bootstrap_assets.sample.archive import Spool, copy_into, member, new_archive

CATEGORIES: Mapping[str, str] = {
    "Document Name": "What does the document call itself?",
    "Parties": "Who are the people or organisations that are bound by it, and by which names does it call them?",
    "Agreement Date": "Which day does the document bear?",
    "Effective Date": "From which day on do its promises hold?",
    "Expiration Date": "When is its first term over?",
    "Renewal Term": "For how long does it go on after the first term?",
    "Notice Period To Terminate Renewal": "How long beforehand must somebody speak up to stop it from going on?",
    "Governing Law": "By the law of which place is it read?",
    "Most Favored Nation": "Must one side be given any better price or terms that somebody else is given?",
    "Competitive Restriction Exception": "What do bans on competing or courting, or exclusive bonds, leave free?",
    "Non-Compete": "Is somebody kept out of a trade, a region or a field in which the other side works?",
    "Exclusivity": "Does somebody promise to deal in a matter with the other side alone?",
    "No-Solicit Of Customers": "Is somebody kept from courting the clients of the other side?",
    "No-Solicit Of Employees": "Is somebody kept from hiring away the people of the other side?",
    "Non-Disparagement": "Must somebody refrain from speaking ill of the other side?",
    "Termination For Convenience": "Can somebody leave by notice alone, without having to give a cause?",
    "Rofr/Rofo/Rofn": "Has somebody the first or the last word when a thing is sold, licensed or continued?",
    "Change Of Control": "What follows if one side gets new owners?",
    "Anti-Assignment": "Does it take a consent or a word to hand the document on to another?",
    "Revenue/Profit Sharing": "Does one side hand over part of what it earns?",
    "Price Restrictions": "Is somebody held back from putting prices up or down?",
    "Minimum Commitment": "What is the least that somebody has to buy, sell or pay?",
    "Volume Restriction": "Does it cost more, or need leave, to go beyond a certain quantity?",
    "Ip Ownership Assignment": "Do one side's creations become the other side's property?",
    "Joint Ip Ownership": "Which creations do the sides own together?",
    "License Grant": "What may one side do with something that belongs to the other?",
    "Non-Transferable License": "Is that permission tied to the one who got it?",
    "Affiliate License-Licensor": "Does the permission reach to what sister companies of its giver own?",
    "Affiliate License-Licensee": "May sister companies of the receiver use the permission too?",
    "Unlimited/All-You-Can-Eat-License": "Is the permission free from any count of users, copies or uses?",
    "Irrevocable Or Perpetual License": "Is the permission for ever, or beyond recall?",
    "Source Code Escrow": "Is source code left with a neutral keeper, and when does the keeper hand it out?",
    "Post-Termination Services": "What must still be done when all is over?",
    "Audit Rights": "Who may look into whose books or rooms?",
    "Uncapped Liability": "For what does somebody answer without any limit?",
    "Cap On Liability": "What is the most that somebody can be made to pay, or the last day for asking?",
    "Liquidated Damages": "Which sum, settled beforehand, is due for a breach or for leaving?",
    "Warranty Duration": "For how long is the thing or the work vouched for?",
    "Insurance": "Which insurance has to be kept up for the good of the other side?",
    "Covenant Not To Sue": "Which claims or challenges does somebody promise never to raise?",
    "Third Party Beneficiary": "Can somebody who has not signed hold the signers to their word?",
}
"""The 41 categories, spelt and ordered as CUAD does, each with a question in our own words."""

DERIVED = (
    "Document Name",
    "Parties",
    "Agreement Date",
    "Effective Date",
    "Expiration Date",
    "Renewal Term",
    "Notice Period To Terminate Renewal",
    "Governing Law",
)
"""The categories whose normalised answer is a name, a date or a length of time. For the others: Yes or No."""

ROOT = "CUAD_v1"
_README = "Contracts in the format of CUAD v1, written for the tests and demonstrations of bootstrap-assets.\n"


@dataclass(frozen=True, slots=True)
class Contract:
    """A contract with the pieces that answer categories: (category, start, end) into `text`, in order of the text.

    `table_answers` holds the answers to the derived categories as the table gives them.
    """

    title: str
    text: str
    answers: tuple[tuple[str, int, int], ...]
    table_answers: Mapping[str, str]

    def texts(self, category: str) -> list[str]:
        """The answers to one category, each text once, in order."""
        pieces = (self.text[start:end] for name, start, end in self.answers if name == category)
        return list(dict.fromkeys(pieces))


def write_cuad(path: Path, contracts: Iterable[Contract]) -> Path:
    """Write `CUAD_v1.zip`. Contracts are taken one at a time; only one is held in memory."""
    with new_archive(path) as archive, Spool() as texts, tempfile.TemporaryFile() as table:
        rows = io.TextIOWrapper(table, encoding="utf-8", newline="", write_through=True)
        clauses = csv.writer(rows)
        clauses.writerow(_header())
        with archive.open(member(f"{ROOT}/CUAD_v1.json"), "w") as squad:
            _write_squad(squad, _note_each(contracts, texts, clauses))
        archive.writestr(member(f"{ROOT}/CUAD_v1_README.txt"), _README)
        texts.pour(archive)
        rows.detach()
        copy_into(archive, f"{ROOT}/master_clauses.csv", table)
    return path


def _note_each(contracts: Iterable[Contract], texts: Spool, clauses: Any) -> Iterator[Contract]:
    """Pass contracts on, and note each in the plain texts and in the table."""
    for contract in contracts:
        texts.add(f"{ROOT}/full_contract_txt/{contract.title}.txt", contract.text.encode())
        clauses.writerow(_row(contract))
        yield contract


def _write_squad(squad: IO[bytes], contracts: Iterable[Contract]) -> None:
    squad.write(b'{"version": "aok_v1.0", "data": [')
    for number, contract in enumerate(contracts):
        squad.write(b",\n" if number else b"\n")
        squad.write(json.dumps(_entry(contract)).encode())
    squad.write(b"\n]}\n")


def _entry(contract: Contract) -> dict[str, Any]:
    """The contract as an entry of SQuAD 2.0: one paragraph, one question for each of the 41 categories."""
    answers: dict[str, list[dict[str, Any]]] = {category: [] for category in CATEGORIES}
    for category, start, end in contract.answers:
        answers[category].append({"text": contract.text[start:end], "answer_start": start})
    questions = [
        {
            "answers": pieces,
            "id": f"{contract.title}__{category}",
            "question": _QUESTIONS[category],
            "is_impossible": not pieces,
        }
        for category, pieces in answers.items()
    ]
    return {"title": contract.title, "paragraphs": [{"qas": questions, "context": contract.text}]}


def _question(category: str) -> str:
    prompt = f'Highlight the parts (if any) of this contract related to "{category}" that should be reviewed'
    return f"{prompt} by a lawyer. Details: {CATEGORIES[category]}"


_QUESTIONS = {category: _question(category) for category in CATEGORIES}


def _header() -> list[str]:
    """The 83 columns; one of the official names has a space too many, which readers have to live with."""
    names = ["Filename"]
    for category in CATEGORIES:
        space = " " if category == "Notice Period To Terminate Renewal" else ""
        names += [category, f"{category}-{space}Answer"]
    return names


def _row(contract: Contract) -> list[str]:
    cells = [f"{contract.title}.pdf"]
    for category in CATEGORIES:
        texts = contract.texts(category)
        yes_or_no = "Yes" if texts else "No"
        cells += [repr(texts), contract.table_answers.get(category, "") if category in DERIVED else yes_or_no]
    return cells
