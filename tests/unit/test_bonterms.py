"""Numbered Markdown agreements. The agreements are invented."""

import zipfile
from pathlib import Path

import pytest

from bootstrap_assets.corpus.records import Finding, Granularity, ParsedDocument, Record, Severity
from bootstrap_assets.errors import ArchiveError, FormatError
from bootstrap_assets.sources.bonterms import source as bonterms
from bootstrap_assets.sources.bonterms.agreement_markdown import plain_text, to_blocks

AGREEMENT = """# Ferry Terms (Version 1.0)

These terms govern the ferry.

1. **Crossing**. The ferry (a) sails at dawn and (b) rests at noon.

2. **Passengers**.

   - (a) _Goats_. Goats stand at the bow.

   - (b) _Geese_. Geese pay half.

**3. Fares**.

**3.1.** Payment. A passenger pays that:

(a) is awake, and

(i) brings a [coin](https://ferry.example), or

(ii) sings.

(b) is tall.

**3.2**. Refunds & Storms. See Section 3.1.

This paragraph also belongs to 3.2.

**4.\tDefinitions**.

“**Bow**” means the front.

“**Goose**” or “**Gander**” has its usual meaning:

(a) a bird, or

(b) a guest.

4.9. “**Dawn**” is when the cock crows.

Ferry Terms (Version 1.0). <br />
© 2031. Free to use under [CC BY 4.0](https://creativecommons.org/licenses/by/4.0/).
"""


def repository(folder: Path, name: str = "Ferry-Terms", **files: str) -> Path:
    path = folder / f"{name}.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in (files or {"Ferry-Terms.md": AGREEMENT}).items():
            archive.writestr(f"{name}-main/{file}", text)
        archive.writestr(f"{name}-main/README.md", AGREEMENT)
    return path


def run(*paths: Path) -> tuple[list[ParsedDocument], list[Finding]]:
    documents: list[ParsedDocument] = []
    findings: list[Finding] = []
    for item in bonterms.parse(paths, {}):
        if isinstance(item, Finding):
            findings.append(item)
            continue
        documents.append(item)
        findings += item.findings
        for record in item.records:
            assert item.document.text[record.char_start : record.char_end] == record.content
    ids = [record.source_id for parsed in documents for record in parsed.records]
    assert len(ids) == len(set(ids))
    return documents, findings


def parsed(folder: Path, text: str = AGREEMENT) -> dict[str, Record]:
    (document,), findings = run(repository(folder, **{"Ferry-Terms.md": text}))
    assert findings == []
    return {record.section_path or "": record for record in document.records}


def test_paths_come_from_the_numbering(tmp_path: Path) -> None:
    records = parsed(tmp_path)
    assert [(path, record.granularity.value) for path, record in records.items()] == [
        ("", "template"),
        ("1", "section"),
        ("2", "section"),
        ("2(a)", "clause"),
        ("2(b)", "clause"),
        ("3", "section"),
        ("3.1", "clause"),
        ("3.1(a)", "clause"),
        ("3.1(a)(i)", "clause"),
        ("3.1(a)(ii)", "clause"),
        ("3.1(b)", "clause"),
        ("3.2", "clause"),
        ("4", "section"),
        ('4 "Bow"', "clause"),
        ('4 "Goose"', "clause"),
        ('4 "Goose"(a)', "clause"),
        ('4 "Goose"(b)', "clause"),
        ("4.9", "clause"),
    ]


def test_the_text_is_plain_and_a_section_holds_all_below_it(tmp_path: Path) -> None:
    records = parsed(tmp_path)
    assert (
        records["2"].content
        == "2. Passengers.\n\n(a) Goats. Goats stand at the bow.\n\n(b) Geese. Geese pay half."
    )
    assert records["3.1(a)"].content == "(a) is awake, and\n\n(i) brings a coin, or\n\n(ii) sings."
    assert records["3.2"].content.endswith("This paragraph also belongs to 3.2.")
    assert records[""].content.startswith("Ferry Terms (Version 1.0)\n\nThese terms govern the ferry.")


def test_the_footer_belongs_to_no_section(tmp_path: Path) -> None:
    records = parsed(tmp_path)
    assert records["4"].content.endswith("cock crows.")
    assert "Free to use under CC BY 4.0." in records[""].content


def test_headings_terms_and_version_are_in_the_metadata(tmp_path: Path) -> None:
    records = parsed(tmp_path)
    headings = {path: record.metadata.get("heading") for path, record in records.items()}
    assert (headings["1"], headings["2(a)"], headings["3"]) == ("Crossing", "Goats", "Fares")
    assert (headings["3.1"], headings["3.2"], headings["3.1(b)"]) == ("Payment", "Refunds & Storms", None)
    assert records['4 "Goose"'].metadata["term"] == "Goose"
    assert records["4.9"].metadata["term"] == "Dawn"
    assert {record.metadata["version"] for record in records.values()} == {"1.0"}
    assert {record.metadata["file"] for record in records.values()} == {"Ferry-Terms.md"}


def test_source_ids_come_from_repository_file_and_path(tmp_path: Path) -> None:
    (document,), _ = run(repository(tmp_path))
    assert document.document.source_id == "Ferry-Terms/Ferry-Terms.md"
    assert (document.document.title, document.document.licence) == ("Ferry Terms (Version 1.0)", "CC BY 4.0")
    assert document.document.url == "https://github.com/Bonterms/Ferry-Terms"
    assert document.records[0].source_id == "Ferry-Terms/Ferry-Terms.md#template"
    assert document.records[0].granularity is Granularity.TEMPLATE
    assert document.records[7].source_id == "Ferry-Terms/Ferry-Terms.md#3.1(a)"


def test_versions_side_by_side_are_templates_of_their_own(tmp_path: Path) -> None:
    newer = AGREEMENT.replace("at dawn", "at dusk")
    documents, findings = run(repository(tmp_path, **{"Ferry V1.0.md": AGREEMENT, "Ferry V1.1.md": newer}))
    assert findings == []
    assert [document.document.metadata["version"] for document in documents] == ["1.0", "1.1"]
    assert [document.document.source_id for document in documents] == [
        "Ferry-Terms/Ferry V1.0.md",
        "Ferry-Terms/Ferry V1.1.md",
    ]


def test_wrapped_lines_are_joined_and_an_enumeration_at_a_line_start_stays_inside(tmp_path: Path) -> None:
    text = (
        "# Ferry\n\n**1. Delay**. The ferry is late to the extent caused by\n(a) fog, (b) geese or\n(c)\nice.\n\n"
        "**2. Terms.**\n\n“Fog” means a cloud\nthat sits.\n“Ice” is defined by frost.\n"
    )
    records = parsed(tmp_path, text)
    assert list(records) == ["", "1", "2", '2 "Fog"', '2 "Ice"']
    assert records["1"].content.endswith("caused by (a) fog, (b) geese or (c) ice.")
    assert records['2 "Fog"'].content == "“Fog” means a cloud that sits."


def test_clauses_on_lines_without_a_blank_between_are_clauses(tmp_path: Path) -> None:
    text = "# F\n1. Fog. It waits:\n(a) at dawn;\n(b) at dusk; and\n(c) at noon.\n2. Ice. It melts.\n"
    assert list(parsed(tmp_path, text)) == ["", "1", "1(a)", "1(b)", "1(c)", "2"]


def test_letters_go_on_after_h_and_romans_nest(tmp_path: Path) -> None:
    letters = "\n\n".join(f"({letter}) goes on." for letter in "abcdefghij")
    nested = "\n\n".join(["(a) x:", "(i) y,", "(A) deep,", "(B) deeper,", "(ii) z.", "(b) w."])
    records = parsed(tmp_path, f"# F\n\n1. One.\n\n{letters}\n\n2. Two.\n\n{nested}\n")
    assert [path for path in records if path.startswith("1(")] == [f"1({letter})" for letter in "abcdefghij"]
    assert [path for path in records if path.startswith("2(")] == [
        "2(a)",
        "2(a)(i)",
        "2(a)(i)(A)",
        "2(a)(i)(B)",
        "2(a)(ii)",
        "2(b)",
    ]


def test_numbers_that_markdown_is_to_count_are_counted(tmp_path: Path) -> None:
    assert list(parsed(tmp_path, "# F\n\n1. Fog.\n\n1. Ice.\n\n1. Sun.\n")) == ["", "1", "2", "3"]


def test_numbers_that_start_again_under_a_heading_are_told_apart(tmp_path: Path) -> None:
    text = "# F\n\n1. Fog.\n\n2. Ice.\n\n## Annex\n\n1. Sun.\n\n1.1. Rays. They warm.\n\n2. Rain.\n"
    assert list(parsed(tmp_path, text)) == ["", "1", "2", "Annex / 1", "Annex / 1.1", "Annex / 2"]


def test_numbered_headings_are_sections(tmp_path: Path) -> None:
    records = parsed(tmp_path, "# F\n\n## 1. Fog\n\nIt waits.\n\n## 2. Ice\n\n### 2.1 Melting\n\nIt melts.\n")
    assert list(records) == ["", "1", "2", "2.1"]
    assert records["1"].content == "1. Fog\n\nIt waits."


def test_a_number_that_comes_twice_is_kept_and_reported(tmp_path: Path) -> None:
    text = "# F\n\n1. Fog.\n\n1.1. Mist. It hides.\n\n1.1. Haze. It dims.\n\n2. Ice.\n"
    (document,), findings = run(repository(tmp_path, **{"F.md": text}))
    assert [(finding.kind, finding.source_id) for finding in findings] == [
        ("repeated_number", "Ferry-Terms/F.md#1.1~2")
    ]
    assert len(document.records) == 5


@pytest.mark.parametrize(
    ("markdown", "plain"),
    [
        ("**bold**, _italic_, *both*, ***all***", "bold, italic, both, all"),
        ("[text](https://x.example/a) and <https://y.example>", "text and https://y.example"),
        ("2 \\* 3 \\_ 4 &amp; 5", "2 * 3 _ 4 & 5"),
        ("snake_case and ______ to fill in", "snake_case and ______ to fill in"),
        ("one<br />two<BR>\nthree", "one\ntwo\nthree"),
        ("“**NDA**”\tis `code`", "“NDA” is code"),
    ],
)
def test_markdown_marks_are_taken_off(markdown: str, plain: str) -> None:
    assert plain_text(markdown) == plain


def test_tables_rules_and_comments_leave_only_their_words() -> None:
    text, blocks = to_blocks("a\n\n---\n\n|  |  |\n| --- | :-: |\n| S 1 | Scope |\n<!-- x\n -->\n> quoted\n")
    assert text == "a\n\nS 1; Scope\n\nquoted"
    assert [text[block.start : block.end] for block in blocks] == ["a", "S 1; Scope", "quoted"]


def test_files_that_are_no_agreements_are_left_out_and_suspicious_ones_reported(tmp_path: Path) -> None:
    prose = "# Ferry Agreement\n\n" + "The ferry sails without numbers. " * 30
    files = {
        "Ferry.md": AGREEMENT,
        "LICENSE.md": AGREEMENT,
        "CONTRIBUTING.md": AGREEMENT,
        ".github/pull.md": AGREEMENT,
        "notes.md": "Some notes.",
        "Cover/0.md": "Ti=Cover Page\n\nsec={Intro.sec} agreement\n\nIntro.sec=The Agreement\n\n=[G/Z/Base]\n" * 9,
        "Unnumbered.md": prose,
        "Empty.md": " \n",
    }
    documents, findings = run(repository(tmp_path, **files))
    assert [document.document.metadata["file"] for document in documents] == ["Ferry.md"]
    assert [(finding.kind, finding.severity, finding.place.rpartition("/")[2]) for finding in findings] == [
        ("empty_text", Severity.ERROR, "Empty.md"),
        ("no_numbering", Severity.WARNING, "Unnumbered.md"),
    ]


def test_a_repository_without_an_agreement_is_a_warning_beside_others_and_an_error_alone(tmp_path: Path) -> None:
    empty = repository(tmp_path, "Pictures", **{"notes.md": "x"})
    documents, findings = run(repository(tmp_path), empty)
    assert len(documents) == 1
    assert [(finding.kind, finding.place) for finding in findings] == [("no_agreement", "Pictures.zip")]
    with pytest.raises(FormatError, match=r"Pictures\.zip: no numbered Markdown agreement"):
        run(empty)
    (tmp_path / "page.zip").write_text("<html></html>")
    with pytest.raises(ArchiveError, match="HTML page"):
        run(tmp_path / "page.zip")


def test_the_same_file_in_two_archives_is_taken_once(tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    documents, findings = run(repository(tmp_path), repository(tmp_path / "copy"))
    assert len(documents) == 1
    assert [finding.kind for finding in findings] == ["duplicate_document", "no_agreement"]


def test_nul_and_invalid_utf8_do_not_stop_it(tmp_path: Path) -> None:
    path = tmp_path / "X.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            "X-main/X.md", AGREEMENT.replace("sails", "s\x00ils").encode().replace(b"dawn", b"d\xe9wn", 1)
        )
    (document,), findings = run(path)
    assert "s\ufffdils at d\ufffdwn" in document.document.text
    assert [finding.kind for finding in findings] == ["invalid_utf8"]


def test_the_official_repositories_are_known() -> None:
    assert [remote.filename for remote in bonterms.SOURCE.remotes] == [
        "Mutual-NDA.zip",
        "Cloud-Terms.zip",
        "Professional-Services-Agreement.zip",
        "Data-Protection-Addendum.zip",
    ]
    assert bonterms.SOURCE.remotes[0].url == "https://github.com/Bonterms/Mutual-NDA/archive/refs/heads/main.zip"


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        ("**Fees.**The _Customer_ pays", "Fees.The Customer pays"),
        ("[the [Main] Terms](https://example.org/a_(b)) apply", "the [Main] Terms apply"),
        ("see [the terms][1] and [Party Name]", "see the terms and [Party Name]"),
        (r"\*\*not bold\*\* and \[no link\]\[x\]", "**not bold** and [no link][x]"),
        ("Version 1.0<br /> &copy; 2021 <b>Bees</b>", "Version 1.0\n© 2021 Bees"),
        ("signed by ______ in clause_two", "signed by ______ in clause_two"),
        ("![a seal](seal.png) `code` ~~old~~ <https://example.org>", "a seal code old https://example.org"),
    ],
)
def test_what_a_reader_sees_of_a_block_is_its_text(markdown: str, text: str) -> None:
    assert plain_text(markdown) == text
