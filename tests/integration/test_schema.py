import threading
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest

from bootstrap_assets.database import schema
from bootstrap_assets.database.connection import Database, connect
from bootstrap_assets.database.readiness import ready_database_url
from bootstrap_assets.embedding import context, spaces
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.errors import ConfigurationError, DatabaseUnavailable, SchemaError
from bootstrap_assets.settings import Settings, load_settings

_CATALOGUE = """
SELECT 'column', table_name, column_name, data_type || coalesce(column_default, '') || is_nullable
FROM information_schema.columns WHERE table_schema = 'public'
UNION ALL SELECT 'index', tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION ALL SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid)
FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL SELECT 'function', proname, pg_get_function_identity_arguments(p.oid), prosrc
FROM pg_proc p LEFT JOIN pg_depend d ON d.objid = p.oid AND d.deptype = 'e'
WHERE pronamespace = 'public'::regnamespace AND d.objid IS NULL
UNION ALL SELECT 'view', viewname, '', definition FROM pg_views WHERE schemaname = 'public'
ORDER BY 1, 2, 3, 4
"""


def catalogue(url: str) -> list[tuple[str, ...]]:
    with connect(url) as connection:
        return connection.execute(_CATALOGUE).fetchall()


def test_up_down_up_gives_the_same_schema(blank_database_url: str) -> None:
    empty = catalogue(blank_database_url)
    assert schema.upgrade(blank_database_url) == schema.head()
    first = catalogue(blank_database_url)
    assert len(first) > 100
    schema.downgrade(blank_database_url, "base")
    left = [row for row in catalogue(blank_database_url) if schema.VERSION_TABLE not in row[1]]
    assert left == empty
    schema.upgrade(blank_database_url)
    assert catalogue(blank_database_url) == first


def test_going_down_drops_the_vector_tables_too(database_url: str) -> None:
    from bootstrap_assets.embedding import spaces

    with connect(database_url) as connection:
        space = spaces.ensure(connection, "local", "model", 8)
    schema.downgrade(database_url, "base")
    with connect(database_url) as connection:
        assert connection.execute("SELECT to_regclass(%s)", (space.table,)).fetchone() == (None,)


def test_two_processes_may_upgrade_at_the_same_time(blank_database_url: str) -> None:
    versions: list[str | None] = []
    threads = [
        threading.Thread(target=lambda: versions.append(schema.upgrade(blank_database_url))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert versions == [schema.head()] * 4


def test_a_newer_schema_is_refused(database_url: str) -> None:
    with connect(database_url) as connection:
        connection.execute(f"UPDATE {schema.VERSION_TABLE} SET version_num = '9999'")
    with pytest.raises(SchemaError, match="newer than this version"):
        schema.upgrade(database_url)


def test_a_database_of_a_version_before_the_first_release_is_refused_and_can_be_reset(database_url: str) -> None:
    with connect(database_url) as connection:
        connection.execute(f"UPDATE {schema.VERSION_TABLE} SET version_num = '0011'")
        connection.execute("INSERT INTO reference_lexemes VALUES ('word', 1)")
        connection.execute("DROP FUNCTION reference_fold")
    with pytest.raises(SchemaError, match="before the first release"):
        schema.upgrade(database_url)
    schema.reset(database_url)
    with connect(database_url) as connection:
        assert schema.current(connection) == schema.head()
        assert connection.execute("SELECT count(*) FROM reference_lexemes").fetchone() == (0,)


@pytest.mark.parametrize("table", ["document_files", "index_jobs", "bootstrap_completions"])
def test_a_reset_of_an_older_version_leaves_a_users_table_of_a_new_name_alone(
    database_url: str, table: str
) -> None:
    with connect(database_url) as connection:
        connection.execute(f"UPDATE {schema.VERSION_TABLE} SET version_num = '0100'")
        connection.execute(f"DROP TABLE {table}")
        connection.execute(f"CREATE TABLE {table} AS SELECT 'precious' AS content")
    with pytest.raises(SchemaError, match=f"did not make the table {table}"):
        schema.reset(database_url)
    with connect(database_url) as connection:
        assert connection.execute(f"SELECT content FROM {table}").fetchone() == ("precious",)
        assert schema.current(connection) == "0100"


def test_an_empty_database_is_told_from_a_migrated_one(blank_database_url: str) -> None:
    with connect(blank_database_url) as connection, pytest.raises(SchemaError, match="bootstrap run"):
        schema.require_current(connection)


def _with_available_extensions(url: str, rows: str) -> str:
    """A connection string whose search path puts a made-up list of extensions before the server's own."""
    with connect(url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA made_up")
        connection.execute(
            "CREATE TABLE made_up.pg_available_extensions "
            "(name text, default_version text, installed_version text)"
        )
        if rows:
            connection.execute(f"INSERT INTO made_up.pg_available_extensions VALUES {rows}")
    return f"{url}&options=-csearch_path%3Dmade_up,pg_catalog,public"


def test_a_server_without_pgvector_is_refused(blank_database_url: str) -> None:
    url = _with_available_extensions(blank_database_url, "")
    with pytest.raises(SchemaError, match="no pgvector"):
        schema.upgrade(url)


def test_a_server_with_an_old_pgvector_is_refused(blank_database_url: str) -> None:
    url = _with_available_extensions(blank_database_url, "('vector', '0.8.0', NULL)")
    with pytest.raises(SchemaError, match=r"pgvector 0\.8\.0.*0\.8\.4"):
        schema.upgrade(url)


def test_an_old_extension_on_a_new_server_is_told_how_to_update(blank_database_url: str) -> None:
    url = _with_available_extensions(blank_database_url, "('vector', '0.8.5', '0.7.4')")
    with pytest.raises(SchemaError, match="ALTER EXTENSION vector UPDATE"):
        schema.upgrade(url)


def test_an_old_server_is_refused() -> None:
    old = SimpleNamespace(info=SimpleNamespace(server_version=140_011))
    with pytest.raises(SchemaError, match="PostgreSQL 14 is too old"):
        schema.check_server(old)  # type: ignore[arg-type]


def test_a_role_that_may_not_create_the_extension_is_told_what_to_do(blank_database_url: str) -> None:
    role = "no_creator"
    with connect(blank_database_url, autocommit=True) as connection:
        connection.execute(f"DROP ROLE IF EXISTS {role}")
        connection.execute(f"CREATE ROLE {role} LOGIN")
    url = blank_database_url.replace("postgres:@", f"{role}@")
    with pytest.raises(SchemaError, match="administrator"):
        schema.upgrade(url)
    with connect(blank_database_url, autocommit=True) as connection:
        connection.execute(f"DROP OWNED BY {role}")
        connection.execute(f"DROP ROLE {role}")


def test_a_database_that_is_down_is_told_without_its_password() -> None:
    with pytest.raises(DatabaseUnavailable, match=r"127\.0\.0\.1:1/corpus") as raised:
        Database("postgresql://me:hunter2@127.0.0.1:1/corpus")
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    "url", ["postgresql://me:hunter%zz2@db/corpus", "postgresql://me:hunter 2@db/corpus", "hunter2"]
)
def test_a_connection_string_that_is_none_is_told_without_its_password(url: str) -> None:
    with pytest.raises(ConfigurationError, match="BOOTSTRAP_DATABASE_URL") as raised:
        connect(url)
    assert "hunter" not in str(raised.value)


@pytest.mark.parametrize("direction", ["upgrade", "downgrade"])
def test_a_revision_that_does_not_exist_is_told(database_url: str, direction: str) -> None:
    with pytest.raises(SchemaError, match="nowhere"):
        getattr(schema, direction)(database_url, "nowhere")


def test_a_newer_schema_is_not_brought_down(database_url: str) -> None:
    with connect(database_url) as connection:
        connection.execute(f"UPDATE {schema.VERSION_TABLE} SET version_num = '9999'")
    with pytest.raises(SchemaError, match="newer than this version"):
        schema.downgrade(database_url, "base")


def test_sql_and_python_agree_on_a_text_s_batch(database: Database) -> None:
    from bootstrap_assets.embedding.batches import batch_of
    from bootstrap_assets.texts.content import content_hash

    digests = [content_hash(str(number)) for number in range(500)]
    with database.connection() as connection:
        for count in (1, 16, 128, 4096):
            rows = connection.execute(
                "SELECT reference_batch(h, %s) FROM unnest(%s::bytea[]) WITH ORDINALITY AS u (h, n) ORDER BY n",
                (count, digests),
            ).fetchall()
            assert [row[0] for row in rows] == [batch_of(digest, count) for digest in digests]


def test_a_very_long_text_still_fits_the_full_text_index(database: Database) -> None:
    words = " ".join(f"wörd{number}" for number in range(400_000))
    with database.connection() as connection:
        row = connection.execute("SELECT length(reference_tsvector(%s))", (words,)).fetchone()
    assert row
    assert row[0] > 10_000


READ_BY_COLUMN = (
    *("reference_embeddings", "reference_vectors", "reference_documents", "reference_records", "reference_texts"),
    *("reference_text_parts", "reference_changes", "reference_connections", "reference_lexemes"),
    *(
        "reference_text_totals",
        "bootstrap_findings",
        "bootstrap_archives",
        "bootstrap_events",
        "bootstrap_requests",
        "bootstrap_breakers",
    ),
)
"""Views and tables of which each column says what it is."""

UNCOMMENTED = {
    "relations": """
        SELECT relname FROM pg_class
        WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'v')
          AND relname <> %(versions)s AND NOT starts_with(relname, 'reference_vectors_')
          AND obj_description(oid, 'pg_class') IS NULL""",
    "functions": """
        SELECT proname FROM pg_proc p
        WHERE pronamespace = current_schema()::regnamespace AND obj_description(oid, 'pg_proc') IS NULL
          AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')""",
    "types": """
        SELECT relname FROM pg_class c
        WHERE relnamespace = current_schema()::regnamespace AND relkind = 'c'
          AND obj_description(c.reltype, 'pg_type') IS NULL""",
    "columns": """
        SELECT relname || '.' || attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE relnamespace = current_schema()::regnamespace AND relname = ANY (%(read)s)
          AND attnum > 0 AND NOT attisdropped AND col_description(c.oid, attnum) IS NULL""",
}


def uncommented(corpus: Corpus, kind: str) -> list[tuple[str]]:
    parameters = {"versions": schema.VERSION_TABLE, "read": list(READ_BY_COLUMN)}
    with corpus.database.connection() as connection:
        return connection.execute(UNCOMMENTED[kind], parameters).fetchall()  # type: ignore[call-overload]


@pytest.mark.parametrize("kind", UNCOMMENTED)
def test_everything_that_users_read_says_what_it_is(corpus: Corpus, kind: str) -> None:
    assert uncommented(corpus, kind) == []


def test_views_say_what_they_are_after_a_space_was_promoted(corpus: Corpus) -> None:
    corpus.database.transact(partial(spaces.promote, space=corpus.space))
    assert uncommented(corpus, "relations") + uncommented(corpus, "columns") == []


def test_where_one_command_migrates_nothing_else_does(blank_database_url: str, tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path, database_url=blank_database_url, migrate="never")
    with pytest.raises(SchemaError, match="BOOTSTRAP_MIGRATE is `never`: run `bootstrap db upgrade`"):
        ready_database_url(settings)
    assert ready_database_url(settings.model_copy(update={"migrate": "auto"})) == blank_database_url
    assert ready_database_url(settings) == blank_database_url


@pytest.mark.parametrize("version", ["0001", "9999"])
def test_a_step_that_meets_another_schema_says_so_and_changes_nothing(settings: Settings, version: str) -> None:
    assert settings.database_url
    with psycopg.connect(settings.database_url.get_secret_value(), autocommit=True) as connection:
        connection.execute(f"UPDATE {schema.VERSION_TABLE} SET version_num = %s", (version,))
        never = settings.model_copy(update={"migrate": "never"})
        with pytest.raises(SchemaError, match=version), context.open_corpus(never):
            pass
        assert connection.execute(f"SELECT version_num FROM {schema.VERSION_TABLE}").fetchone() == (version,)
