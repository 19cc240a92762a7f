"""CUAD in all its shapes, and with all that can be wrong with it. The contracts are invented."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest

from bootstrap_assets.corpus.records import Finding, Granularity, ParsedDocument, Record, Severity
from bootstrap_assets.errors import ArchiveError, FormatError
from bootstrap_assets.sources.cuad import source as cuad
from bootstrap_assets.sources.cuad.answers import locate
from bootstrap_assets.sources.cuad.contracts import CATEGORIES, canonical

TEXT = (
    "BEE HIVE LEASE\n\nThis lease is made between Amber Apiaries and the Orchard Trust on 4 May 2031. "
    "The Trust keeps forty hives. 2. Law. The law of Freedonia governs. 3. Cap. Nobody pays more than 90 ducats.\n"
)
ANSWERS = {
    "Document Name": ["BEE HIVE LEASE"],
    "Parties": ["Amber Apiaries", "the Orchard Trust"],
    "Governing Law": ["The law of Freedonia governs."],
    "Cap On Liability": ["Nobody pays more than 90 ducats."],
}


def question(title: str, category: str, answers: list[tuple[str, Any]]) -> dict[str, Any]:
    return {
        "id": f"{title}__{category}",
        "question": f"Where is {category}?",
        "is_impossible": not answers,
        "answers": [{"text": text, "answer_start": start} for text, start in answers],
    }


def contract(
    title: str = "AMBER_2031__LEASE",
    text: str = TEXT,
    answers: dict[str, list[str]] | None = None,
    extra: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    given = ANSWERS if answers is None else answers
    qas = [
        question(title, category, [(answer, text.index(answer)) for answer in given.get(category, [])])
        for category in CATEGORIES
    ]
    return {"title": title, "paragraphs": [{"context": text, "qas": qas + (extra or [])}]}


def squad(*contracts: dict[str, Any]) -> str:
    return json.dumps({"version": "v1", "data": list(contracts)})


def official(
    folder: Path, *contracts: dict[str, Any], csv: bytes | None = None, name: str = "CUAD_v1.zip"
) -> Path:
    path = folder / name
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("CUAD_v1/CUAD_v1.json", squad(*contracts))
        archive.writestr("CUAD_v1/CUAD_v1_README.txt", "about")
        if csv is not None:
            archive.writestr("CUAD_v1/master_clauses.csv", csv)
    return path


def bare(folder: Path, content: str, name: str = "CUADv1.json") -> Path:
    path = folder / name
    path.write_text(content)
    return path


def table(folder: Path, rows: list[dict[str, Any]], name: str = "cuad.parquet", **options: Any) -> Path:
    parquet.write_table(arrow.Table.from_pylist(rows), folder / name, **options)
    return folder / name


def row(
    category: str, clause: str | None, start: float | None, title: str = "AMBER_2031__LEASE"
) -> dict[str, Any]:
    end = None if start is None or clause is None else start + len(clause)
    return {
        "contract_name": title,
        "contract_text": TEXT,
        "category": category,
        "clause_text": clause,
        "start_ix": start,
        "end_ix": end,
    }


def run(*paths: Path) -> tuple[list[ParsedDocument], list[Finding]]:
    """What a parse yields: documents, and all findings; offsets and ids are checked on the way."""
    documents: list[ParsedDocument] = []
    findings: list[Finding] = []
    for item in cuad.parse(paths, {}):
        if isinstance(item, Finding):
            findings.append(item)
            continue
        documents.append(item)
        findings += item.findings
        for record in item.records:
            assert item.document.text[record.char_start : record.char_end] == record.content
            assert record.document_id == item.document.id
    ids = [record.source_id for document in documents for record in document.records]
    assert len(ids) == len(set(ids))
    assert len({document.document.source_id for document in documents}) == len(documents)
    return documents, findings


def clauses(document: ParsedDocument) -> list[Record]:
    return [record for record in document.records if record.granularity is Granularity.CLAUSE]


def labels(document: ParsedDocument) -> set[tuple[str | None, str]]:
    return {(record.category, record.content) for record in clauses(document)}


EXPECTED = {(category, answer) for category, answers in ANSWERS.items() for answer in answers}


def test_the_official_zip_gives_documents_sections_and_clauses(tmp_path: Path) -> None:
    (parsed,), findings = run(official(tmp_path, contract()))
    assert findings == []
    document = parsed.document
    assert (document.source, document.source_id, document.title) == (
        "cuad",
        "AMBER_2031__LEASE",
        "AMBER_2031__LEASE",
    )
    assert (document.text, document.licence, document.attribution) == (TEXT, "CC BY 4.0", "The Atticus Project")
    assert document.metadata["categories_absent"] == [name for name in CATEGORIES if name not in ANSWERS]
    assert labels(parsed) == EXPECTED
    assert parsed.records[0].source_id == "AMBER_2031__LEASE#document"
    assert parsed.records[0].content == TEXT
    section = parsed.records[1]
    assert section.granularity is Granularity.SECTION
    assert section.source_id.startswith("AMBER_2031__LEASE#section:")
    law = next(record for record in clauses(parsed) if record.category == "Governing Law")
    assert law.source_id.startswith("AMBER_2031__LEASE__Governing Law#")
    assert law.metadata == {"question": "Where is Governing Law?"}


def test_there_are_41_categories() -> None:
    assert len(CATEGORIES) == len(set(CATEGORIES)) == 41


def test_github_s_data_zip_is_read_and_its_splits_are_ignored(tmp_path: Path) -> None:
    path = tmp_path / "data.zip"
    other = contract("OTHER")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("CUADv1.json", squad(contract()))
        archive.writestr("train_separate_questions.json", squad(other))
        archive.writestr("test.json", squad(other))
        archive.writestr("__MACOSX/._CUADv1.json", b"\x00\x05")
    (parsed,), _ = run(path)
    assert labels(parsed) == EXPECTED


def test_a_bare_json_gives_the_same_records(tmp_path: Path) -> None:
    (zipped,), _ = run(official(tmp_path, contract()))
    (parsed,), _ = run(bare(tmp_path, squad(contract())))
    assert parsed == zipped


def test_a_parquet_export_gives_the_same_clauses(tmp_path: Path) -> None:
    rows = [row(category, answer, TEXT.index(answer)) for category, answer in sorted(EXPECTED)]
    rows.append(row("Insurance", None, None))
    path = table(tmp_path, rows, row_group_size=2)
    (parsed,), findings = run(path)
    (zipped,), _ = run(official(tmp_path, contract()))
    assert findings == []
    assert [record.source_id for record in clauses(parsed)] == [record.source_id for record in clauses(zipped)]
    assert parsed.document.metadata["categories_absent"] == ["Insurance"]


def test_the_rows_of_a_contract_may_be_scattered_and_offsets_may_be_floats(tmp_path: Path) -> None:
    start = float(TEXT.index("BEE"))
    rows = [row("Parties", "Amber Apiaries", float(TEXT.index("Amber")))]
    rows += [row("Document Name", "BEE HIVE LEASE", start, title=f"T{number}") for number in range(300)]
    rows += [row("Governing Law", "The law of Freedonia governs.", None)]
    documents, findings = run(table(tmp_path, rows))
    assert len(documents) == 301
    assert labels(documents[0]) == {
        ("Parties", "Amber Apiaries"),
        ("Governing Law", "The law of Freedonia governs."),
    }
    assert [finding.kind for finding in findings] == ["offset_corrected"]


def test_a_contract_in_several_shapes_is_taken_once_with_all_labels(tmp_path: Path) -> None:
    first = contract(answers={"Parties": ["Amber Apiaries"]})
    second = contract(answers={"Parties": ["Amber Apiaries", "the Orchard Trust"]})
    only_here = contract("ONLY IN JSON")
    documents, findings = run(
        official(tmp_path, first),
        bare(tmp_path, squad(second, only_here)),
        table(tmp_path, [row("Governing Law", "The law of Freedonia governs.", TEXT.index("The law"))]),
    )
    assert findings == []
    assert [parsed.document.title for parsed in documents] == ["AMBER_2031__LEASE", "ONLY IN JSON"]
    assert labels(documents[0]) == {
        ("Parties", "Amber Apiaries"),
        ("Parties", "the Orchard Trust"),
        ("Governing Law", "The law of Freedonia governs."),
    }
    assert "Governing Law" not in documents[0].document.metadata["categories_absent"]


def test_ids_do_not_depend_on_the_order_of_questions_and_contracts(tmp_path: Path) -> None:
    turned = contract()
    turned["paragraphs"][0]["qas"].reverse()
    straight, _ = run(official(tmp_path, contract(), contract("B")))
    reverse, _ = run(official(tmp_path, contract("B"), turned, name="r.zip"))
    assert {record.id for parsed in straight for record in parsed.records} == {
        record.id for parsed in reverse for record in parsed.records
    }


def test_the_same_text_twice_under_one_category_is_numbered_by_offset(tmp_path: Path) -> None:
    text = "The Trust pays. Then the Trust rests. The Trust pays."
    qa = question("T", "Parties", [("The Trust", 38), ("The Trust", 0)])
    (parsed,), findings = run(bare(tmp_path, squad(contract("T", text, {}, [qa]))))
    assert findings == []
    first, second = clauses(parsed)
    assert (first.char_start, second.char_start) == (0, 38)
    assert second.source_id == f"{first.source_id}~2"


def test_an_answer_given_twice_is_one_record_and_a_warning(tmp_path: Path) -> None:
    qa = question("T", "Parties", [("The Trust", 0), ("The Trust", 0)])
    (parsed,), findings = run(bare(tmp_path, squad(contract("T", "The Trust pays.", {}, [qa]))))
    assert len(clauses(parsed)) == 1
    assert [(finding.kind, finding.severity) for finding in findings] == [("duplicate_answer", Severity.WARNING)]


def test_one_span_may_answer_two_categories(tmp_path: Path) -> None:
    answers = {"Parties": ["Amber Apiaries"], "Document Name": ["Amber Apiaries"]}
    (parsed,), findings = run(official(tmp_path, contract(answers=answers)))
    assert len(clauses(parsed)) == 2
    assert findings == []


@pytest.mark.parametrize(
    ("answer", "start", "span"),
    [
        ("bee", 4, (4, 7)),
        ("bee", 6, (4, 7)),
        ("bee", 18, (19, 22)),
        ("bee", 9999, (19, 22)),
        ("bee", -3, (4, 7)),
        ("bee", None, (4, 7)),
        ("honey bee", 0, (13, 22)),
        ("no wasp", 0, None),
    ],
)
def test_an_answer_is_found_at_or_nearest_to_its_offset(answer: str, start: int | None, span: Any) -> None:
    text = "The bee is a honey\nbee." if answer == "honey bee" else "The bee is a honey bee."
    assert locate(text, answer, start) == span


def test_a_wrong_offset_is_corrected_with_a_warning(tmp_path: Path) -> None:
    qa = question("T", "Parties", [("Orchard  Trust", 3), ("barley", 10)])
    (parsed,), findings = run(bare(tmp_path, squad(contract("T", "Pay the Orchard\nTrust in barley.", {}, [qa]))))
    assert [record.content for record in clauses(parsed)] == ["Orchard\nTrust", "barley"]
    assert {(finding.kind, finding.severity) for finding in findings} == {("offset_corrected", Severity.WARNING)}


def test_an_answer_that_is_nowhere_is_an_error_and_costs_nobody_else(tmp_path: Path) -> None:
    extra = [question("AMBER_2031__LEASE", "Insurance", [("A flood of nectar", 5), ("  ", 3)])]
    (parsed,), findings = run(bare(tmp_path, squad(contract(extra=extra))))
    assert labels(parsed) == EXPECTED
    assert [(finding.kind, finding.severity) for finding in findings] == [
        ("offset_mismatch", Severity.ERROR),
        ("empty_text", Severity.ERROR),
    ]
    assert findings[0].place == "CUADv1.json: data[0].paragraphs[0].qas[41].answers[0]"


def test_an_unknown_category_is_kept_and_reported_once(tmp_path: Path) -> None:
    extra = [question("x", "Pollen Rights", [("forty hives", TEXT.index("forty"))])]
    documents, findings = run(bare(tmp_path, squad(contract("A", extra=extra), contract("B", extra=extra))))
    assert all(("Pollen Rights", "forty hives") in labels(parsed) for parsed in documents)
    assert [(finding.kind, finding.severity) for finding in findings] == [("unknown_category", Severity.WARNING)]


def test_a_category_is_recognised_in_any_case_and_with_the_training_file_s_number() -> None:
    assert canonical("ROFR/ROFO/ROFN") == "Rofr/Rofo/Rofn"
    assert canonical("change of control_2") == "Change Of Control"
    assert canonical("Pollen_2") == "Pollen_2"


def test_two_contracts_with_one_title_are_both_kept(tmp_path: Path) -> None:
    other = contract(text=TEXT + "Postscript.")
    documents, findings = run(bare(tmp_path, squad(contract(), other)))
    first, second = (parsed.document.source_id for parsed in documents)
    assert first == "AMBER_2031__LEASE"
    assert second.startswith("AMBER_2031__LEASE~")
    assert len(second) == len(first) + 9
    assert [(finding.kind, finding.source_id) for finding in findings] == [("duplicate_title", second)]


def test_a_contract_that_is_in_the_file_twice_is_taken_once(tmp_path: Path) -> None:
    (parsed,), findings = run(bare(tmp_path, squad(contract(), contract())))
    assert labels(parsed) == EXPECTED
    assert [finding.kind for finding in findings] == ["duplicate_contract"]


def test_nul_and_lone_surrogates_are_replaced_and_offsets_stay(tmp_path: Path) -> None:
    text = "A\x00B \ud800 C the law governs."
    extra = [question("T\x00", "Governing Law", [("\ud800 C the law", text.index("\ud800"))])]
    data = contract("T\x00", text, {}, extra)
    (parsed,), findings = run(bare(tmp_path, squad(data)))
    assert findings == []
    assert parsed.document.source_id == "T\ufffd"
    assert clauses(parsed)[0].content == "\ufffd C the law"


def test_invalid_utf8_is_reported_with_its_file(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_bytes(squad(contract("Caf#")).encode().replace(b"Caf#", b"Caf\xc3\xa9 \xe9"))
    (parsed,), findings = run(path)
    assert parsed.document.title == "Café \ufffd"
    assert [(finding.kind, finding.place) for finding in findings] == [("invalid_utf8", "c.json")]


def test_an_empty_contract_is_an_error_and_the_others_go_on(tmp_path: Path) -> None:
    (parsed,), findings = run(bare(tmp_path, squad(contract("EMPTY", " \n", {}), contract())))
    assert parsed.document.title == "AMBER_2031__LEASE"
    assert [(finding.kind, finding.severity, finding.source_id) for finding in findings] == [
        ("empty_text", Severity.ERROR, "EMPTY")
    ]


def test_one_broken_contract_costs_only_itself(tmp_path: Path) -> None:
    broken = {"title": "X", "paragraphs": [{"qas": []}]}
    (parsed,), findings = run(bare(tmp_path, squad(broken, contract(), {"paragraphs": []})))
    assert labels(parsed) == EXPECTED
    assert [(finding.severity, finding.place) for finding in findings] == [
        (Severity.ERROR, "CUADv1.json: data[0].paragraphs[0]"),
        (Severity.ERROR, "CUADv1.json: data[2]"),
    ]
    assert "'context' is missing" in findings[0].message


def test_one_broken_question_costs_only_itself(tmp_path: Path) -> None:
    extra: list[Any] = [{"question": "?"}, "text", {"id": "x__Insurance", "answers": {}}, {"id": "x__Parties"}]
    extra.append({"id": "x__Insurance", "answers": [{"answer_start": 3}]})
    (parsed,), findings = run(bare(tmp_path, squad(contract(extra=extra))))
    assert labels(parsed) == EXPECTED
    assert all(finding.severity is Severity.ERROR for finding in findings)
    assert [finding.place.removeprefix("CUADv1.json: data[0].paragraphs[0].") for finding in findings] == [
        "qas[41]",
        "qas[42]",
        "qas[43].answers",
        "qas[44]",
        "qas[45].answers[0]",
    ]


HEADER = (
    "Filename,Parties,Parties-Answer,ROFR/ROFO/ROFN,ROFR/ROFO/ROFN- Answer,Governing Law,Governing Law-Answer\n"
)


def test_normalised_answers_come_from_the_table_beside(tmp_path: Path) -> None:
    csv = HEADER + 'AMBER_2031__LEASE.pdf,"[\'Amber\']","Amber; ""Trust""",[],No,[],\n'
    (parsed,), findings = run(official(tmp_path, contract(), csv=csv.encode()))
    assert findings == []
    assert parsed.document.metadata["answers"] == {"Parties": 'Amber; "Trust"', "Rofr/Rofo/Rofn": "No"}


@pytest.mark.parametrize(
    ("title", "filename"),
    [
        ("HONEY _ WAX SALES", "HONEY & WAX SALES.PDF"),
        ("HONEY _ WAX SALES", "Honey and Wax Sales .pdf"),
        ("MACK_S, INC", "MACK'S,INC.txt"),
        ("EX-10.4", "EX-10.4"),
    ],
)
def test_file_names_and_titles_may_differ_in_signs_and_spaces(tmp_path: Path, title: str, filename: str) -> None:
    csv = HEADER + f'"{filename}",[],Freya,[],,[],\n'
    (parsed,), findings = run(official(tmp_path, contract(title), csv=csv.encode()))
    assert findings == []
    assert parsed.document.metadata["answers"] == {"Parties": "Freya"}


def test_a_row_without_a_contract_is_a_warning(tmp_path: Path) -> None:
    csv = HEADER + "Unknown.pdf,[],Freya,[],,[],\n"
    (parsed,), findings = run(official(tmp_path, contract(), csv=csv.encode()))
    assert "answers" not in parsed.document.metadata
    assert [(finding.kind, finding.place) for finding in findings] == [
        ("unmatched_answers", "CUAD_v1.zip: CUAD_v1/master_clauses.csv, row 2")
    ]


def test_the_table_may_be_in_windows_1252(tmp_path: Path) -> None:
    csv = HEADER + "AMBER_2031__LEASE.pdf,[],Café “Bee”,[],,[],\n"
    (parsed,), _ = run(official(tmp_path, contract(), csv=csv.encode("cp1252")))
    assert parsed.document.metadata["answers"] == {"Parties": "Café “Bee”"}


def test_a_very_large_cell_is_no_obstacle(tmp_path: Path) -> None:
    csv = HEADER + f"AMBER_2031__LEASE.pdf,{'x' * 200_000},Freya,[],,[],\n"
    (parsed,), findings = run(official(tmp_path, contract(), csv=csv.encode()))
    assert findings == []
    assert parsed.document.metadata["answers"] == {"Parties": "Freya"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (squad(contract())[:200], r"line 1, column \d+ \(character \d+ of 200\)"),
        ("[]", "a list where"),
        ("[" * 200_000, "not usable JSON"),
        ('{"a": 1}\n{"a": 2}\n', "JSON Lines"),
        ('{"rows": []}', "'data' is missing"),
        ('{"data": {}}', r"\.data: is an object where a list is expected"),
        ('{"data": []}', "holds no contract"),
        ('{"data": [{"title": "x"}]}', r"data\[0\]: the key 'paragraphs' is missing"),
        ('{"data": [{"title": "x", "paragraphs": [{"qas": []}]}]}', r"data\[0\]\.paragraphs\[0\].*'context'"),
    ],
)
def test_another_schema_is_refused_with_file_and_place(tmp_path: Path, content: str, words: str) -> None:
    with pytest.raises(FormatError, match=words) as caught:
        run(bare(tmp_path, content))
    assert str(caught.value).startswith("CUADv1.json")


def test_a_zip_without_the_json_says_what_it_holds(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("test.json", squad(contract()))
    with pytest.raises(FormatError, match=r"x\.zip: holds neither CUAD_v1\.json.*test\.json"):
        run(tmp_path / "x.zip")
    with pytest.raises(FormatError, match="no archive"):
        run()


def test_a_parquet_file_of_another_schema_names_the_missing_column(tmp_path: Path) -> None:
    path = table(tmp_path, [{"contract_name": "a", "contract_text": "b", "category": "c", "start_ix": 1}])
    with pytest.raises(FormatError, match=r"cuad\.parquet: the column clause_text is missing"):
        run(path)
    path.write_bytes(b"<html>")
    with pytest.raises(ArchiveError, match=r"cuad\.parquet: this is not a Parquet file"):
        run(path)


def test_a_parquet_row_whose_text_is_no_text_is_an_error(tmp_path: Path) -> None:
    rows = [{**row("Parties", "Amber", 0), "contract_text": 7}]
    with pytest.raises(FormatError, match="holds no row with a contract_name and a contract_text"):
        run(table(tmp_path, rows))
