"""What the corpus' own labels teach: scorers trained from records, stored, loaded, and what they say of a text."""

import io
import json
import os
import re
import shlex
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import bootstrap_assets as ba
from bootstrap_assets import pipeline
from bootstrap_assets.cli import bootstrap
from bootstrap_assets.cli import labels as commands
from bootstrap_assets.database.connection import Database
from bootstrap_assets.embedding import context
from bootstrap_assets.errors import ConfigurationError, SchemaError
from bootstrap_assets.evaluation import answers, known
from bootstrap_assets.evaluation.scorers import judge
from bootstrap_assets.labels import classification, lessons, store, training
from bootstrap_assets.labels.classification import classify, classify_text, teachers
from bootstrap_assets.labels.pieces import pieces_of
from bootstrap_assets.labels.reading import Reading
from bootstrap_assets.labels.scorers import Scorers
from bootstrap_assets.settings import Settings, load_settings
from bootstrap_assets.sources import registry
from bootstrap_assets.sources.fetch import locate
from bootstrap_assets.sources.registry import SOURCES
from bootstrap_assets.sources.spec import Label, Teaching
from bootstrap_assets.stopping import Stop
from bootstrap_assets.texts.passages import cut
from tests.integration import labelled_contracts

LAW = "The laws of Norway govern the interpretation of every word in article 7."
VANS = "The carrier maintains insurance of 9 million crowns for its vans."
HONEY = "Honey is never sold on, not even 40 jars."
GUIDE = Path(__file__).parents[2] / "docs" / "labels.md"
FILLER = "The amber of the receiver shall not be any barge of the giver after this agreement with the other party."
CONTRACT = "\n".join([FILLER, FILLER, LAW, FILLER, HONEY, FILLER])


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return labelled_contracts.write(tmp_path_factory.mktemp("labels"))


@pytest.fixture
def settings(database_url: str, archives: Path, tmp_path: Path) -> Settings:
    return load_settings(home=tmp_path, database_url=database_url, data=str(archives))


@pytest.fixture
def load(settings: Settings) -> Callable[..., None]:
    """Loads the records of sources from a folder; their vectors are nothing to the labels."""

    def load_from(folder: Path | None = None) -> None:
        own = load_settings(
            home=settings.home, database_url=settings.database_url, data=str(folder or settings.data)
        )
        with context.open_corpus(own) as corpus:
            for name in ("contract_nli", "cuad"):
                source = SOURCES[name]
                pipeline.load(corpus, source, locate.fetch(own, source), allow_deletes=True)

    return load_from


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with Database(database_url, size=2) as database:
        yield database


def test_the_labels_of_the_corpus_are_read_in_a_text_that_it_does_not_hold(
    load: Callable[..., None], database: Database
) -> None:
    load()
    results = training.train_all(database, SOURCES.values())
    assert {result.source: result.trained for result in results} == {
        "cuad": ("Governing Law", "Insurance"),
        "contract_nli": ("1", "2"),
    }
    document = classify_text(database, CONTRACT)
    assert set(document) == {"document", "passages", "categories", "hypotheses"}
    [law] = [row for row in document["categories"] if row["category"] == "Governing Law"]
    [vans] = [row for row in document["categories"] if row["category"] == "Insurance"]
    assert (law["found"], vans["found"]) == (True, False)
    assert vans["recall"] > 0.9
    passage = document["passages"][law["passages"][0]]
    assert CONTRACT[passage["char_start"] : passage["char_end"]] == LAW
    assert passage["page"] is None
    assert passage["labels"][0] == {
        "source": "cuad",
        "category": "Governing Law",
        "hypothesis_id": None,
        "nli_label": None,
        "probability": law["probability"],
    }
    by_number = {row["hypothesis_id"]: row for row in document["hypotheses"]}
    assert by_number[1]["nli_label"] == "Entailment"
    assert (by_number[2]["nli_label"], by_number[2]["passages"]) == ("NotMentioned", [])


def test_a_label_without_examples_has_no_probability_and_says_so(
    load: Callable[..., None], database: Database
) -> None:
    load()
    [cuad, _] = training.train_all(database, SOURCES.values())
    assert "Parties" in cuad.too_few
    document = classify_text(database, CONTRACT)
    [row] = [row for row in document["categories"] if row["category"] == "Parties"]
    assert row == {"category": "Parties", "found": False, "probability": None, "passages": [], "recall": 0.0}


def test_only_what_changed_is_trained_again_and_the_same_labels_give_the_same_scorers(
    load: Callable[..., None], database: Database
) -> None:
    load()
    training.train_all(database, SOURCES.values())
    rows = "SELECT source, label, arrays FROM label_scorers ORDER BY 1, 2"
    before = database.transact(lambda connection: connection.execute(rows).fetchall())
    assert [result.trained for result in training.train_all(database, SOURCES.values())] == [(), ()]
    drop = """DELETE FROM reference_records WHERE source_id = (
        SELECT min(source_id) FROM reference_records WHERE category = 'Insurance')"""
    database.transact(lambda connection: connection.execute(drop))
    [cuad, nli] = training.train_all(database, SOURCES.values())
    assert (cuad.trained, cuad.unchanged, nli.trained) == (("Insurance",), ("Governing Law",), ())
    training.train_all(database, SOURCES.values(), force=True)
    after = database.transact(lambda connection: connection.execute(rows).fetchall())
    assert [row for row in after if row[1] != "Insurance"] == [row for row in before if row[1] != "Insurance"]


def train_of_fewer(database: Database) -> None:
    """Another training, of a corpus that has lost a contract, and so words, since."""
    remove = """DELETE FROM reference_documents WHERE source_id = (
        SELECT min(source_id) FROM reference_documents WHERE source = 'cuad')"""
    database.transact(lambda connection: connection.execute(remove))
    training.train_all(database, SOURCES.values())


def test_scorers_are_read_as_of_one_moment_though_a_training_is_stored_meanwhile(
    load: Callable[..., None], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    load()
    training.train_all(database, SOURCES.values())
    statement, names = store.statement, iter(["read_scorers"])

    def interrupted(name: str) -> object:
        if name == "read_scorers" and next(names, None):
            train_of_fewer(database)
        return statement(name)

    monkeypatch.setattr(store, "statement", interrupted)
    with database.connection() as connection:
        pair = store.read(connection, "cuad")
    assert pair
    sizes = {len(scorer.around) for scorer in pair[0].scorers}
    assert sizes == {len(pair[0].features.terms) + 1}


def test_a_training_that_another_overtook_looks_again(
    load: Callable[..., None], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    load()
    train, others = training.train, iter([train_of_fewer])

    def overtaken(*arguments: Any, **options: Any) -> Scorers:
        scorers = train(*arguments, **options)
        for other in others:
            other(database)
        return scorers

    monkeypatch.setattr(training, "train", overtaken)
    training.train_all(database, SOURCES.values())
    with database.connection() as connection:
        assert not any(teacher.is_outdated for teacher in teachers(connection))


def test_a_label_that_was_renamed_loses_its_scorer_and_is_named(
    load: Callable[..., None], database: Database
) -> None:
    load()
    training.train_all(database, SOURCES.values())
    rename = "UPDATE reference_records SET category = 'Choice Of Law' WHERE category = 'Governing Law'"
    database.transact(lambda connection: connection.execute(rename))
    document = classify_text(database, CONTRACT)
    assert any("has changed since its scorers were trained" in note for note in document["document"]["notes"])
    assert [row["category"] for row in document["categories"] if row["found"]] == ["Governing Law"]
    [cuad, _] = training.train_all(database, SOURCES.values())
    assert (cuad.trained, cuad.vanished) == (("Choice Of Law",), ("Governing Law",))
    document = classify_text(database, CONTRACT)
    assert document["document"]["notes"] == []
    assert [row["category"] for row in document["categories"] if row["found"]] == ["Choice Of Law"]


def test_a_hypothesis_that_was_worded_anew_is_listed_as_it_is_now(
    load: Callable[..., None], database: Database
) -> None:
    load()
    training.train_all(database, SOURCES.values())
    reword = "UPDATE reference_records SET hypothesis = 'Honey is not for sale.' WHERE hypothesis_id = 1"
    database.transact(lambda connection: connection.execute(reword))
    [_, nli] = training.train_all(database, SOURCES.values())
    wordings = {entry.label: entry.wording for entry in database.transact(store.listing)}
    assert wordings["1"] == "Honey is not for sale."
    assert nli.trained == ("1",)


def test_what_invented_contracts_taught_is_said_to_be_a_show(
    load: Callable[..., None], database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    load()
    mark = "UPDATE reference_documents SET metadata = metadata || '{\"invented\": true}' WHERE source = 'cuad'"
    database.transact(lambda connection: connection.execute(mark))
    training.train_all(database, SOURCES.values())
    [note] = classify_text(database, CONTRACT)["document"]["notes"]
    assert note.startswith("The scorers of CUAD v1 learnt from what is sample, invented")
    assert settings.database_url
    monkeypatch.setenv("BOOTSTRAP_DATABASE_URL", settings.database_url.get_secret_value())
    assert "cuad learnt from what is sample, invented" in CliRunner().invoke(bootstrap, ["labels", "list"]).stdout
    real = "UPDATE reference_documents SET metadata = metadata - 'invented'"
    database.transact(lambda connection: connection.execute(real))
    assert classify_text(database, CONTRACT)["document"]["notes"] == [note]
    training.train_all(database, SOURCES.values())
    assert classify_text(database, CONTRACT)["document"]["notes"] == []


def test_another_language_is_said_and_nothing_is_found_in_it(
    load: Callable[..., None], database: Database
) -> None:
    load()
    training.train_all(database, SOURCES.values())
    german = f"{'Die Parteien vereinbaren, dass dieser Vertrag norwegischem Recht unterliegt. ' * 5}\n{LAW}"
    document = classify_text(database, german)
    assert document["document"]["confidence"] == "low"
    assert "not in English" in " ".join(document["document"]["notes"])
    assert not any(row["found"] for row in document["categories"])
    said = [row for row in document["hypotheses"] if row["probability"] is not None]
    assert {row["nli_label"] for row in said} == {"NotMentioned"}
    assert max(row["probability"] for row in said) < 0.5


@pytest.mark.parametrize("text", ["", " \n ", "1. " * 200])
def test_a_text_without_words_has_no_passages(text: str, load: Callable[..., None], database: Database) -> None:
    load()
    training.train_all(database, SOURCES.values())
    document = classify_text(database, text)
    assert document["passages"] == []
    assert document["document"]["confidence"] == "low"
    said = [row for row in document["hypotheses"] if row["probability"] is not None]
    assert {(row["nli_label"], row["probability"]) for row in said} == {("NotMentioned", 0.0)}


def test_a_long_text_is_read_in_blocks(
    load: Callable[..., None], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    load()
    training.train_all(database, SOURCES.values())
    monkeypatch.setattr(classification, "AT_ONCE", 5)
    cuts: list[str] = []
    monkeypatch.setattr(classification, "cut", lambda text: [cuts.append(text), *cut(text)][1:])
    text = "\n".join([FILLER] * 23 + [LAW] + [FILLER] * 9)
    document = classify(database, Reading(text))
    [passage] = [it for it in document["passages"] if it["labels"][0]["category"] == "Governing Law"]
    assert text[passage["char_start"] : passage["char_end"]] == LAW
    assert cuts == [text]


def test_without_scorers_it_is_said_how_they_come(database: Database) -> None:
    with pytest.raises(ConfigurationError, match="bootstrap labels train"):
        database.transact(teachers)


def test_what_another_put_into_the_database_is_never_unpickled() -> None:
    buffer = io.BytesIO()
    np.savez(buffer, coefficients=np.array([object()], dtype=object), allow_pickle=True)
    with pytest.raises(SchemaError, match="cannot be read"):
        store.unpack(buffer.getvalue())


@pytest.mark.parametrize(
    "spoil", [lambda it: b"", lambda it: it[:-40], lambda it: it.replace(b"\x00", b"\x01", 9)]
)
def test_arrays_that_were_damaged_are_said_to_be(spoil: Callable[[bytes], bytes]) -> None:
    content = store.pack({"coefficients": np.arange(99.0)})
    with pytest.raises(SchemaError, match="labels train --force"):
        store.unpack(spoil(content))


def test_what_was_damaged_is_trained_anew_by_force(load: Callable[..., None], database: Database) -> None:
    load()
    training.train_all(database, SOURCES.values())
    with database.connection() as connection:
        for table in ("label_features", "label_scorers"):
            connection.execute(f"UPDATE {table} SET arrays = substr(arrays, 1, 2000)".encode())
    with pytest.raises(SchemaError, match="labels train --force"):
        classify_text(database, CONTRACT)
    training.train_all(database, SOURCES.values(), force=True)
    assert classify_text(database, CONTRACT)["passages"]


def test_a_piece_that_is_labelled_as_both_classes_has_none(load: Callable[..., None], database: Database) -> None:
    load()
    again = """INSERT INTO reference_records (id, document_id, content_hash, source, source_id, granularity,
            category, hypothesis_id, hypothesis, nli_label, char_start, char_end)
        SELECT gen_random_uuid(), document_id, content_hash, source, source_id || '@2', granularity,
            category, hypothesis_id, hypothesis, 'Contradiction', char_start, char_end
        FROM reference_records WHERE hypothesis_id = 1 ORDER BY source_id LIMIT 1"""
    database.transact(lambda connection: connection.execute(again))
    lesson = database.transact(lambda connection: lessons.read(connection, SOURCES["contract_nli"]))
    assert lesson
    examples = lesson.examples["1"]
    assert (examples.contradictions, len(examples.pieces), len(examples.classes)) == (1, 12, 11)


def test_a_fifth_source_that_says_what_it_teaches_gets_scorers(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bootstrap_assets.corpus.records import Granularity
    from tests import made_up_source

    source = replace(made_up_source.MADE_UP, teaching=Teaching(Label.CATEGORY, Granularity.CLAUSE))
    monkeypatch.setitem(registry.SOURCES, "made_up", source)
    contracts = {
        f"contract {number}": {
            "Bees": f"The keeper tends {number + 2} hives of bees at all times.",
            "Rest": FILLER,
        }
        for number in range(12)
    }
    made_up_source.write(tmp_path, contracts)
    own = load_settings(home=tmp_path, database_url=database_url, data=str(tmp_path))
    with context.open_corpus(own) as corpus:
        pipeline.load(corpus, source, locate.fetch(own, source))
        [result] = training.train_all(corpus.database, [source])
        document = classify_text(corpus.database, f"{FILLER}\nThe keeper tends 99 hives of bees at all times.")
    assert result.trained == ("Bees", "Rest")
    assert {row["category"] for row in document["categories"] if row["found"]} == {"Bees", "Rest"}


def test_a_number_that_two_sources_word_apart_is_shown_as_a_number(
    load: Callable[..., None], database: Database
) -> None:
    load()
    training.train_all(database, SOURCES.values())
    [first, second, *_] = database.transact(store.listing)
    other = replace(first, source="made_up", wording="Bees are kept.")
    assert commands.wordings_of([first, second, other]) == {second.label: second.wording}


def test_a_tenants_documents_teach_nothing(load: Callable[..., None], database: Database) -> None:
    load()
    whose = "UPDATE {} SET tenant_id = 'acme' WHERE source = 'cuad'"
    for table in ("reference_documents", "reference_records"):
        database.transact(lambda connection, table=table: connection.execute(whose.format(table)))  # type: ignore[misc]
    assert [result.source for result in training.train_all(database, SOURCES.values())] == ["contract_nli"]


@pytest.fixture
def run(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Commands, on this corpus."""
    assert settings.database_url
    monkeypatch.setenv("BOOTSTRAP_DATABASE_URL", settings.database_url.get_secret_value())
    monkeypatch.setenv("BOOTSTRAP_HOME", str(tmp_path))
    return CliRunner().invoke


def test_the_commands_train_list_and_classify_a_file_and_standard_input(
    load: Callable[..., None], settings: Settings, tmp_path: Path, run: Callable[..., Result]
) -> None:
    load()
    trained = run(bootstrap, ["labels", "train"])
    assert "cuad: 2 trained" in trained.stdout, trained.output
    scorers = json.loads(run(bootstrap, ["labels", "list", "--json"]).stdout)["scorers"]
    assert [(it["source"], it["label"]) for it in scorers] == [
        *(("contract_nli", label) for label in "12"),
        *(("cuad", label) for label in ("Governing Law", "Insurance")),
    ]
    listed = run(bootstrap, ["labels", "list"]).stdout
    assert "Governing Law" in listed
    assert "2. The receiver shall give" in listed
    file = tmp_path / "contract.txt"
    file.write_text(CONTRACT)
    answer = json.loads(run(bootstrap, ["classify", str(file), "--json"]).stdout)
    assert answer["document"]["name"] == "contract.txt"
    assert [row["category"] for row in answer["categories"] if row["found"]] == ["Governing Law"]
    shown = run(bootstrap, ["classify", "-"], input=CONTRACT).stdout
    assert "Governing Law" in shown
    assert LAW in shown
    assert "Not found" in shown
    assert "Not found" not in run(bootstrap, ["classify", "-"], input="").stdout
    with ba.open(settings) as corpus:
        assert corpus.classify(CONTRACT)["hypotheses"][0]["nli_label"] == "Entailment"


SPOIL = """UPDATE label_scorers SET quality = jsonb_set(quality, '{scores}',
    (SELECT jsonb_object_agg(key, value::float / 2) FROM jsonb_each(quality -> 'scores')))
    WHERE source = 'cuad'"""


def test_a_pipe_and_a_file_whose_name_is_no_text_are_read_and_a_folder_is_named(
    load: Callable[..., None], tmp_path: Path, run: Callable[..., Result]
) -> None:
    load()
    run(bootstrap, ["labels", "train"])
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.txt"))
    odd.write_text(CONTRACT)
    answer = run(bootstrap, ["classify", str(odd), "--json"])
    assert json.loads(answer.stdout)["document"]["name"] == "caf\ufffd.txt", answer.exception
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(pipe.write_text, CONTRACT)
        assert LAW in run(bootstrap, ["classify", str(pipe)]).stdout
    assert "is a folder" in str(run(bootstrap, ["classify", str(tmp_path)]).exception)


def test_scorers_that_order_worse_than_the_baseline_are_told_from_noise(
    load: Callable[..., None], database: Database
) -> None:
    load()
    training.train_all(database, SOURCES.values())
    assert database.transact(judge).measured_at is None
    assert database.transact(judge).falls == ()
    database.transact(lambda connection: connection.execute(SPOIL))
    [fall] = database.transact(judge).falls
    assert (fall.task, fall.metric) == ("cuad", "mAP")
    database.transact(lambda connection: judge(connection, accept=True))
    assert database.transact(judge).falls == ()


def test_scorers_of_a_source_that_the_baseline_has_nothing_of_join_it(
    load: Callable[..., None], database: Database
) -> None:
    load()
    training.train_all(database, SOURCES.values())
    first = database.transact(judge)
    lose = "UPDATE label_baseline SET scores = scores - 'cuad', measured_at = measured_at - interval '1 day'"
    database.transact(lambda connection: connection.execute(lose))
    since = database.transact(judge).measured_at
    database.transact(lambda connection: connection.execute(SPOIL))
    judgement = database.transact(judge)
    assert [fall.task for fall in judgement.falls] == ["cuad"]
    assert first.measured_at is None
    assert judgement.measured_at == since


def test_known_questions_are_ranked_by_what_other_contracts_taught(
    load: Callable[..., None], database: Database
) -> None:
    load()
    split = "UPDATE reference_documents SET metadata = metadata || '{\"split\": \"dev\"}' WHERE source_id < '3'"
    database.transact(lambda connection: connection.execute(split))
    nli = known.scores_by_scorers(
        database.transact(lambda connection: answers.contract_nli(connection, "dev", Stop()))
    )
    cuad = known.scores_by_scorers(database.transact(lambda connection: answers.cuad(connection, Stop())))
    assert nli
    assert cuad
    assert list(nli) == ["R@5", "R@10", "MRR", "mAP", "P@R80"]
    assert nli["mAP"].mean > 0.9
    assert cuad["MRR"].mean > 0.9
    assert database.transact(lambda connection: answers.contract_nli(connection, "test", Stop())) == []


def test_the_pieces_of_a_text_hold_every_visible_character() -> None:
    text = "1. TERM\nThis lasts. It ends on 1 May, not before.\n\n(a) first;\n(b) second and last item of all."
    pieces = pieces_of(text)
    assert len(pieces) > 1
    assert all(text[start:end] == text[start:end].strip() != "" for start, end in pieces)
    outside = "".join(
        text[end:start] for (_, end), (start, _) in zip([(0, 0), *pieces], [*pieces, (len(text), 0)], strict=True)
    )
    assert not outside.strip()


def test_the_commands_of_the_guide_are_accepted_and_run(
    load: Callable[..., None], settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load()
    assert settings.database_url
    monkeypatch.setenv("BOOTSTRAP_DATABASE_URL", settings.database_url.get_secret_value())
    monkeypatch.setenv("BOOTSTRAP_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    Path("contract.txt").write_text(CONTRACT)
    [block] = re.findall(r"```sh\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    for line in block.splitlines():
        result = CliRunner().invoke(bootstrap, shlex.split(line, comments=True)[1:])
        assert (result.exit_code, line) == (0, line), result.output
