"""The figures that the parsers must give on the real archives, where those are at hand."""

from collections import Counter
from pathlib import Path

import pytest

from bootstrap_assets.corpus.records import Finding, ParsedDocument
from bootstrap_assets.sources.bonterms import source as bonterms
from bootstrap_assets.sources.contract_nli import source as contract_nli
from bootstrap_assets.sources.cuad import source as cuad
from bootstrap_assets.sources.spec import Source, find_archives
from bootstrap_assets.texts.content import estimate_tokens

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the real archives are not beside the checkout")


def run(source: Source) -> tuple[list[ParsedDocument], list[Finding], Counter[str]]:
    """Parse a real archive; check offsets and ids; count records by granularity."""
    documents, findings, counts = [], [], Counter[str]()
    ids: set[str] = set()
    for item in source.parse(find_archives(DATA / source.name), source.options):
        if isinstance(item, Finding):
            findings.append(item)
            continue
        documents.append(item)
        findings += item.findings
        for record in item.records:
            assert item.document.text[record.char_start : record.char_end] == record.content
            assert record.source_id not in ids
            ids.add(record.source_id)
            counts[record.granularity.value] += 1
    assert len({document.document.source_id for document in documents}) == len(documents)
    return documents, findings, counts


def sections_fit(documents: list[ParsedDocument]) -> bool:
    return all(
        estimate_tokens(record.content) <= 512
        for document in documents
        for record in document.records
        if record.granularity == "section"
    )


def test_cuad_has_94_contracts_and_2436_clauses() -> None:
    documents, findings, counts = run(cuad.SOURCE)
    assert (counts["document"], counts["clause"]) == (94, 2436)
    assert findings == []
    assert all(document.document.metadata["answers"] for document in documents)
    assert sections_fit(documents)


def test_contract_nli_has_111_contracts_and_2183_spans() -> None:
    documents, findings, counts = run(contract_nli.SOURCE)
    assert (counts["document"], counts["span"]) == (111, 2183)
    assert [finding.kind for finding in findings] == ["blank_span", "missing_split"]
    assert all(len(document.document.metadata["labels"]) == 17 for document in documents)
    assert sections_fit(documents)


def test_bonterms_has_two_templates_of_12_and_23_sections() -> None:
    documents, findings, counts = run(bonterms.SOURCE)
    assert counts == {"template": 2, "section": 12 + 23, "clause": 111}
    assert findings == []
    assert {document.document.metadata["version"] for document in documents} == {"1.0"}
    paths = {record.section_path for document in documents for record in document.records}
    assert {"5(b)", "8.1(a)", "14.5(c)", "22.15", '23 "Affiliate"', '16.5 "General Cap"'} <= paths
