"""The shapes in which CUAD is published, read into one: contracts with questions and answers.

SQuAD-shaped JSON (in `CUAD_v1.zip`, in GitHub's `data.zip`, or bare) and a Parquet export with one row per
clause. Nothing is judged here except the shape: whether an answer is where it says, `cuad` finds out.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bootstrap_assets.corpus.records import Finding, Severity
from bootstrap_assets.errors import ArchiveError, ForeignFileError, FormatError, NotAnArchiveError
from bootstrap_assets.extras import needs_extra
from bootstrap_assets.sources.fetch.archive import Archive
from bootstrap_assets.sources.json_input import Malformed, describe, load_json, member, read_text, zip_or_nothing
from bootstrap_assets.texts.content import clean_text

NAME = "cuad"

CATEGORIES = (
    "Document Name",
    "Parties",
    "Agreement Date",
    "Effective Date",
    "Expiration Date",
    "Renewal Term",
    "Notice Period To Terminate Renewal",
    "Governing Law",
    "Most Favored Nation",
    "Non-Compete",
    "Exclusivity",
    "No-Solicit Of Customers",
    "Competitive Restriction Exception",
    "No-Solicit Of Employees",
    "Non-Disparagement",
    "Termination For Convenience",
    "Rofr/Rofo/Rofn",
    "Change Of Control",
    "Anti-Assignment",
    "Revenue/Profit Sharing",
    "Price Restrictions",
    "Minimum Commitment",
    "Volume Restriction",
    "Ip Ownership Assignment",
    "Joint Ip Ownership",
    "License Grant",
    "Non-Transferable License",
    "Affiliate License-Licensor",
    "Affiliate License-Licensee",
    "Unlimited/All-You-Can-Eat-License",
    "Irrevocable Or Perpetual License",
    "Source Code Escrow",
    "Post-Termination Services",
    "Audit Rights",
    "Uncapped Liability",
    "Cap On Liability",
    "Liquidated Damages",
    "Warranty Duration",
    "Insurance",
    "Covenant Not To Sue",
    "Third Party Beneficiary",
)
"""The 41 official categories, in the official order and spelling."""

COLUMNS = ("contract_name", "contract_text", "category", "clause_text", "start_ix", "end_ix")
"""The columns of the Parquet export; `end_ix` follows from the others and is not read."""

_BY_LETTERS = {"".join(category.casefold().split()): category for category in CATEGORIES}
_JSON_NAMES = ("cuad_v1.json", "cuadv1.json")
_ROWS_AT_ONCE = 64
_BUFFER = 1024**2


@dataclass(frozen=True, slots=True)
class Answer:
    """A labelled stretch as the file gives it. `start` may be wrong, or None where the file has no number."""

    category: str
    text: str
    start: int | None
    place: str


@dataclass(slots=True)
class Contract:
    """One contract of a file: its text, the question asked for each category, the answers given."""

    title: str
    text: str
    place: str
    questions: dict[str, str] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


@dataclass(slots=True)
class Contents:
    """What one archive holds. `answers_csv` is the text of master_clauses.csv and its place, if it has one."""

    contracts: list[Contract]
    findings: list[Finding]
    answers_csv: tuple[bytes, str] | None = None


def canonical(category: str) -> str:
    """The official spelling of a category, whatever the case and spaces; an unknown one stays as it is.

    The training file for separate questions numbers its ids ("…__Parties_0"): the number is dropped.
    """
    category = " ".join(clean_text(category).split())
    for name in (category, re.sub(r"_\d+\Z", "", category)):
        spelling = _BY_LETTERS.get("".join(name.casefold().split()))
        if spelling:
            return spelling
    return category


def read(path: Path) -> Contents:
    """Read one archive whole. Raises ArchiveError or FormatError, naming file and place."""
    if path.suffix.lower() == ".parquet":
        return _from_parquet(path)
    with zip_or_nothing(path, _refuse_foreign) as archive:
        contents = Contents([], [])
        for name in _json_names(archive) if archive else [path.name]:
            place = f"{path.name}: {name}" if archive else path.name
            text, warnings = read_text(path, archive, name, NAME)
            try:
                data, repeats = load_json(text, place, NAME)
                contents.findings += (*warnings, *repeats)
                _from_json(data, place, contents)
            except FormatError as problem:
                if archive or _is_official(name) or '"paragraphs"' in text:
                    raise
                raise ForeignFileError(str(problem)) from problem
        if archive:
            tables = [name for name in archive.names() if name.lower().endswith("master_clauses.csv")]
            contents.answers_csv = (archive.read(tables[0]), f"{path.name}: {tables[0]}") if tables else None
    return contents


def error(kind: str, message: str, place: str, source_id: str | None = None) -> Finding:
    """A finding that costs a record its place in the corpus."""
    return Finding(NAME, Severity.ERROR, kind, message, place, source_id)


def warning(kind: str, message: str, place: str, source_id: str | None = None) -> Finding:
    """A finding that is only reported."""
    return Finding(NAME, Severity.WARNING, kind, message, place, source_id)


def _json_names(archive: Archive) -> list[str]:
    return [name for name in archive.names() if _is_official(name)]


def _is_official(name: str) -> bool:
    return name.rpartition("/")[2].lower() in _JSON_NAMES


def _refuse_foreign(archive: Archive) -> None:
    if not _json_names(archive):
        raise ForeignFileError(
            f"{archive.path.name}: holds neither CUAD_v1.json nor CUADv1.json, the files of all contracts; it has"
            f" {archive.listing()}"
        )


def _from_json(data: object, place: str, contents: Contents) -> None:
    if not isinstance(data, dict):
        raise FormatError(
            f"{place}: holds {describe(data)} where CUAD has an object with the key 'data'; a re-export from a"
            " hub? The official file is CUAD_v1.json"
        )
    try:
        entries = member(data, "data", list, place)
    except Malformed as problem:
        raise FormatError(str(problem)) from problem
    problems: list[Malformed] = []
    before = len(contents.contracts)
    for number, entry in enumerate(entries):
        where = f"{place}: data[{number}]"
        try:
            title = clean_text(member(entry, "title", str, where)).strip()
            paragraphs = member(entry, "paragraphs", list, where)
            if not paragraphs:
                problems.append(Malformed(f"{where}.paragraphs", "the list is empty: the contract has no text"))
            for index, paragraph in enumerate(paragraphs):
                inner = f"{where}.paragraphs[{index}]"
                try:
                    contents.contracts.append(_contract(title, paragraph, inner))
                except Malformed as problem:
                    problems.append(problem)
        except Malformed as problem:
            problems.append(problem)
    if len(contents.contracts) == before:
        raise FormatError(str(problems[0]) if problems else f"{place}: the list 'data' holds no contract")
    contents.findings += [error("malformed", problem.problem, problem.place) for problem in problems]


def _contract(title: str, paragraph: object, place: str) -> Contract:
    text = clean_text(member(paragraph, "context", str, place))
    if not title:
        raise Malformed(place, "the contract's title is empty")
    contract = Contract(title, text, place)
    for number, qa in enumerate(member(paragraph, "qas", list, place)):
        where = f"{place}.qas[{number}]"
        try:
            category = canonical(member(qa, "id", str, where).rpartition("__")[2])
            question = qa.get("question")
            contract.questions.setdefault(category, clean_text(question) if isinstance(question, str) else "")
            if "answers" in qa or not qa.get("is_impossible"):
                _answers(contract, category, member(qa, "answers", list, where), f"{where}.answers")
        except Malformed as problem:
            contract.findings.append(error("malformed", problem.problem, problem.place))
    return contract


def _answers(contract: Contract, category: str, answers: list[object], place: str) -> None:
    for number, answer in enumerate(answers):
        where = f"{place}[{number}]"
        try:
            text = clean_text(member(answer, "text", str, where))
            contract.answers.append(Answer(category, text, _offset(answer), where))
        except Malformed as problem:
            contract.findings.append(error("malformed", problem.problem, problem.place))


def _offset(answer: object, key: str = "answer_start") -> int | None:
    """A whole number; pandas writes such columns as floats where a row has none."""
    value = answer.get(key) if isinstance(answer, Mapping) else None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if type(value) is int else None


def _from_parquet(path: Path) -> Contents:
    contents = Contents([], [])
    contracts: dict[tuple[str, str], Contract] = {}
    for number, row in enumerate(_parquet_rows(path)):
        place = f"{path.name}: row {number}"
        title, text = row["contract_name"], row["contract_text"]
        if not isinstance(title, str) or not title.strip() or not isinstance(text, str):
            contents.findings.append(error("malformed", "contract_name or contract_text is missing", place))
            continue
        contract = contracts.get((title, text))
        if contract is None:
            contract = contracts[title, text] = Contract(clean_text(title).strip(), clean_text(text), place)
            contents.contracts.append(contract)
        category, clause, start = row["category"], row["clause_text"], _offset(row, "start_ix")
        if not isinstance(category, str) or not category.strip():
            contract.findings.append(error("malformed", "the row's category is missing", place))
            continue
        contract.questions.setdefault(canonical(category), "")
        if isinstance(clause, str) and (clause.strip() or (start is not None and start >= 0)):
            contract.answers.append(Answer(canonical(category), clean_text(clause), start, place))
    if not contents.contracts:
        raise FormatError(f"{path.name}: holds no row with a contract_name and a contract_text")
    return contents


def _parquet_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Rows in small batches: a contract's text is repeated on each of its rows."""
    with needs_extra("parquet", f"{path.name}: a Parquet export of CUAD"):
        import pyarrow as arrow
        import pyarrow.parquet as parquet

    damage = (arrow.ArrowException, OSError, ValueError, LookupError, OverflowError, MemoryError)
    try:
        # Buffered: otherwise the whole column of a row group, each text many times over, is read at once.
        file = parquet.ParquetFile(path, buffer_size=_BUFFER, read_dictionary=["contract_text"])
    except damage as problem:
        message = f"{path.name}: this is not a Parquet file, or a damaged one: {problem}"
        raise (ArchiveError if _is_parquet(path) else NotAnArchiveError)(message) from problem
    with file:
        missing = [name for name in COLUMNS[:-1] if name not in file.schema_arrow.names]
        if missing:
            columns = ", ".join(file.schema_arrow.names)
            raise ForeignFileError(f"{path.name}: the column {', '.join(missing)} is missing (it has {columns})")
        try:
            for batch in file.iter_batches(_ROWS_AT_ONCE, columns=list(COLUMNS[:-1]), use_threads=False):
                texts = batch.column("contract_text")
                if not arrow.types.is_dictionary(texts.type):
                    texts = texts.dictionary_encode()
                indices = texts.indices.to_pylist()
                values = {index: texts.dictionary[index].as_py() for index in set(indices) - {None}}
                for index, row in zip(indices, batch.drop_columns(["contract_text"]).to_pylist(), strict=True):
                    yield {**row, "contract_text": values.get(index)}
        except damage as problem:
            raise ArchiveError(f"{path.name}: the Parquet file is damaged: {problem}") from problem


def _is_parquet(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) == b"PAR1"
    except OSError:
        return True  # whatever it is, it cannot be read
