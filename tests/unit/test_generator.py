"""Made-up archives: exact counts, the same bytes for a seed, and parsers that read them without an error."""

import json
import re
from collections import Counter
from itertools import islice
from pathlib import Path
from zipfile import ZipFile

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from bootstrap_assets.corpus.records import Finding, Granularity, ParsedDocument, Severity
from bootstrap_assets.sample import synthetic
from bootstrap_assets.sample.cuad_format import CATEGORIES
from bootstrap_assets.sample.generate import clause_texts, generate, main
from bootstrap_assets.sample.grammar import Draw, Grammar
from bootstrap_assets.sample.nli_format import HYPOTHESES
from bootstrap_assets.sources.registry import SOURCES
from bootstrap_assets.sources.spec import find_archives

PINNED = [396, 523, 397, 414, 46, 750, 616, 917]
SMALL = {"cuad_contracts": 12, "clauses_per_contract": 20, "nli_contracts": 20, "agreements": 3, "prose_files": 20}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    generate(folder, seed=7, repeat_share=0.15, **SMALL)
    return folder


def parsed(folder: Path, source: str) -> list[ParsedDocument | Finding]:
    known = SOURCES[source]
    return list(known.parse(find_archives(folder / source), known.options))


class TestClauseTexts:
    @given(n=st.integers(0, 400), share=st.floats(0, 1), seed=st.integers())
    @settings(max_examples=60, deadline=None)
    def test_the_share_of_repeats_is_exact(self, n: int, share: float, seed: int) -> None:
        pairs = list(clause_texts(n, seed, share))
        assert len(pairs) == n
        assert n - len({text for text, _ in pairs}) == min(round(n * share), max(n - 1, 0))

    def test_of_24000_records_15_percent_repeat_a_text(self) -> None:
        pairs = list(clause_texts(24_000, 7, 0.15))
        assert (len(pairs), len({text for text, _ in pairs})) == (24_000, 20_400)
        assert {category for _, category in pairs} == set(CATEGORIES)

    def test_a_repeated_text_may_carry_another_category(self) -> None:
        categories: dict[str, set[str]] = {}
        for text, category in clause_texts(4000, 7, 0.3):
            categories.setdefault(text, set()).add(category)
        assert Counter(map(len, categories.values())).keys() == {1, 2}

    def test_they_come_one_by_one(self) -> None:
        endless = clause_texts(10**12, 7)
        assert len(list(islice(endless, 50))) == 50

    def test_the_seed_alone_decides(self) -> None:
        assert list(clause_texts(300, 7)) == list(clause_texts(300, 7))
        shared = {text for text, _ in clause_texts(300, 7)} & {text for text, _ in clause_texts(300, 8)}
        assert len(shared) < 5

    def test_no_slot_or_brace_is_left(self) -> None:
        for text, _ in clause_texts(4000, 3):
            assert not set("<>{}|") & set(text), text
            assert text == text.strip()
            assert "  " not in text
            assert text[0] == text[0].upper()

    def test_a_text_stays_distinct_when_a_category_runs_dry(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(synthetic.GRAMMAR, "text", lambda *_: "Always the same")
        pairs = list(clause_texts(200, 7, 0))
        assert len({text for text, _ in pairs}) == 200

    @pytest.mark.parametrize("share", [-0.1, 1.1])
    def test_a_share_outside_0_to_1_is_refused(self, share: float) -> None:
        with pytest.raises(ValueError, match="between 0 and 1"):
            list(clause_texts(10, 7, share))


class TestGrammar:
    def test_draws_are_the_same_on_every_platform(self) -> None:
        draw = Draw("pinned", 7)
        assert [draw.below(1000) for _ in range(8)] == PINNED

    def test_choices_nest_and_words_keep_their_value(self, tmp_path: Path) -> None:
        path = tmp_path / "words.txt"
        path.write_text(
            "== colour\nred|blue\n== line\n{a {b|b}|a b} <colour> <colour> <4..4> <me>\n", encoding="utf-8"
        )
        made = {Grammar(str(path)).text("line", Draw(seed), {"me": "you"}) for seed in range(40)}
        assert made == {"A b red red 4 you", "A b blue blue 4 you"}

    @pytest.mark.parametrize("line", ["{a|b", "a}b", "{a|{b}"])
    def test_a_brace_without_its_pair_is_refused(self, tmp_path: Path, line: str) -> None:
        path = tmp_path / "words.txt"
        path.write_text(f"== line\n{line}\n", encoding="utf-8")
        with pytest.raises(ValueError, match="a brace"):
            Grammar(str(path))

    def test_every_category_and_hypothesis_has_templates(self) -> None:
        wanted = set(CATEGORIES) | {f"{sign}{number}" for sign in "+-" for number in HYPOTHESES}
        assert wanted <= set(synthetic.GRAMMAR.sections)


class TestArchives:
    def test_the_seed_alone_decides_their_bytes(self, made: Path, tmp_path: Path) -> None:
        for path in generate(tmp_path, seed=7, repeat_share=0.15, **SMALL):
            assert path.read_bytes() == (made / path.relative_to(tmp_path)).read_bytes()

    @pytest.mark.parametrize("source", ["cuad", "contract_nli", "bonterms", "commonaccord"])
    def test_each_source_reads_them_without_an_error(self, made: Path, source: str) -> None:
        items = parsed(made, source)
        findings = [item for item in items if isinstance(item, Finding)]
        for item in items:
            if isinstance(item, ParsedDocument):
                findings += item.findings
        assert [finding for finding in findings if finding.severity is Severity.ERROR] == []

    def test_there_are_as_many_documents_and_clauses_as_asked_for(self, made: Path) -> None:
        contracts = [item for item in parsed(made, "cuad") if isinstance(item, ParsedDocument)]
        clauses = [r for item in contracts for r in item.records if r.granularity is Granularity.CLAUSE]
        assert len(contracts) == 12
        assert len(clauses) == 240
        assert len({clause.content for clause in clauses}) == 240 - 36
        ndas = [item for item in parsed(made, "contract_nli") if isinstance(item, ParsedDocument)]
        assert len(ndas) == 20
        assert len(list((made / "bonterms").iterdir())) == 3
        with ZipFile(made / "commonaccord" / "Cmacc-Org.zip") as archive:
            assert len(archive.namelist()) == 20

    def test_evidence_is_the_span_that_was_written_for_it(self, made: Path) -> None:
        with ZipFile(made / "contract_nli" / "contract-nli.zip") as archive:
            splits = [json.loads(archive.read(f"contract-nli/{split}.json")) for split in ("train", "dev", "test")]
        assert [len(split["documents"]) for split in splits] == [14, 2, 4]
        for document in (document for split in splits for document in split["documents"]):
            annotations = document["annotation_sets"][0]["annotations"]
            assert len(annotations) == 17
            for annotation in annotations.values():
                evidence = [slice(*document["spans"][index]) for index in annotation["spans"]]
                assert (annotation["choice"] == "NotMentioned") == (not evidence)
                # The sentence before the evidence opens the numbered paragraph.
                assert not any(re.match(r"\d+\. ", document["text"][span]) for span in evidence)

    def test_made_up_prose_objects_resolve_with_their_overrides(self, made: Path) -> None:
        documents = [item for item in parsed(made, "commonaccord") if isinstance(item, ParsedDocument)]
        demos = [item.document.text for item in documents if "/Demo/" in item.document.source_id]
        assert len(demos) == 20 - synthetic.PROSE_FIXED
        assert len(set(demos)) == len(demos)
        assert not any("{" in text for text in demos)

    def test_a_count_of_nothing_leaves_the_source_out(self, tmp_path: Path) -> None:
        (path,) = generate(tmp_path, seed=1, cuad_contracts=1, nli_contracts=0, agreements=0, prose_files=0)
        assert [entry.name for entry in tmp_path.iterdir()] == ["cuad"]
        assert path == tmp_path / "cuad" / "CUAD_v1.zip"

    def test_too_few_prose_files_for_a_library_are_refused_before_anything_is_written(
        self, tmp_path: Path
    ) -> None:
        with pytest.raises(ValueError, match="more than 11"):
            generate(tmp_path, seed=1, prose_files=5)
        assert list(tmp_path.iterdir()) == []


class TestCommandLine:
    def test_it_writes_what_the_function_writes(self, tmp_path: Path) -> None:
        options = "--seed 3 --contracts 2 --clauses 5 --ndas 3 --agreements 1 --prose-files 12".split()
        result = CliRunner().invoke(main, ["--out", str(tmp_path / "cli"), *options])
        assert result.exit_code == 0, result.output
        written = generate(
            tmp_path / "api",
            seed=3,
            cuad_contracts=2,
            clauses_per_contract=5,
            nli_contracts=3,
            agreements=1,
            prose_files=12,
        )
        for path in written:
            twin = tmp_path / "cli" / path.relative_to(tmp_path / "api")
            assert twin.read_bytes() == path.read_bytes()
            assert str(twin) in result.output

    def test_a_wrong_share_is_wrong_usage(self, tmp_path: Path) -> None:
        result = CliRunner().invoke(main, ["--out", str(tmp_path), "--repeat-share", "3"])
        assert result.exit_code == 2
        assert "between 0 and 1" in result.output
