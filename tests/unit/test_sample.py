"""The bundled sample: its markup, the four official formats, what it covers, and that it is our own writing."""

import csv
import io
import json
import re
from ast import literal_eval
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from bootstrap_assets.corpus.records import Finding, Granularity, ParsedDocument, Severity
from bootstrap_assets.errors import FormatError
from bootstrap_assets.sample import authored, write_sample
from bootstrap_assets.sample.archive import TIMESTAMP
from bootstrap_assets.sample.cuad_format import CATEGORIES, DERIVED
from bootstrap_assets.sample.markup import Label, read_manuscript, strip_labels
from bootstrap_assets.sample.nli_format import HYPOTHESES, segment
from bootstrap_assets.sources.fetch.locate import Archive
from bootstrap_assets.sources.reading import parse
from bootstrap_assets.sources.registry import SOURCES
from bootstrap_assets.sources.spec import find_archives
from bootstrap_assets.texts.content import estimate_tokens

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
LABELS = {"Entailment", "Contradiction", "NotMentioned"}


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    write_sample(folder)
    return folder


@pytest.fixture(scope="module")
def squad(sample: Path) -> list[dict[str, Any]]:
    with ZipFile(sample / "cuad" / "CUAD_v1.zip") as archive:
        data: list[dict[str, Any]] = json.loads(archive.read("CUAD_v1/CUAD_v1.json"))["data"]
    return data


@pytest.fixture(scope="module")
def table(sample: Path) -> list[list[str]]:
    with ZipFile(sample / "cuad" / "CUAD_v1.zip") as archive:
        text = archive.read("CUAD_v1/master_clauses.csv").decode()
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.fixture(scope="module")
def nli(sample: Path) -> dict[str, dict[str, Any]]:
    with ZipFile(sample / "contract_nli" / "contract-nli.zip") as archive:
        return {
            split: json.loads(archive.read(f"contract-nli/{split}.json")) for split in ("train", "dev", "test")
        }


def parsed(folder: Path, source: str) -> list[ParsedDocument | Finding]:
    made = SOURCES[source]
    return list(made.parse(find_archives(folder / source), made.options))


def questions(squad: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for entry in squad:
        (paragraph,) = entry["paragraphs"]
        for question in paragraph["qas"]:
            yield paragraph["context"], question


class TestMarkup:
    def test_labels_nest_and_may_share_a_piece(self) -> None:
        text, labels = strip_labels("a [[X: b [[Y | Z: c]] d]] e", "here")
        assert text == "a b c d e"
        assert labels == [Label("X", 2, 7), Label("Y", 4, 5), Label("Z", 4, 5)]

    @pytest.mark.parametrize("marked", ["a [[X: b", "a ]] b", "a [[X: ]] b"])
    def test_a_malformed_label_is_an_error_that_names_the_place(self, marked: str) -> None:
        with pytest.raises(FormatError, match=r"deed\.txt"):
            strip_labels(marked, "deed.txt")

    def test_lines_of_a_paragraph_are_joined_and_empty_lines_part_paragraphs(self, tmp_path: Path) -> None:
        path = tmp_path / "deed.txt"
        path.write_text("---\ntitle: A: B\n---\none\ntwo\n\n \nthree\n", encoding="utf-8")
        manuscript = read_manuscript(path)
        assert manuscript.header == {"title": "A: B"}
        assert manuscript.paragraphs == ("one two", "three")

    @pytest.mark.parametrize("content", ["title: A\n", "---\ntitle: A\n", "---\ntitle\n---\nx\n"])
    def test_a_malformed_header_is_an_error_that_names_file_and_line(self, tmp_path: Path, content: str) -> None:
        path = tmp_path / "deed.txt"
        path.write_text(content, encoding="utf-8")
        with pytest.raises(FormatError, match=r"deed\.txt, line \d"):
            read_manuscript(path)

    def test_an_unknown_category_is_an_error(self, tmp_path: Path) -> None:
        text = "---\ntitle: A\nlayout: flat\n---\n[[Cap On Happiness: none]]\n"
        (tmp_path / "deed.txt").write_text(text, encoding="utf-8")
        with pytest.raises(FormatError, match="Cap On Happiness"):
            authored.contracts(tmp_path)

    def test_an_agreement_that_forgets_a_hypothesis_is_an_error(self, tmp_path: Path) -> None:
        silent = ", ".join(str(number) for number in HYPOTHESES if number not in (16, 20))
        text = f"---\nsplit: dev\nfile_name: a.pdf\nsilent: {silent}\n---\n[[+16: Give it back.]]\n"
        (tmp_path / "deed.txt").write_text(text, encoding="utf-8")
        with pytest.raises(FormatError, match=r"\[20\]"):
            authored.ndas(tmp_path)


class TestArchives:
    def test_they_lie_where_official_archives_are_looked_for(self, sample: Path) -> None:
        found = sorted(path.relative_to(sample).as_posix() for path in sample.rglob("*") if path.is_file())
        assert found == [
            "bonterms/Field-Data-Terms.zip",
            "bonterms/Seasonal-Services-Agreement.zip",
            "bonterms/Shared-Workshop-Terms.zip",
            "commonaccord/Cmacc-Org.zip",
            "contract_nli/contract-nli.zip",
            "cuad/CUAD_v1.zip",
        ]

    def test_their_bytes_are_the_same_each_time(self, sample: Path, tmp_path: Path) -> None:
        for path in write_sample(tmp_path):
            assert path.read_bytes() == (sample / path.relative_to(tmp_path)).read_bytes()

    def test_an_equal_file_is_not_written_again_and_a_damaged_one_is(self, tmp_path: Path) -> None:
        first, second, *_ = write_sample(tmp_path)
        good, untouched = first.read_bytes(), second.stat()
        first.write_bytes(good[:-7])
        write_sample(tmp_path)
        assert first.read_bytes() == good
        assert (second.stat().st_mtime_ns, second.stat().st_ino) == (untouched.st_mtime_ns, untouched.st_ino)

    def test_members_are_sorted_and_carry_a_fixed_time(self, sample: Path) -> None:
        for path in sample.rglob("*.zip"):
            with ZipFile(path) as archive:
                members = archive.infolist()
            assert [member.filename for member in members] == sorted(member.filename for member in members)
            assert {(member.date_time, member.compress_type, member.create_system) for member in members} == {
                (TIMESTAMP, 0, 3)
            }


class TestContracts:
    def test_each_answer_is_found_at_its_offset(self, squad: list[dict[str, Any]]) -> None:
        for context, question in questions(squad):
            assert question["is_impossible"] == (not question["answers"])
            for answer in question["answers"]:
                start = answer["answer_start"]
                assert answer["text"] == context[start : start + len(answer["text"])]
                assert answer["text"] == answer["text"].strip()

    def test_all_41_categories_are_asked_of_each(self, squad: list[dict[str, Any]]) -> None:
        assert len(squad) >= 8
        assert len(CATEGORIES) == 41
        for entry in squad:
            ids = [question["id"] for question in entry["paragraphs"][0]["qas"]]
            assert ids == [f"{entry['title']}__{category}" for category in CATEGORIES]

    def test_each_category_is_answered_in_two_or_more(self, squad: list[dict[str, Any]]) -> None:
        answered = Counter(
            question["id"].rsplit("__", 1)[1] for _, question in questions(squad) if question["answers"]
        )
        assert {category: answered[category] for category in CATEGORIES if answered[category] < 2} == {}

    def test_they_show_what_makes_the_format_hard(self, squad: list[dict[str, Any]]) -> None:
        labels, places = defaultdict(set), defaultdict(set)
        for context, question in questions(squad):
            for answer in question["answers"]:
                labels[answer["text"]].add(question["id"].rsplit("__", 1)[1])
                places[answer["text"]].add(context)
        assert any("__" in entry["title"] for entry in squad)
        assert any(len(question["answers"]) > 1 for _, question in questions(squad))
        assert sum(len(found) > 1 for found in labels.values()) >= 3
        assert sum(len(found) >= 5 for found in places.values()) >= 2
        assert any("\n" not in context for context, _ in questions(squad))

    def test_they_have_the_length_of_contracts(self, squad: list[dict[str, Any]]) -> None:
        texts = [entry["paragraphs"][0]["context"] for entry in squad]
        assert all(1200 <= len(text.split()) <= 3000 for text in texts)
        assert sum(estimate_tokens(text) > 5 * 512 for text in texts) >= 2

    def test_the_table_has_83_columns_and_says_the_same(
        self, squad: list[dict[str, Any]], table: list[list[str]]
    ) -> None:
        header, *rows = table
        assert {len(row) for row in table} == {83}
        assert header[0] == "Filename"
        assert header[1::2] == list(CATEGORIES)
        for entry, row in zip(squad, rows, strict=True):
            assert row[0] == f"{entry['title']}.pdf"
            for question, texts, answer in zip(entry["paragraphs"][0]["qas"], row[1::2], row[2::2], strict=True):
                assert literal_eval(texts) == list(dict.fromkeys(given["text"] for given in question["answers"]))
                if question["id"].rsplit("__", 1)[1] not in DERIVED:
                    assert answer == ("Yes" if question["answers"] else "No")

    def test_a_derived_answer_is_given_if_and_only_if_there_is_a_clause(self) -> None:
        for contract in authored.contracts():
            answered = {category for category in DERIVED if contract.table_answers.get(category)}
            assert answered == {category for category, _, _ in contract.answers} & set(DERIVED), contract.title

    def test_the_plain_texts_are_those_of_the_json(self, sample: Path, squad: list[dict[str, Any]]) -> None:
        with ZipFile(sample / "cuad" / "CUAD_v1.zip") as archive:
            for entry in squad:
                plain = archive.read(f"CUAD_v1/full_contract_txt/{entry['title']}.txt").decode()
                assert plain == entry["paragraphs"][0]["context"]


class TestConfidentialityAgreements:
    def test_spans_cover_the_text_in_order(self, nli: dict[str, dict[str, Any]]) -> None:
        for document in (document for split in nli.values() for document in split["documents"]):
            text, spans = document["text"], document["spans"]
            gaps = [text[end:start] for (_, end), (start, _) in pairwise(spans)]
            assert set(gaps) <= {"", "\n"}
            assert (spans[0][0], spans[-1][1]) == (0, len(text))
            assert all(text[start:end].strip() for start, end in spans)

    def test_all_17_hypotheses_are_labelled_in_each(self, nli: dict[str, dict[str, Any]]) -> None:
        keys = {f"nda-{number}" for number in (1, 2, 3, 4, 5, 7, 8, 10, 11, 12, 13, 15, 16, 17, 18, 19, 20)}
        documents = [document for split in nli.values() for document in split["documents"]]
        assert len(documents) >= 8
        assert all(split["documents"] for split in nli.values())
        assert all(split["labels"].keys() == keys for split in nli.values())
        for document in documents:
            (annotations,) = (entry["annotations"] for entry in document["annotation_sets"])
            assert annotations.keys() == keys
            for annotation in annotations.values():
                assert annotation["choice"] in LABELS
                assert (annotation["choice"] == "NotMentioned") == (not annotation["spans"])
                assert all(0 <= index < len(document["spans"]) for index in annotation["spans"])

    def test_each_hypothesis_is_shown_in_two_or_more_and_contradicted_in_one(self) -> None:
        seen: dict[int, Counter[str]] = {number: Counter() for number in HYPOTHESES}
        for document in (document for split in authored.ndas().values() for document in split):
            for number, (choice, _) in document.choices.items():
                seen[number][choice] += 1
        for number, choices in seen.items():
            assert choices["Entailment"] >= 2, number
            assert choices["Contradiction"] >= 1, number

    def test_a_label_points_at_the_sentences_it_touches(self) -> None:
        document = authored.ndas()["train"][0]
        choice, (index,) = document.choices[3]
        start, end = document.spans[index]
        assert choice == "Entailment"
        assert document.text[start:end].startswith("What was said across the bench")

    def test_numbers_stay_with_their_sentence_and_abbreviations_do_not_end_one(self) -> None:
        text = "1. The Kiln Co. (the Maker) bakes. It sells.\n(a) tiles; (b) pots"
        assert [text[start:end] for start, end in segment(text)] == [
            "1. The Kiln Co. (the Maker) bakes. ",
            "It sells.",
            "(a) tiles; ",
            "(b) pots",
        ]


class TestParsers:
    @pytest.mark.parametrize("source", ["cuad", "contract_nli", "bonterms", "commonaccord"])
    def test_each_source_reads_its_archives_without_an_error(self, sample: Path, source: str) -> None:
        items = parsed(sample, source)
        findings = [item for item in items if isinstance(item, Finding)]
        for item in items:
            if isinstance(item, ParsedDocument):
                findings += item.findings
        errors = [finding for finding in findings if finding.severity is Severity.ERROR]
        assert errors == []
        assert source == "commonaccord" or findings == []

    def test_every_answer_becomes_a_clause_record(self, sample: Path) -> None:
        documents = [item for item in parsed(sample, "cuad") if isinstance(item, ParsedDocument)]
        clauses = [r for item in documents for r in item.records if r.granularity is Granularity.CLAUSE]
        expected = Counter((category, text) for category, text in authored_answers())
        assert Counter((clause.category, clause.content) for clause in clauses) == expected

    def test_both_versions_of_an_agreement_are_templates_and_no_readme_is(self, sample: Path) -> None:
        titles = [
            item.document.source_id for item in parsed(sample, "bonterms") if isinstance(item, ParsedDocument)
        ]
        assert len(titles) == 4
        assert sum("Seasonal" in title for title in titles) == 2
        assert not any("README" in title for title in titles)

    def test_four_prose_objects_resolve_to_whole_agreements(self, sample: Path) -> None:
        documents = [item for item in parsed(sample, "commonaccord") if isinstance(item, ParsedDocument)]
        demos = {item.document.source_id: item for item in documents if "/Demo/" in item.document.source_id}
        assert len(demos) >= 4
        for item in demos.values():
            assert len(item.document.text.split()) >= 400
            assert "{" not in item.document.text
            assert "</" not in item.document.text

    def test_overrides_prefixes_and_vanishing_values_take_effect(self, sample: Path) -> None:
        texts = {
            item.document.source_id: item.document.text
            for item in parsed(sample, "commonaccord")
            if isinstance(item, ParsedDocument)
        }
        mutual, one_way = (
            next(text for name, text in texts.items() if demo in name)
            for demo in ("Larkmoor-Teasel", "Larkmoor-Pelican")
        )
        assert "within thirty days" in mutual
        assert "within ten days" in one_way
        assert "routine backups" in mutual
        assert "routine backups" not in one_way
        assert "represented by Ottoline Brack, its director" in mutual
        assert "Pilots’ copy, 2023" in one_way
        assert "Pilots’ copy" not in mutual

    def test_a_missing_include_and_a_cycle_are_only_told(self, sample: Path) -> None:
        documents = [item for item in parsed(sample, "commonaccord") if isinstance(item, ParsedDocument)]
        messages = [f.message for item in documents for f in item.findings if f.severity is Severity.WARNING]
        assert any("Map-of-the-Islands" in message for message in messages)
        assert any("G/Z/Echo/Answer.md" in message for message in messages)


def authored_answers() -> Iterator[tuple[str, str]]:
    for contract in authored.contracts():
        for category, start, end in contract.answers:
            yield category, contract.text[start:end]


RUN = 8
"""No run of this many words may stand both in the sample and in the real archives."""


def runs(text: str) -> Iterator[tuple[str, ...]]:
    words = re.findall(r"[a-z0-9]+", text.lower())
    return zip(*(words[start:] for start in range(RUN)), strict=False)


def own_texts() -> Iterator[str]:
    """All that the sample and the generator's templates say; of prose objects, what is prose in them."""
    folder = authored.MANUSCRIPTS
    for path in [*folder.glob("contracts/*"), *folder.glob("ndas/*"), *folder.glob("agreements/*/*")]:
        yield re.sub(r"\[\[[^:\[\]]+:", "", path.read_text(encoding="utf-8"))
    for path in (folder.parent / "templates").iterdir():
        yield path.read_text(encoding="utf-8")
    for _, content in authored.prose_objects():
        lines = [line.partition("=")[2] or line for line in content.decode().splitlines() if "=[" not in line]
        yield re.sub(r"<[^>]+>|\{[^}]+\}", " ", "\n".join(lines))
    yield from CATEGORIES.values()
    yield from (f"{short}. {wording}" for short, wording in HYPOTHESES.values())


def real_texts() -> Iterator[str]:
    for path in SHARED.rglob("*.zip"):
        with ZipFile(path) as archive:
            for member in archive.infolist():
                if member.filename.endswith(".json"):
                    yield from strings(json.loads(archive.read(member)))
                elif not member.is_dir() and not member.filename.endswith(".csv"):
                    yield archive.read(member).decode("utf-8", "replace")


def strings(value: Any) -> Iterator[str]:
    """The texts in a JSON value, each once: contracts' texts are not repeated by their answers."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key not in ("answers", "id"):
                yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real archives are not beside the checkout")
def test_nothing_is_taken_from_the_real_archives() -> None:
    own = {run for text in own_texts() for run in runs(text)}
    taken: set[tuple[str, ...]] = set()
    for text in set(real_texts()):
        taken.update(run for run in runs(text) if run in own)
    assert len(own) > 20_000
    assert taken == set()


def test_a_real_contract_with_the_id_of_an_invented_one_stays_real_and_the_invented_one_invented(
    sample: Path, tmp_path: Path
) -> None:
    ours = sample / "contract_nli" / "contract-nli.zip"
    theirs = tmp_path / "a.zip"  # read first, so the ids are its
    with ZipFile(ours) as archive, ZipFile(theirs, "w") as copy:
        train = json.loads(archive.read("contract-nli/train.json"))
        for contract in train["documents"]:
            contract["text"] = contract["text"].upper()
        copy.writestr("contract-nli/train.json", json.dumps(train))
    archives = [
        Archive(path, path.stat().st_size, "", invented) for path, invented in ((theirs, False), (ours, True))
    ]
    parsed = parse(SOURCES["contract_nli"], archives, {})
    documents = [entry.document for entry in parsed if isinstance(entry, ParsedDocument)]
    real = {contract["text"] for contract in train["documents"]}
    assert len(documents) >= 2 * len(real)
    for document in documents:
        is_real = document.text in real
        assert (document.licence == "CC BY 4.0") == is_real, document.source_id
        assert document.metadata.get("invented", False) != is_real
