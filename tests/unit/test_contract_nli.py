"""ContractNLI's files, and what is often taken for them. The agreements are invented."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from bootstrap_assets.corpus.records import Finding, Granularity, NliLabel, ParsedDocument, Record, Severity
from bootstrap_assets.errors import FormatError
from bootstrap_assets.sources.contract_nli import source as contract_nli

LABELS = {
    "nda-11": {"short_description": "No tasting", "hypothesis": "The taster shall not taste the secret syrup."},
    "nda-4": {"short_description": "Limited use", "hypothesis": "The syrup serves the festival only."},
    "nda-20": {"short_description": "Return", "hypothesis": "Samples go back after the festival."},
}
SENTENCES = (
    "SYRUP ACCORD",
    "The taster keeps the syrup secret.",
    "It serves the festival only.",
    "Nobody tastes it twice.",
)
TEXT = "\n".join(SENTENCES)
SPANS = [[TEXT.index(sentence), TEXT.index(sentence) + len(sentence)] for sentence in SENTENCES]


def choices(**given: Any) -> dict[str, Any]:
    made = {key: {"choice": "NotMentioned", "spans": []} for key in LABELS}
    for key, (choice, spans) in given.items():
        made[key.replace("_", "-")] = {"choice": choice, "spans": spans}
    return {"annotations": made}


def document(identity: Any = 7, sets: list[Any] | None = None, **changes: Any) -> dict[str, Any]:
    standard = [choices(nda_11=("Entailment", [3]), nda_4=("Contradiction", [1, 2]))]
    return {
        "id": identity,
        "file_name": "syrup.pdf",
        "text": TEXT,
        "spans": SPANS,
        "annotation_sets": standard if sets is None else sets,
        "document_type": "search-pdf",
        "url": "https://syrup.example/accord.pdf",
        **changes,
    }


def content(*documents: dict[str, Any]) -> str:
    return json.dumps({"documents": list(documents), "labels": LABELS})


def official(folder: Path, **splits: str) -> Path:
    path = folder / "contract-nli.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for split, text in splits.items():
            archive.writestr(f"contract-nli/{split}.json", text)
        archive.writestr("contract-nli/README.md", "about")
    return path


def bare(folder: Path, text: str, name: str = "dev.json") -> Path:
    (folder / name).write_text(text)
    return folder / name


def run(*paths: Path) -> tuple[list[ParsedDocument], list[Finding]]:
    """Documents and findings, without those on missing splits; offsets and ids are checked on the way."""
    documents: list[ParsedDocument] = []
    findings: list[Finding] = []
    for item in contract_nli.parse(paths, {}):
        if isinstance(item, Finding):
            findings.append(item)
            continue
        documents.append(item)
        findings += item.findings
        for record in item.records:
            assert item.document.text[record.char_start : record.char_end] == record.content
    ids = [record.source_id for parsed in documents for record in parsed.records]
    assert len(ids) == len(set(ids))
    return documents, [finding for finding in findings if finding.kind != "missing_split"]


def spans(parsed: ParsedDocument) -> list[Record]:
    return [record for record in parsed.records if record.granularity is Granularity.SPAN]


def test_each_evidence_span_is_a_record_with_its_label(tmp_path: Path) -> None:
    (parsed,), findings = run(official(tmp_path, dev=content(document())))
    assert findings == []
    first, second, third = spans(parsed)
    assert [record.source_id for record in (first, second, third)] == ["7#nda-11:3", "7#nda-4:1", "7#nda-4:2"]
    assert first.content == "Nobody tastes it twice."
    assert (first.hypothesis_id, first.category, first.nli_label) == (11, "No tasting", NliLabel.ENTAILMENT)
    assert first.hypothesis == "The taster shall not taste the secret syrup."
    assert third.nli_label is NliLabel.CONTRADICTION
    assert [record.source_id for record in parsed.records[:1]] == ["7#document"]
    assert parsed.records[1].granularity is Granularity.SECTION


def test_all_choices_and_the_split_are_in_the_metadata(tmp_path: Path) -> None:
    (parsed,), _ = run(official(tmp_path, dev=content(document())))
    assert parsed.document.metadata == {
        "file_name": "syrup.pdf",
        "document_type": "search-pdf",
        "split": "dev",
        "labels": {"nda-11": "Entailment", "nda-4": "Contradiction", "nda-20": "NotMentioned"},
        "spans": [(0, 12), (13, 47), (48, 76), (77, 100)],  # the pieces that annotators chose among
    }
    assert (parsed.document.title, parsed.document.url) == ("syrup.pdf", "https://syrup.example/accord.pdf")
    assert {record.metadata["split"] for record in parsed.records} == {"dev"}


def test_missing_splits_are_warnings(tmp_path: Path) -> None:
    path = official(tmp_path, train=content(document()))
    found = [item for item in contract_nli.parse([path], {}) if isinstance(item, Finding)]
    assert [(finding.kind, finding.message.split(":")[0]) for finding in found] == [
        ("missing_split", "there is no dev.json"),
        ("missing_split", "there is no test.json"),
    ]


def test_bare_files_are_splits_by_their_names(tmp_path: Path) -> None:
    paths = [
        bare(tmp_path, content(document(n)), f"{name}.json") for n, name in enumerate(("dev", "test", "train"))
    ]
    documents, findings = run(*paths)
    assert findings == []
    assert [parsed.document.metadata["split"] for parsed in documents] == ["dev", "test", "train"]


@pytest.mark.parametrize("changes", [{"sets": []}, {"annotation_sets": []}])
def test_a_document_without_annotations_is_kept(tmp_path: Path, changes: dict[str, Any]) -> None:
    raw = document(**changes)
    (parsed,), findings = run(bare(tmp_path, content(raw), "test.json"))
    del raw["annotation_sets"]
    (without,), _ = run(bare(tmp_path, content(raw), "test.json"))
    assert findings == []
    assert (parsed.document.metadata["labels"], spans(parsed)) == ({}, [])
    assert without == parsed


def test_every_annotation_set_is_kept(tmp_path: Path) -> None:
    sets = [choices(nda_11=("Entailment", [3])), choices(nda_11=("Contradiction", [3, 2]))]
    (parsed,), findings = run(bare(tmp_path, content(document(sets=sets))))
    assert findings == []
    assert [(record.source_id, record.nli_label) for record in spans(parsed)] == [
        ("7#nda-11:3", NliLabel.ENTAILMENT),
        ("7#nda-11:3@2", NliLabel.CONTRADICTION),
        ("7#nda-11:2@2", NliLabel.CONTRADICTION),
    ]
    assert parsed.document.metadata["labels"]["nda-11@2"] == "Contradiction"
    assert len(parsed.document.metadata["labels"]) == 6


def test_a_choice_without_spans_is_not_lost(tmp_path: Path) -> None:
    (parsed,), _ = run(bare(tmp_path, content(document(sets=[choices(nda_20=("Entailment", []))]))))
    assert spans(parsed) == []
    assert parsed.document.metadata["labels"]["nda-20"] == "Entailment"


@pytest.mark.parametrize(
    ("index", "offsets"),
    [
        (4, None),
        (-1, None),
        ("3", None),
        (True, None),
        (3, [5, 5]),
        (3, [9, 4000]),
        (3, [-2, 4]),
        (3, "x"),
        (3, [1]),
    ],
)
def test_a_span_that_is_not_in_the_text_is_an_error(tmp_path: Path, index: Any, offsets: Any) -> None:
    bad = SPANS if offsets is None else [*SPANS[:3], offsets]
    sets = [choices(nda_11=("Entailment", [index, 1]))]
    (parsed,), findings = run(bare(tmp_path, content(document(sets=sets, spans=bad))))
    assert [record.source_id for record in spans(parsed)] == ["7#nda-11:1"]
    assert [(finding.kind, finding.severity) for finding in findings] == [("span_out_of_range", Severity.ERROR)]
    assert findings[0].place.startswith("dev.json: documents[0].annotation_sets[0].annotations.nda-11")


def test_a_blank_span_is_kept_with_a_warning_as_the_official_dev_set_has_one(tmp_path: Path) -> None:
    raw = document(sets=[choices(nda_11=("Entailment", [0]))], spans=[[12, 13]])
    (parsed,), findings = run(bare(tmp_path, content(raw)))
    assert [record.content for record in spans(parsed)] == ["\n"]
    assert [(finding.kind, finding.severity) for finding in findings] == [("blank_span", Severity.WARNING)]


def test_a_span_given_twice_is_taken_once(tmp_path: Path) -> None:
    (parsed,), findings = run(bare(tmp_path, content(document(sets=[choices(nda_11=("Entailment", [3, 3]))]))))
    assert len(spans(parsed)) == 1
    assert [finding.kind for finding in findings] == ["duplicate_span"]


def test_an_unknown_choice_is_an_error_and_stays_in_the_metadata(tmp_path: Path) -> None:
    sets = [choices(nda_11=("Perhaps", [3]), nda_4=("Entailment", [2]))]
    (parsed,), findings = run(bare(tmp_path, content(document(sets=sets))))
    assert [record.source_id for record in spans(parsed)] == ["7#nda-4:2"]
    assert parsed.document.metadata["labels"]["nda-11"] == "Perhaps"
    assert [(finding.kind, finding.severity) for finding in findings] == [("unknown_choice", Severity.ERROR)]


def test_an_unknown_hypothesis_is_kept_with_a_warning(tmp_path: Path) -> None:
    (parsed,), findings = run(bare(tmp_path, content(document(sets=[choices(nda_99=("Entailment", [3]))]))))
    (record,) = spans(parsed)
    assert (record.hypothesis_id, record.hypothesis, record.category) == (99, None, None)
    assert [(finding.kind, finding.severity) for finding in findings] == [("unknown_hypothesis", Severity.WARNING)]


def test_one_id_in_two_splits_with_other_texts_is_two_documents(tmp_path: Path) -> None:
    other = document(text=TEXT + " Postscript.")
    documents, findings = run(official(tmp_path, train=content(document()), test=content(other)))
    first, second = (parsed.document.source_id for parsed in documents)
    assert first == "7"
    assert second.startswith("7~")
    assert len(second) == 10
    assert [finding.kind for finding in findings] == ["duplicate_id"]


def test_a_contract_in_two_files_is_taken_once_but_other_labels_are_not_lost(tmp_path: Path) -> None:
    relabelled = document(sets=[choices(nda_20=("Entailment", [1]))])
    paths = [
        official(tmp_path, dev=content(document())),
        bare(tmp_path, content(document()), "dev.json"),
        bare(tmp_path, content(relabelled), "test.json"),
    ]
    documents, findings = run(*paths)
    assert [finding.kind for finding in findings] == ["duplicate_document", "duplicate_id"]
    assert len(documents) == 2
    assert [record.hypothesis_id for record in spans(documents[1])] == [20]


def test_an_empty_or_broken_document_costs_only_itself(tmp_path: Path) -> None:
    broken = document(8)
    del broken["spans"]
    documents, findings = run(
        bare(tmp_path, content(document(9, text=" \n"), broken, document(None), document(), document(True)))
    )
    assert [parsed.document.source_id for parsed in documents] == ["7"]
    assert all(finding.severity is Severity.ERROR for finding in findings)
    assert [(finding.kind, finding.place) for finding in findings] == [
        ("empty_text", "dev.json: documents[0]"),
        ("malformed", "dev.json: documents[1]"),
        ("malformed", "dev.json: documents[2]"),
        ("malformed", "dev.json: documents[4]"),
    ]


def test_one_broken_annotation_costs_only_itself(tmp_path: Path) -> None:
    good = choices(nda_11=("Entailment", [3]))
    good["annotations"]["nda-4"] = {"spans": [1]}
    good["annotations"]["nda-20"] = {"choice": "Entailment", "spans": "1"}
    (parsed,), findings = run(bare(tmp_path, content(document(sets=[good, {"x": 1}]))))
    assert [record.source_id for record in spans(parsed)] == ["7#nda-11:3"]
    assert [finding.kind for finding in findings] == ["malformed"] * 3


def test_nul_and_lone_surrogates_are_replaced_everywhere(tmp_path: Path) -> None:
    raw = document(text=TEXT.replace("secret", "se\x00\ud800et"), file_name="a\x00.pdf", document_type="x\ud800")
    (parsed,), _ = run(bare(tmp_path, content(raw)))
    assert "se\ufffd\ufffdet" in parsed.document.text
    assert parsed.document.title == "a\ufffd.pdf"
    assert parsed.document.metadata["document_type"] == "x\ufffd"


REEXPORT = {"premise": TEXT, "hypothesis": "The syrup serves the festival only.", "label": "entailment"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("train.json", json.dumps([REEXPORT, REEXPORT])),
        ("train.json", json.dumps(REEXPORT)),
        ("train.json", "\n".join([json.dumps(REEXPORT)] * 2)),
        ("contract_nli.jsonl", json.dumps({"sentence1": "x"})),
        ("contract_nli.parquet", "PAR1"),
    ],
)
def test_a_re_export_from_a_hub_is_called_that(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(FormatError, match="not the official ContractNLI file") as caught:
        run(bare(tmp_path, text, name))
    assert str(caught.value).startswith(f"{name}: ")
    assert "https://stanfordnlp.github.io/contract-nli/resources/contract-nli.zip" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (content(document())[:90], r"dev\.json: not valid JSON at line 1, column \d+"),
        ('{"documents": []}', r"dev\.json: the key 'labels' is missing"),
        ('{"documents": {}, "labels": {}}', r"dev\.json\.documents: is an object where a list"),
        ('{"documents": [{"id": 1}], "labels": {}}', r"dev\.json: documents\[0\].*'text' is missing"),
    ],
)
def test_another_schema_is_refused_with_file_and_place(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(FormatError, match=words):
        run(bare(tmp_path, text))


def test_a_zip_without_splits_says_what_it_holds(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"contract-nli\.zip: holds none of train\.json.*README\.md"):
        run(official(tmp_path))
    with pytest.raises(FormatError, match="among the archives"):
        run()
