"""The report: what the page says of a corpus, and that it needs nothing but itself."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from psycopg.types.json import Jsonb

from bootstrap_assets import cli, pipeline
from bootstrap_assets.database.connection import Database
from bootstrap_assets.documents import stages, tenants
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.errors import ConfigurationError
from bootstrap_assets.evaluation.baseline import corpus_version
from bootstrap_assets.report import changes, contents, duplicates, page
from bootstrap_assets.report import map as mapping
from bootstrap_assets.sources.fetch import locate
from tests import documents
from tests.integration.test_documents import put
from tests.integration.test_index import local_space
from tests.made_up_source import MADE_UP, contracts, write

LAW = "This agreement is governed by the laws of Norway, without regard to its rules on conflicts of laws."
EVIL = "<script>alert('law')</script> & <b>bold</b>"


@pytest.fixture
def local(corpus: Corpus) -> Corpus:
    return local_space(corpus)


def fill(corpus: Corpus, documents: dict[str, dict[str, str]], *, embed: bool = True) -> None:
    settings = corpus.settings.model_copy(update={"data": str(write(corpus.settings.root / "data", documents))})
    pipeline.load(corpus, MADE_UP, locate.fetch(settings, MADE_UP), allow_deletes=True)
    if embed:
        pipeline.embed(corpus, MADE_UP)
        pipeline.build_index(corpus)


def execute(corpus: Corpus, query: str) -> None:
    with corpus.database.connection() as connection:
        connection.execute(query)


def report(corpus: Corpus) -> str:
    with corpus.database.connection() as connection:
        return page.render(page.gather(connection, "a test"))


def words(of: str) -> str:
    """What a reader sees of a page, or of the part with that id."""

    class Text(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.seen: list[str] = []

        def handle_data(self, data: str) -> None:
            self.seen.append(data)

    reader = Text()
    reader.feed(of)
    return " ".join(" ".join(reader.seen).split())


def section(of: str, name: str) -> str:
    found = re.search(rf'<section id="{name}".*?</section>', of, re.DOTALL)
    assert found, name
    return words(found[0])


def test_a_corpus_without_a_record_says_what_to_do(local: Corpus, blank_database_url: str) -> None:
    assert "bootstrap run" in words(report(local))
    with Database(blank_database_url) as blank, blank.connection() as connection:
        assert "bootstrap run" in words(page.render(page.gather(connection, "a test")))


def test_the_page_counts_what_is_there(local: Corpus) -> None:
    fill(local, contracts(20))
    told = section(report(local), "corpus")
    assert "made_up 20 20 60 80" in told
    assert "Category 1 20" in told
    assert "CC0; nobody" in told


def test_the_page_needs_nothing_but_itself(local: Corpus) -> None:
    fill(local, contracts(20))
    written = report(local)
    assert not re.search(r"<script|<link|@import|url\((?!%23)|(src|href)=.?(https?:|//)", written)
    assert set(re.findall(r'src="([^,"]{,40})', written)) == {"data:image/svg+xml"}
    assert len(re.findall(r"<img [^>]*alt=\"[^\"]+\"", written)) == written.count("<img ")
    targets = set(re.findall(r'href="#(\w+)"', written))
    assert targets
    assert targets <= set(re.findall(r'id="(\w+)"', written))


def test_text_of_the_corpus_is_text_on_the_page(local: Corpus) -> None:
    texts = {f"{EVIL} {number}": {EVIL: f"{LAW} {EVIL} {'x' * number}"} for number in range(4)}
    fill(local, texts)
    execute(local, f"UPDATE reference_documents SET licence = $${EVIL}$$, attribution = $${EVIL}$$")
    execute(local, f"UPDATE bootstrap_progress SET message = $${EVIL}$$")
    finding = f"('made_up', $${EVIL}$$, $${EVIL}$$, $${EVIL}$$)"
    execute(local, f"INSERT INTO bootstrap_findings (source, kind, message, place) VALUES {finding}")
    row = {"category": EVIL, "queries": 3} | dict.fromkeys(documents.METRICS, 0.5)
    odd = {"failures": [EVIL], "cuad": documents.cuad(by_category=[row]), "invented": {"cuad": EVIL}}
    keep_quality(local, measured(local, **odd))
    written = report(local)
    assert "<script" not in written
    assert "<b>bold" not in written
    assert EVIL in section(written, "duplicates")
    assert EVIL in section(written, "coverage")


def test_records_without_a_vector_and_dead_letters_are_told_apart(local: Corpus) -> None:
    fill(local, contracts(20))
    clause = "SELECT content_hash FROM reference_records WHERE source_id = 'Contract {}__Category 1'"
    for number in (3, 4):
        execute(local, f"DELETE FROM {local.space.table} WHERE content_hash = ({clause.format(number)})")
    execute(
        local,
        f"""INSERT INTO bootstrap_failures (source, source_id, content_hash, stage, class, message, space_id)
            SELECT 'made_up', source_id, content_hash, 'embed', 'RefusedError', 'too odd', {local.space.id}
            FROM reference_records WHERE source_id = 'Contract 4__Category 1'""",
    )
    with local.database.connection() as connection:
        counted = contents.read(connection, local.space)
    assert counted.covered.loc["made_up"].to_dict() == {"records": 80, "embedded": 78, "dead": 1, "missing": 1}
    written = report(local)
    assert "1 of 80 records have no vector yet" in words(written)
    assert "bootstrap failures retry --source made_up --class RefusedError" in section(written, "failures")
    assert "too odd" in section(written, "failures")


def test_a_failure_that_somebody_chose_to_ignore_is_counted_and_not_told(local: Corpus) -> None:
    fill(local, contracts(5) | {"Bad": {"Broken": "BROKEN"}})
    assert "bootstrap run made_up --force-refresh" in section(report(local), "failures")
    execute(local, "UPDATE bootstrap_failures SET ignored_at = now()")
    written = report(local)
    assert "1 failure is ignored, see bootstrap failures list --all" in section(written, "failures")
    assert "No record waits to be retried. 1 failure is ignored." in words(written)
    assert "None." not in section(written, "failures")
    assert "BROKEN" not in section(written, "failures")
    execute(local, "UPDATE bootstrap_failures SET resolved_at = now()")
    assert "None. Every record was read, embedded and stored." in section(report(local), "failures")


def test_records_without_a_vector_are_told_where_nothing_failed(local: Corpus) -> None:
    fill(local, contracts(3), embed=False)
    told = section(report(local), "failures")
    assert "No dead letters. 12 records have no vector yet: bootstrap run goes on with them." in told
    assert "None." not in told


def test_an_official_label_that_no_record_carries_is_named(local: Corpus) -> None:
    fill(local, {"A": {"Insurance": "The van is insured.", "Parties": "The keeper and the bees."}})
    execute(local, "UPDATE reference_records SET source = 'cuad'")
    with local.database.connection() as connection:
        absent = contents.read(connection, local.space).absent_labels("cuad")
    assert len(absent) == 39
    assert "Insurance" not in absent
    assert "Governing Law" in section(report(local), "coverage")


def test_what_was_not_evaluated_says_how_to(local: Corpus) -> None:
    fill(local, contracts(5))
    assert section(report(local), "quality").count("Not evaluated yet: run bootstrap evaluate") == 3
    point = {"ef_search": 80, "recall@10": 0.9934, "recall@100": 0.97, "ms": 2, "ms_p95": 3}
    keep_quality(local, documents.document(ann=[point], failures=["R@5 fell"]))
    written = report(local)
    assert section(written, "quality").count("Not evaluated yet") == 2
    assert "80 99.3% 97.0% 2.00 in use" in section(written, "quality")
    assert "22 November 2026, 08:00 UTC" in section(written, "quality")
    assert "R@5 fell" in words(written)


def keep_quality(corpus: Corpus, document: dict[str, Any]) -> None:
    with corpus.database.connection() as connection:
        connection.execute("UPDATE embedding_spaces SET quality = %s", (Jsonb(document),))


def measured(corpus: Corpus, **more: Any) -> dict[str, Any]:
    """A document as an evaluation of this corpus keeps it."""
    with corpus.database.connection() as connection:
        return documents.document(corpus=corpus_version(connection), **more)


def test_the_recall_says_of_what_it_is(local: Corpus) -> None:
    fill(local, contracts(5))
    keep_quality(local, measured(local))
    written = report(local)
    told = (
        "For texts of the corpus, the index finds 99.2% of the nearest ten that an exhaustive search would find."
    )
    assert f'<li class="good">{told}</li>' in written
    assert "Asked with texts of the corpus itself" in section(written, "quality")


def glance(of: str) -> list[tuple[str, str]]:
    """What stands at the top, each with its mark."""
    return [(kind, words(told)) for kind, told in re.findall(r'<li class="(\w+)">(.*?)</li>', of)]


def test_the_page_begins_with_how_good_the_answers_are(local: Corpus) -> None:
    fill(local, contracts(5))
    unknown = "How well the search answers was not measured yet: run bootstrap evaluate ."
    assert glance(report(local))[0] == ("warn", unknown)
    keep_quality(local, measured(local))
    assert glance(report(local))[0][0] == "warn"  # the index was measured, the answers were not
    keep_quality(local, measured(local, cuad=documents.cuad(0.6)))
    written = report(local)
    told = "Of the passages that answer a question of a contract review, 60% are among the first five results"
    assert glance(written)[0] == ("warn", f"{told} (12 questions, CUAD v1).")
    assert "Found among the first five, CUAD v1 60.0%" in words(written)
    assert "Found among the first five, ContractNLI not measured" in words(written)
    keep_quality(local, measured(local, cuad=documents.cuad(0.95)))
    assert glance(report(local))[0][0] == "good"


def test_a_good_figure_of_the_sample_is_no_good_news(local: Corpus) -> None:
    fill(local, contracts(5))
    keep_quality(local, measured(local, cuad=documents.cuad(0.95), invented={"cuad": "sample, invented"}))
    kind, told = glance(report(local))[0]
    assert kind == "warn"
    assert "sample, invented, so this says nothing of real contracts" in told


def test_what_was_measured_on_an_earlier_corpus_is_marked_as_such(local: Corpus) -> None:
    outdated = "Measured on an earlier state of the corpus: bootstrap evaluate measures it again."
    fill(local, contracts(5))
    keep_quality(local, {})
    assert outdated not in words(report(local))
    keep_quality(local, measured(local))
    assert outdated not in words(report(local))
    fill(local, contracts(6))
    written = report(local)
    assert outdated in section(written, "quality")
    [line] = [line for line in re.findall(r"<li class=.*</li>", written) if "exhaustive" in line]
    assert line.startswith('<li class="warn">')
    assert outdated in words(line)


def test_what_feedback_does_is_not_put_down_to_meaning(local: Corpus) -> None:
    fill(local, contracts(5))
    lists = {"vector": 0.5, "text": 0.612, "text_widened": 0.688, "hybrid": 0.692}
    keep_quality(local, measured(local, cuad=documents.cuad(lists=lists)))
    written = report(local)
    told = section(written, "quality")
    assert re.search(r"words \(BM25\)( 0.612 0.612–0.612){4} words and related words 0.688", told)
    assert told.count("The difference between the two is what comparing meanings adds or costs.") == 1
    assert "by meaning (vectors), words (BM25), words and related words, all together (hybrid);" in written


def test_an_evaluation_that_another_version_kept_is_said_to_be_unreadable(local: Corpus) -> None:
    fill(local, contracts(5))
    keep_quality(local, measured(local, version=0))
    page = report(local)
    reason = "kept in a form that is not read here (it is of version 0, and version 2 is read)"
    assert reason in section(page, "quality")
    kind, line = glance(page)[0]
    assert kind == "warn"
    assert line.startswith("The last evaluation is kept in a form that is not read here")


def test_the_bar_of_a_part_stands_beside_the_score_that_it_draws(local: Corpus) -> None:
    fill(local, contracts(5))
    row = {"category": "Insurance", "queries": 3, "R@5": 0.25, "R@10": 0.5, "MRR": 0.5, "nDCG@10": 0.75}
    keep_quality(local, measured(local, cuad=documents.cuad(by_category=[row])))
    written = report(local)
    assert '<th class="n">R@5</th><th></th><th class="n">R@10</th>' in written
    drawn = re.search(r'0\.25</td><td class="b"><svg.*?width="(.*?)".*?</td><td class="n">0\.50</td>', written)
    assert drawn
    assert drawn[1] == "25.0"


def test_what_is_no_source_has_a_readable_name_in_the_ledger(corpus: Corpus) -> None:
    fill(corpus, contracts(5))
    for name, told in (("evaluate", "evaluation"), ("search", "searches")):
        execute(corpus, f"UPDATE embedding_usage SET source = '{name}'")
        assert f"voyage-4-large {told} " in section(report(corpus), "cost")


def test_the_ledger_and_the_last_runs_are_told(corpus: Corpus) -> None:
    fill(corpus, contracts(20))
    told = section(report(corpus), "cost")
    assert "voyage-4-large made_up" in told
    assert "$0.00" in told
    with corpus.database.connection() as connection:
        runs = contents.read(connection, corpus.space).runs
    assert runs["texts"].tolist() == [80]
    assert runs["sources"].tolist() == [["made_up"]]


def test_near_identical_clauses_of_several_documents_are_a_group(local: Corpus) -> None:
    other = LAW.replace("Norway", "Denmark")
    fill(
        local,
        {
            "A": {
                "Governing Law": LAW,
                "Cap": "Nobody owes more than the fees of one year to anybody, come what may.",
            },
            "B": {"Governing Law": LAW},
            "C": {"Venue": other},
        },
    )
    with local.database.connection() as connection:
        found = duplicates.find(connection)
    [group] = found.groups
    assert [variant.text for variant in group.variants] == [LAW, other]
    assert group.categories == ("Governing Law", "Venue")
    assert (group.documents, found.in_groups, found.labelled_differently) == (3, 2, 1)
    assert found.shared_documents == 1
    told = section(report(local), "duplicates")
    assert "Norway Denmark" in told
    assert "made_up · Governing Law, Venue · 3 documents, 2 wordings" in told


def test_one_text_under_two_labels_is_shared_and_no_group(local: Corpus) -> None:
    fill(local, {"A": {"Governing Law": LAW, "Venue": LAW}, "B": {"Cap": "x " * 20}})
    with local.database.connection() as connection:
        found = duplicates.find(connection)
    assert not found.groups
    assert (found.shared_labels, found.shared_documents) == (1, 0)


def test_of_a_text_in_very_many_places_some_are_read_and_the_page_says_so(
    local: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duplicates, "MOST_PLACES", 3)
    other = LAW.replace("Norway", "Denmark")
    fill(local, {f"{number}": {"Law": LAW} for number in range(9)} | {"B": {"Venue": other}})
    with local.database.connection() as connection:
        [group] = duplicates.find(connection).groups
    assert [len(variant.places) for variant in group.variants] == [3, 1]
    assert (group.documents, group.more) == (4, True)
    assert "made_up · Law, Venue · at least 4 documents, 2 wordings" in section(report(local), "duplicates")


def test_of_very_many_texts_some_are_compared_and_the_page_says_so(
    local: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(local, contracts(5))
    with local.database.connection() as connection:
        every, some = duplicates.find(connection), duplicates.find(connection, most=7)
    assert (every.texts, every.of, every.is_sample) == (15, 15, False)
    assert (some.texts, some.of, some.is_sample) == (7, 15, True)
    assert "A sample" not in section(report(local), "duplicates")
    monkeypatch.setattr(page.duplicates, "find", lambda connection: some)
    assert "A sample: 7 of 15 texts were compared" in section(report(local), "duplicates")


def test_a_clause_and_the_section_it_stands_in_count_once(local: Corpus) -> None:
    other = LAW.replace("Norway", "Denmark")
    fill(local, {"A": {"Governing Law": LAW, "Heading": "9. Law"}, "B": {"Venue": other}})
    execute(local, "UPDATE reference_records SET granularity = 'section' WHERE source_id = 'A#document'")
    with local.database.connection() as connection:
        [group] = duplicates.find(connection).groups
    assert [variant.text for variant in group.variants] == [other, LAW]


def test_what_a_new_version_changed_is_told_word_by_word(local: Corpus) -> None:
    documents = contracts(6)
    fill(local, documents)
    assert "Nothing" in section(report(local), "changes")
    documents["Contract 2"]["Category 1"] = "Clause 1 of contract 2 says what nobody must do."
    documents["New one"] = {"Cap": "A clause that was not there before."}
    del documents["Contract 5"]
    fill(local, documents)
    with local.database.connection() as connection:
        found = changes.read(connection)
    counts = found.counts["made_up"].loc["clause"]
    assert counts.to_dict() == {"changed": 1, "new": 1, "deleted": 3}
    [changed] = [change for change in found.some["made_up"] if change.change == "changed"]
    assert [piece.text for piece in changed.pieces if piece.kind != "same"] == ["party 14", "nobody"]
    assert re.search(r"<del>party 14</del>\s*<ins>nobody</ins>", report(local))


def test_a_changed_label_is_told_although_the_words_are_the_same(local: Corpus) -> None:
    fill(local, contracts(6))
    execute(
        local,
        """INSERT INTO reference_changes (source, source_id, change, granularity, category, before, after)
           VALUES ('made_up', 'x', 'changed', 'clause', 'Cap', 'the same', 'the same')""",
    )
    assert "The label or place changed" in section(report(local), "changes")


def test_the_map_has_every_text_of_a_small_corpus_once(local: Corpus) -> None:
    fill(local, contracts(20))
    with local.database.connection() as connection:
        drawn = mapping.draw(connection, local.space)
        again = mapping.draw(connection, local.space)
    assert drawn is not None
    assert again is not None
    assert (len(drawn.texts), drawn.of) == (60, 60)
    assert drawn.texts.equals(again.texts)
    assert set(drawn.texts["category"]) == {"Category 0", "Category 1", "Category 2"}


def test_each_label_has_its_share_of_the_map_and_no_more_is_read(local: Corpus) -> None:
    kinds = ["Large"] * 28 + ["Small"] * 8 + ["Rare"] * 4
    fill(local, {f"{number}": {kind: f"Clause {number} says so."} for number, kind in enumerate(kinds)})
    query = mapping.statement("report_mapped").format(vectors=local.space.vectors)
    with local.database.connection() as connection:
        drawn = mapping.draw(connection, local.space, sample=10)
        rows = connection.execute(query, {"sample": 10}).fetchall()
    assert drawn is not None
    assert drawn.texts["category"].value_counts().to_dict() == {"Large": 7, "Small": 2, "Rare": 1}
    assert (drawn.of, len(rows)) == (40, 10)
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)


def test_without_vectors_there_is_a_page_without_a_map(local: Corpus) -> None:
    fill(local, contracts(3), embed=False)
    written = report(local)
    assert "too few texts" in section(written, "map")
    assert "12 of 12 records have no vector yet" in words(written)


def test_the_report_changes_nothing(local: Corpus) -> None:
    fill(local, contracts(3))
    with local.database.connection() as connection:
        page.gather(connection, "a test")
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("DELETE FROM bootstrap_findings")


def test_the_command_writes_a_file_and_prints_one_line(
    local: Corpus, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fill(local, contracts(5))
    assert local.settings.database_url
    url = local.settings.database_url.get_secret_value()
    monkeypatch.setenv("BOOTSTRAP_DATABASE_URL", f"{url}&password=secret")
    monkeypatch.setenv("BOOTSTRAP_HOME", str(tmp_path))
    result = CliRunner().invoke(cli.bootstrap, ["report", "--out", str(tmp_path / "page.html")])
    assert result.exit_code == 0
    assert re.fullmatch(r"\S+page\.html: [\d,]+ kB in [\d.]+ s\n", result.stdout)
    written = (tmp_path / "page.html").read_text()
    assert written.startswith("<!doctype html>")
    assert "secret" not in written


@pytest.fixture
def commanded(local: Corpus, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Corpus:
    """A corpus that the command finds."""
    assert local.settings.database_url
    monkeypatch.setenv("BOOTSTRAP_DATABASE_URL", local.settings.database_url.get_secret_value())
    monkeypatch.setenv("BOOTSTRAP_HOME", str(tmp_path))
    return local


def test_a_place_where_no_file_can_be_is_told_before_the_work(
    commanded: Corpus, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(page, "gather", None)
    (tmp_path / "file").write_text("")
    for place, told in (("file/x.html", "file is not a folder"), ("nope/x.html", "there is no folder")):
        for command in (["report", "--out"], ["failures", "export"]):
            result = CliRunner().invoke(cli.bootstrap, [*command, str(tmp_path / place)])
            assert isinstance(result.exception, ConfigurationError)
            assert told in str(result.exception)
            assert not (tmp_path / "nope").exists()
    assert CliRunner().invoke(cli.bootstrap, ["report", "--out", str(tmp_path)]).exit_code == 2


def test_a_dash_stands_for_stdout_which_gets_the_page_and_nothing_else(
    commanded: Corpus, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli.bootstrap, ["report", "--out", "-"])
    assert result.exit_code == 0
    assert result.stdout.startswith("<!doctype html>")
    assert result.stdout.endswith("</html>")
    assert not (tmp_path / "-").exists()


SECRET = "Zanzibar Quillworks keeps the confidential recipe of its violet ink secret for seven years."


@pytest.fixture
def with_tenant(local: Corpus) -> Corpus:
    """A reference corpus, and a tenant with one document that is complete and one that failed."""
    fill(local, contracts(4))
    with local.database.connection() as connection:
        tenants.add(connection, "quillworks")
    like = "Clause 1 of contract 3 says what party 21 must do."
    put(local, "quillworks", "ink <b>deal</b>.md", f"# Ink\n\n{SECRET}\n\n## Duties\n\n{like}\n".encode())
    put(local, "quillworks", "broken-quill.pdf", b"%PDF-1.7 and nothing else")
    stages.process(local, "quillworks")
    return local


def test_without_a_tenant_nothing_of_any_is_on_the_page(with_tenant: Corpus) -> None:
    with with_tenant.database.connection() as connection:
        connection.execute(
            "INSERT INTO bootstrap_failures (source, source_id, stage, class, message) "
            "VALUES ('documents', 'quillworks/broken-quill.pdf#1', 'parse', 'X', 'Zanzibar Quillworks')"
        )
    page_of_all = report(with_tenant).lower()
    for trace in ("quillworks", "zanzibar", "violet ink", "broken-quill", "ink.md"):
        assert trace not in page_of_all


def test_a_tenant_s_section_counts_its_stages_tells_failures_and_what_passages_are_like(
    with_tenant: Corpus,
) -> None:
    with with_tenant.database.connection() as connection:
        whole = page.render(page.gather(connection, "a test", tenant="quillworks"))
        reason = connection.execute("SELECT reason FROM document_states WHERE stage = 'failed'").fetchone()
    part = section(whole, "tenant")
    assert "<b>deal" not in whole
    assert "complete 1" in words(part)
    assert "failed 1" in words(part)
    assert reason
    assert f"broken-quill.pdf {reason[0]}" in words(part)
    assert "bootstrap documents retry --tenant quillworks" in words(part)
    assert "Category 1" in words(part)


def test_a_tenant_that_nobody_made_has_no_page(local: Corpus) -> None:
    fill(local, contracts(2))
    with (
        local.database.connection() as connection,
        pytest.raises(ConfigurationError, match="there is no tenant 'nobody'"),
    ):
        page.gather(connection, "a test", tenant="nobody")
