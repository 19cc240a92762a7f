"""`bootstrap show`, `embed` and `settings`."""

import json

import pytest

from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.errors import ConfigurationError
from bootstrap_assets.settings import Settings
from tests.integration.test_cli import environ, invoke, shell, small  # noqa: F401


def first_hit() -> dict[str, str]:
    hit: dict[str, str] = json.loads(invoke("search", "liability", "-k", "1", "--json").stdout)["results"][0]
    return hit


@pytest.mark.parametrize("by", ["record_id", "source_id"])
def test_a_record_is_shown_in_full_by_either_of_its_ids(small: Corpus, by: str) -> None:  # noqa: F811
    hit = first_hit()
    row = json.loads(invoke("show", hit[by], "--json").stdout)
    assert (row["kind"], row["id"], row["content"]) == ("record", hit["record_id"], hit["content"])
    assert row["licence"] == "Apache-2.0"
    assert row["attribution"]
    assert row["document"] == hit["document"]


def test_a_record_is_shown_to_people_with_its_licence_and_the_whole_text(small: Corpus) -> None:  # noqa: F811
    hit = first_hit()
    printed = invoke("show", hit["record_id"]).stdout
    assert "Apache-2.0" in printed
    assert "sample, invented" in printed
    assert printed.endswith(f"\n\n{hit['content']}\n")


def test_a_document_is_shown_by_its_id_and_its_title(small: Corpus) -> None:  # noqa: F811
    hit = first_hit()
    document = json.loads(invoke("show", hit["record_id"], "--json").stdout)["document_id"]
    row = json.loads(invoke("show", document, "--json").stdout)
    assert (row["kind"], row["title"]) == ("document", hit["document"])
    assert hit["content"] in row["raw_text"]
    assert json.loads(invoke("show", row["title"], "--json").stdout) == row


def test_an_id_that_nothing_has_is_wrong_usage(small: Corpus) -> None:  # noqa: F811
    ended = shell("show", "nowhere")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "no record and no document nowhere" in ended.stderr


def test_an_id_of_several_sources_asks_which(small: Corpus) -> None:  # noqa: F811
    hit = first_hit()
    with small.database.connection() as connection:
        connection.execute(
            "INSERT INTO reference_records (id, document_id, content_hash, source, source_id, granularity) "
            "SELECT gen_random_uuid(), document_id, content_hash, 'cuad', source_id, granularity "
            "FROM reference_records WHERE id = %s",
            (hit["record_id"],),
        )
    refusal = invoke("show", hit["source_id"]).exception
    assert isinstance(refusal, ConfigurationError)
    assert hit["record_id"] in str(refusal)


def test_the_vector_that_is_printed_searches(small: Corpus) -> None:  # noqa: F811
    vector = invoke("embed", "liability").stdout
    assert len(json.loads(vector)) == 256
    with small.database.connection() as connection:
        rows = connection.execute(
            "SELECT content FROM search_reference(NULL, %s::vector, k => 1)", (vector,)
        ).fetchall()
    [hit] = json.loads(invoke("search", "liability", "-k", "1", "--mode", "vector", "--json").stdout)["results"]
    assert [content for (content,) in rows] == [hit["content"]]


def test_where_nothing_is_searched_embed_ends_as_search_does(environ: dict[str, str]) -> None:  # noqa: F811
    ends = [shell(command, "liability") for command in ("embed", "search")]
    assert [(end.returncode, end.stdout) for end in ends] == [(2, "")] * 2
    assert ends[0].stderr == ends[1].stderr


def rows_of(*arguments: str) -> dict[str, dict[str, object]]:
    return {row["name"]: row for row in json.loads(invoke("settings", "--json", *arguments).stdout)}


def test_every_setting_is_listed_with_value_and_origin(environ: dict[str, str]) -> None:  # noqa: F811
    rows = rows_of()
    assert set(rows) == set(Settings.model_fields)
    assert (rows["batches"]["value"], rows["batches"]["origin"]) == (8, "environment")
    assert (rows["retries"]["value"], rows["retries"]["origin"]) == (3, "default")
    assert (rows["home"]["value"], rows["home"]["variable"]) == (environ["BOOTSTRAP_HOME"], "BOOTSTRAP_HOME")
    assert rows["voyage_model"]["value"] is None
    assert "BOOTSTRAP_BATCHES" in invoke("settings").stdout


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:hush@db.example/corpus",
        "host=db.example dbname=corpus password=hush",
        "jdbc:nonsense:hush",
    ],
)
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_no_secret_is_shown(monkeypatch: pytest.MonkeyPatch, url: str, form: list[str]) -> None:
    monkeypatch.setenv("BOOTSTRAP_DATABASE_URL", url)
    monkeypatch.setenv("VOYAGE_API_KEY", "pa-hush")
    monkeypatch.setenv("BOOTSTRAP_FAILURE_WEBHOOK", "https://user:hush@hooks.example/services/hush")
    printed = invoke("settings", *form).stdout
    assert "hush" not in printed
    assert "https://hooks.example/…" in printed
    assert ("db.example:5432/corpus" in printed) == ("nonsense" not in url)
