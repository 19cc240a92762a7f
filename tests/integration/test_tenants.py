"""Tenants are sealed: what an application's role can read, count, find, infer and change of another tenant's."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg import sql

from bootstrap_assets.database.connection import Connection, connect
from bootstrap_assets.documents import removal, rights, stages, states
from bootstrap_assets.embedding.context import Corpus
from tests.integration.test_documents import add_tenant, put, rows

SECRET = "zyxquokka"
"""A word of one tenant alone."""

OWN = "brillig"
"""A word of the tenant that asks."""

ROLE, PASSWORD = "application_of_a_test", "sealed"

DENIED = (psycopg.errors.InsufficientPrivilege,)


def secret_text(word: str) -> bytes:
    """A contract in which a word stands in every paragraph."""
    paragraphs = [
        f"{number}. The {word} clause number {number} caps liability at {number} {word}." for number in range(1, 9)
    ]
    return "\n\n".join(paragraphs).encode()


@pytest.fixture
def sealed(ten_contracts: None, corpus: Corpus) -> Corpus:
    """A corpus with the reference, and documents of two tenants."""
    for tenant, word in (("asker", OWN), ("other", SECRET)):
        add_tenant(corpus, tenant)
        put(corpus, tenant, f"{word}.txt", secret_text(word))
        put(corpus, tenant, "like.txt", b"Clause 0 of contract 0 says what party 0 must do.")
        stages.process(corpus, tenant)
        label(corpus, tenant, word)
    return corpus


LIKELIHOODS = """
WITH features AS (
    INSERT INTO label_features (source, digest, arrays, corpus, splits, version, contracts)
    VALUES ('cuad', '', '', '', '{}', 1, 1) ON CONFLICT DO NOTHING
), scorers AS (
    INSERT INTO label_scorers (source, label, wording, digest, arrays, quality, version)
    VALUES ('cuad', 'Cap On Liability', 'liability cap', '', '', '{}', 1) ON CONFLICT DO NOTHING
), wordings AS (
    INSERT INTO label_wordings (source, label, wording, category, lexemes, weight)
    VALUES ('cuad', 'Cap On Liability', 'liability cap', 'Cap On Liability', '{cap,liabil}', 0.01)
    ON CONFLICT DO NOTHING
), readings AS (
    INSERT INTO label_readings (document_id, scorers)
    SELECT document_id, '' FROM document_states WHERE tenant_id = %(tenant)s
)
INSERT INTO label_likelihoods (content_hash, source, label, document_id, pile, probability)
SELECT DISTINCT r.content_hash, 'cuad', 'Cap On Liability', r.document_id, r.tenant_id,
    CASE r.tenant_id WHEN 'other' THEN 0.99 ELSE 0.9 END
FROM reference_records r WHERE r.tenant_id = %(tenant)s"""
"""A list that a search for a cap of liability gains, with the texts of a tenant."""


def label(corpus: Corpus, tenant: str, word: str) -> None:
    """What scorers say of a tenant's documents, as if there were some that know a word of it."""
    rows = """INSERT INTO document_labels (document_id, source, label, wording, category, is_there, probability,
            recall, confidence, places, version, scorers)
        SELECT document_id, 'cuad', %(word)s, %(word)s, %(word)s, true, 0.9, 0.8, 'normal',
            jsonb_build_array(jsonb_build_object('char_start', 0, 'char_end', 9, 'text', %(word)s::text)),
            version, 'none'
        FROM document_states WHERE tenant_id = %(tenant)s"""
    with corpus.database.connection() as connection:
        connection.execute(rows, {"tenant": tenant, "word": word})
        connection.execute(LIKELIHOODS, {"tenant": tenant})
        connection.execute("ANALYZE document_labels, label_likelihoods")


@contextmanager
def reader(corpus: Corpus, tenant: str | None) -> Iterator[Connection]:
    """A connection of an application's role, in a transaction, for a tenant."""
    with corpus.database.connection() as connection:
        if not connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (ROLE,)).rowcount:
            connection.execute(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(ROLE), sql.Literal(PASSWORD))
            )
        rights.grant(connection, ROLE)
    with connect(corpus.database.url, autocommit=True) as connection:
        connection.execute(sql.SQL("SET SESSION AUTHORIZATION {}").format(sql.Identifier(ROLE)))
        connection.execute("SET bootstrap.pipeline = 'on'")  # anybody can say so: it opens nothing
        with connection.transaction():
            if tenant is not None:
                connection.execute("SELECT set_config('bootstrap.tenant', %s, true)", (tenant,))
            yield connection


def relations(connection: Connection) -> list[str]:
    """Every table, view and sequence of the schema, from the catalogue."""
    query = """SELECT relname FROM pg_class
        WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'v', 'm', 'p', 'f')"""
    return [row[0] for row in connection.execute(query)]


def readable(connection: Connection, relation: str, condition: str = "true") -> int | None:
    """Rows of a relation as text that meet a condition; None where reading it is refused."""
    query = sql.SQL("SELECT count(*) FROM {} r WHERE {}").format(sql.Identifier(relation), sql.SQL(condition))  # type: ignore[arg-type]
    try:
        with connection.transaction():
            row = connection.execute(query).fetchone()
            return int(row[0]) if row else 0
    except DENIED:
        return None


def traces(corpus: Corpus) -> list[str]:
    """Whatever would tell of the other tenant: its word, its name, ids and hashes of its rows."""
    mine = """SELECT id::text, document_id::text, CASE WHEN NOT EXISTS (
        SELECT FROM reference_records o
        WHERE o.content_hash = r.content_hash AND o.tenant_id IS DISTINCT FROM 'other')
        THEN encode(content_hash, 'hex') END FROM reference_records r WHERE tenant_id = 'other'"""
    return ["other/", SECRET, *{value for row in rows(corpus, mine) for value in row if value}]


def holds(relation: str, traces: list[str]) -> sql.Composed:
    """How many rows of a relation have one of the traces in them."""
    return sql.SQL("SELECT count(*) FROM {} r WHERE r::text LIKE ANY ({})").format(
        sql.Identifier(relation), sql.Literal([f"%{trace}%" for trace in traces])
    )


def count(connection: Connection, query: sql.Composable) -> int | None:
    """What a counting statement gives; None where it is refused."""
    try:
        with connection.transaction():
            row = connection.execute(query).fetchone()
            return int(row[0]) if row else 0
    except psycopg.errors.InsufficientPrivilege:
        return None


@pytest.mark.parametrize("tenant", ["asker", None])
def test_no_table_or_view_shows_a_row_of_another_tenant(sealed: Corpus, tenant: str | None) -> None:
    found = traces(sealed)
    with reader(sealed, tenant) as connection:
        seen = {relation: count(connection, holds(relation, found)) for relation in relations(connection)}
        visible = {relation for relation, rows in seen.items() if rows is not None}
        assert {relation: rows for relation, rows in seen.items() if rows} == {}
        assert {"reference_records", "reference_texts", "reference_embeddings", "reference_connections"} <= visible
        assert "document_labels" in visible
    assert {relation for relation, rows in seen.items() if rows is None} >= {
        "document_files",
        "bootstrap_failures",
    }


def test_the_traces_are_there_for_whoever_may_see_them(sealed: Corpus) -> None:
    found = traces(sealed)
    with reader(sealed, "other") as connection:
        seen = {relation for relation in relations(connection) if count(connection, holds(relation, found))}
    assert {
        "reference_documents",
        "reference_records",
        "reference_texts",
        "reference_embeddings",
        "document_states",
        "reference_vectors",
        "reference_connections",
        "document_labels",
    } <= seen


def test_a_query_that_means_a_label_finds_what_scorers_say_of_the_askers_own_texts_alone(sealed: Corpus) -> None:
    search = """SELECT content, scorer ->> 'category', (scorer ->> 'probability')::float
        FROM search_reference('liability cap', NULL, 50, fold => false) s WHERE scorer IS NOT NULL"""
    for tenant, own, other, probability in (("asker", OWN, SECRET, 0.9), ("other", SECRET, OWN, 0.99)):
        with reader(sealed, tenant) as connection:
            hits = connection.execute(search.encode()).fetchall()
        assert any(own in content for content, _, _ in hits)
        assert not any(other in content for content, _, _ in hits)
        assert any("what party 0 must do" in content for content, _, _ in hits)  # which both have
        assert {hit[1:] for hit in hits} == {("Cap On Liability", probability)}
    with reader(sealed, None) as connection:
        assert connection.execute(search.encode()).fetchall() == []


@pytest.mark.parametrize("tenant", ["asker", None])
def test_no_search_finds_counts_or_learns_from_another_tenants_texts(sealed: Corpus, tenant: str | None) -> None:
    vector = rows(
        sealed,
        "SELECT v.embedding::text FROM reference_vectors v JOIN reference_records r USING (content_hash) "
        "WHERE r.tenant_id = 'other' LIMIT 1",
    )[0][0]
    queries = [
        "SELECT count(*) FROM search_reference(%(word)s, NULL, 50) s WHERE s::text LIKE %(trace)s",
        "SELECT count(*) FROM search_reference(NULL, %(vector)s::vector, 50) s WHERE s::text LIKE %(trace)s",
        "SELECT count(*) FROM search_reference('cap', %(vector)s::vector, 50) s WHERE s::text LIKE %(trace)s",
        "SELECT count(*) FROM search_reference('liability cap', NULL, 50) s WHERE s::text LIKE %(trace)s",
        "SELECT count(*) FROM reference_question('liability cap', NULL) q WHERE q::text LIKE %(trace)s",
        "SELECT count(*) FROM reference_lexemes WHERE lexeme LIKE %(trace)s",
    ]
    with reader(sealed, tenant) as connection:
        for query in queries:
            row = connection.execute(
                query.encode(), {"word": SECRET, "vector": vector, "trace": f"%{SECRET}%"}
            ).fetchone()
            assert row == (0,), query


def test_a_tenant_finds_the_reference_and_its_own(sealed: Corpus) -> None:
    with reader(sealed, "asker") as connection:
        hits = connection.execute(
            "SELECT s::text FROM search_reference(%s, NULL, 50) s", (f"{OWN} clause",)
        ).fetchall()
    assert any(OWN in hit for [hit] in hits)
    assert any("Contract" in hit for [hit] in hits)


@pytest.mark.parametrize(
    "relation", ["reference_records", "reference_texts", "reference_documents", "document_states"]
)
def test_nothing_can_be_written_or_deleted(sealed: Corpus, relation: str) -> None:
    name = sql.Identifier(relation)
    statements = [
        sql.SQL("INSERT INTO {} DEFAULT VALUES").format(name),
        sql.SQL("UPDATE {} SET created_at = now()").format(name),
        sql.SQL("DELETE FROM {}").format(name),
        sql.SQL("TRUNCATE {} CASCADE").format(name),
    ]
    with reader(sealed, "asker") as connection:
        for statement in statements:
            with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
                connection.execute(statement)


def estimate(connection: Connection, query: str) -> int:
    row = connection.execute(f"EXPLAIN (FORMAT json) {query}".encode()).fetchone()
    assert row
    return int(row[0][0]["Plan"]["Plan Rows"])


def test_what_the_planner_expects_tells_nothing_of_another_tenants_texts(sealed: Corpus) -> None:
    with sealed.database.connection() as connection:
        for table in ("reference_documents", "reference_records", "reference_texts", "document_states"):
            connection.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(table)))
    secret = rows(sealed, "SELECT raw_text FROM reference_documents WHERE tenant_id = 'other'")[0][0]
    questions = [
        ("reference_documents", "title", f"{SECRET}.txt", "nobody-has-this.txt"),
        ("reference_documents", "raw_text", secret, "nobody has this"),
        ("reference_documents", "tenant_id", "other", "nobody"),
        ("document_states", "name", f"{SECRET}.txt", "nobody-has-this.txt"),
        ("document_states", "tenant_id", "other", "nobody"),
    ]
    with reader(sealed, "asker") as connection:
        for table, column, there, nowhere in questions:
            query = "SELECT FROM {} WHERE {} = {}"
            plans = [
                estimate(
                    connection,
                    sql.SQL(query)
                    .format(sql.Identifier(table), sql.Identifier(column), sql.Literal(value))
                    .as_string(),
                )  # type: ignore[arg-type]
                for value in (there, nowhere)
            ]
            assert plans[0] == plans[1], (table, column)


def test_messages_of_errors_tell_nothing_of_another_tenants_texts(sealed: Corpus) -> None:
    query = (
        "SELECT 1 / (position(%s in content) - position(%s in content)) FROM reference_texts WHERE content LIKE %s"
    )
    with reader(sealed, "asker") as connection:
        assert connection.execute(query, (SECRET, SECRET, f"%{SECRET}%")).fetchall() == []


HARMLESS = {
    # They compute from their arguments, and read no row.
    *("reference_batch", "reference_separated", "reference_unaccented", "reference_plain", "reference_tsvector"),
    *("reference_lower", "reference_passes", "reference_word", "reference_phrase", "reference_is_visible"),
    *("reference_asked", "reference_impact", "reference_impacts", "reference_pile", "reference_word_number"),
    *("bootstrap_is_stale", "document_is_stale", "document_lock", "bootstrap_record_digest"),
    # Triggers, which nobody can call.
    *("bootstrap_notify", "reference_count_texts", "reference_queue_texts", "reference_queue_parts"),
}

ASKED = {
    "search_reference": "search_reference(%(word)s, %(vector)s::vector, 50, fold => false)",
    "reference_question": "reference_question('liability ' || %(word)s, %(vector)s::vector, 0)",
    "reference_space": "reference_space()",
    "reference_nearest": "(SELECT reference_nearest('reference_vectors', %(vector)s::vector, NULL, 50)) x (x)",
    "reference_alike": "reference_alike(%(vector)s::vector, -1, 50)",
    "reference_vector_scores": "reference_vector_scores('reference_vectors', %(vector)s::vector, %(hashes)s)",
    "reference_mean_vector": (
        "(SELECT 'any' WHERE reference_mean_vector('reference_vectors', %(hashes)s) IS NOT NULL) x (x)"
    ),
    "reference_label_scores": "reference_label_scores(ARRAY[%(word)s], '{1}')",
    "reference_few_texts": "(SELECT reference_few_texts(NULL, 5000)) x (x)",
    "reference_fold": (
        "(SELECT 'any' FROM reference_fold(%(hashes)s, 50) "
        "HAVING count(DISTINCT leader) < cardinality(%(hashes)s)) x (x)"
    ),
    "bootstrap_stored": "(SELECT 'any' FROM bootstrap_stored('documents') WHERE records > %(own)s) x (x)",
}
"""How each function is asked for the other tenant's texts; none of its rows may have a trace of them."""

REFUSED = {
    "reference_corpus_version": "reference_corpus_version()",
    "reference_rank": "reference_rank(reference_question(%(word)s, %(vector)s::vector, 0), k => 50)",
    "reference_text_candidates": "reference_text_candidates(ARRAY[%(word)s], '{1}', NULL, 50)",
    "reference_text_scores": "reference_text_scores(ARRAY[%(word)s], '{1}', %(hashes)s)",
    "reference_label_of": "reference_label_of(ARRAY['cap'], '{1}')",
    "reference_likely_texts": "reference_likely_texts(('cuad', 'Cap On Liability', '', 0, 1), NULL, 50)",
    "reference_likelihoods": "reference_likelihoods(('cuad', 'Cap On Liability', '', 0, 1), %(hashes)s)",
    "reference_labelled_texts": (
        "reference_labelled_texts(ARRAY[%(word)s], '{1}', %(hashes)s, '{}', '{}', NULL, 50)"
    ),
}
"""What reads tables that an application's role may not: lists of words, of all tenants together."""


def test_no_function_tells_of_another_tenants_texts(sealed: Corpus) -> None:
    functions = """SELECT proname FROM pg_proc p WHERE pronamespace = current_schema()::regnamespace
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')"""
    every = HARMLESS | ASKED.keys() | REFUSED.keys() | {"embedding_reserve", "repository_swap"}
    assert {row[0] for row in rows(sealed, functions)} == every
    [(vector, hashes)] = rows(
        sealed,
        "SELECT max(v.embedding::text), array_agg(content_hash) FROM reference_records r JOIN reference_vectors v "
        "USING (content_hash) JOIN reference_texts t USING (content_hash) "
        "WHERE tenant_id = 'other' AND t.content LIKE %s",
        f"%{SECRET}%",
    )
    [(own,)] = rows(sealed, "SELECT count(*) FROM reference_records WHERE tenant_id = 'asker'")
    parameters = {"word": SECRET, "vector": vector, "hashes": hashes, "own": own}
    found = [*traces(sealed), "any"]
    with reader(sealed, "asker") as connection:
        for name, call in ASKED.items():
            query = f"SELECT x::text FROM {call}" if " x (x)" in call else f"SELECT f::text FROM {call} f"
            answers = connection.execute(query.encode(), parameters).fetchall()
            if name == "reference_question":  # it holds the words that it was given
                answers = [(answer.replace(SECRET, ""),) for [answer] in answers]
            assert not [trace for trace in found for [answer] in answers if trace in str(answer)], name
        for call in REFUSED.values():
            with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
                connection.execute(f"SELECT {call}".encode(), parameters)


TEXTS = {
    "reference_documents": "raw_text",
    "reference_records": "source_id",
    "reference_texts": "content",
    "reference_embeddings": "content",
    "document_states": "name",
}
"""Where the words of documents stand, or their names."""


def test_no_join_brings_a_row_of_another_tenant(sealed: Corpus) -> None:
    joins = [
        "FROM reference_texts t LEFT JOIN reference_records r USING (content_hash)",
        "FROM reference_texts t FULL JOIN reference_records r ON r.content_hash = t.content_hash",
        "FROM reference_documents d JOIN reference_records r ON r.document_id = d.id "
        "JOIN reference_texts t ON t.content_hash = r.content_hash",
        "FROM document_states s FULL JOIN reference_documents d ON d.id = s.document_id",
        "FROM reference_vectors v LEFT JOIN reference_texts t USING (content_hash)",
        "FROM reference_connections c LEFT JOIN reference_records r ON r.id IN (c.from_record, c.to_record)",
    ]
    marks = [f"%{trace}%" for trace in traces(sealed)]
    with reader(sealed, "asker") as connection:
        for join in joins:
            lines = f"SELECT ROW (x.*)::text AS line FROM (SELECT * {join}) x"
            query = f"SELECT count(*) FROM ({lines}) y WHERE line LIKE ANY (%s)"
            assert connection.execute(query.encode(), (marks,)).fetchone() == (0,), join


def test_a_link_to_a_record_of_another_tenant_is_not_seen_from_either_end(sealed: Corpus) -> None:
    link = """INSERT INTO reference_connections (from_record, to_record, kind, score)
        SELECT a.id, b.id, 'test', 1 FROM reference_records a, reference_records b
        WHERE coalesce(a.tenant_id, '') = %s AND coalesce(b.tenant_id, '') = %s"""
    with sealed.database.connection() as connection:
        for ends in (("asker", "other"), ("other", "asker"), ("", "other"), ("other", ""), ("other", "other")):
            assert connection.execute(link.encode(), ends).rowcount
        assert connection.execute(link.encode(), ("asker", "")).rowcount
    theirs = """SELECT count(*) FROM reference_connections c WHERE kind = 'test' AND NOT (
        EXISTS (SELECT FROM reference_records r WHERE r.id = c.from_record AND r.tenant_id = 'asker')
        AND EXISTS (SELECT FROM reference_records r WHERE r.id = c.to_record AND r.tenant_id IS NULL))"""
    with reader(sealed, "asker") as connection:
        assert connection.execute(theirs.encode()).fetchone() == (0,)
        assert connection.execute("SELECT FROM reference_connections WHERE kind = 'test'").rowcount > 0
    with reader(sealed, None) as connection:
        assert connection.execute("SELECT FROM reference_connections WHERE kind = 'test'").rowcount == 0


@contextmanager
def session(corpus: Corpus) -> Iterator[Connection]:
    """A session of the application's role, in no transaction yet."""
    with reader(corpus, None):
        pass
    with connect(corpus.database.url, autocommit=True) as connection:
        connection.execute(sql.SQL("SET SESSION AUTHORIZATION {}").format(sql.Identifier(ROLE)))
        connection.execute("RESET bootstrap.pipeline")
        yield connection


def visible(connection: Connection, tenant: str | None, query: str) -> set[str | None]:
    """What a query gives in a transaction of its own, for a tenant."""
    with connection.transaction():
        if tenant is not None:
            connection.execute("SELECT set_config('bootstrap.tenant', %s, true)", (tenant,))
        return {row[0] for row in connection.execute(query.encode())}


@pytest.mark.parametrize("plan", ["force_generic_plan", "force_custom_plan", "auto"])
def test_a_prepared_statement_of_one_tenant_gives_another_one_its_own(sealed: Corpus, plan: str) -> None:
    with session(sealed) as connection:
        connection.execute(f"SET plan_cache_mode = {plan}".encode())
        connection.execute("PREPARE mine AS SELECT DISTINCT tenant_id FROM reference_records")
        connection.execute(
            "PREPARE words AS SELECT 'secret' FROM reference_texts "
            f"WHERE content LIKE '%{SECRET}%' LIMIT 1".encode()
        )
        for tenant in [*(["other", "asker", None] * 3), "", "nobody"]:
            own = {tenant} & {"asker", "other"}
            assert visible(connection, tenant, "EXECUTE mine") == {None, *own}
            assert visible(connection, tenant, "EXECUTE words") == ({"secret"} if tenant == "other" else set())


def test_a_tenant_that_changes_within_a_transaction_sees_from_then_on_its_own(sealed: Corpus) -> None:
    query = "SELECT DISTINCT tenant_id FROM reference_records"
    with session(sealed) as one, session(sealed) as another, one.transaction(), another.transaction():
        for tenant, neighbour in (("other", "asker"), ("asker", "other"), ("", "other"), ("other", "")):
            for connection, name in ((one, tenant), (another, neighbour)):
                connection.execute("SELECT set_config('bootstrap.tenant', %s, true)", (name,))
            for connection, name in ((one, tenant), (another, neighbour)):
                assert {row[0] for row in connection.execute(query)} == {None, name or None}


def test_a_view_of_the_applications_own_is_sealed_like_the_tables(sealed: Corpus) -> None:
    with session(sealed) as connection:
        for relation, column in TEXTS.items():
            view = f"CREATE TEMPORARY VIEW mine_{relation} AS SELECT {column} AS words FROM {relation}"
            connection.execute(view.encode())
            rows_of = f"SELECT 'seen' FROM mine_{relation} WHERE words LIKE '%{SECRET}%' OR words LIKE 'other/%'"
            for tenant in ("asker", None):
                assert visible(connection, tenant, rows_of) == set(), relation
            assert visible(connection, "other", rows_of) == {"seen"}, relation


@pytest.mark.parametrize("relation", list(TEXTS))
def test_whoever_turns_row_security_off_is_refused_and_reads_nothing(sealed: Corpus, relation: str) -> None:
    with session(sealed) as connection:
        connection.execute("SET row_security = off")
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
            connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(relation)))


def test_tables_of_the_role_that_are_called_like_ours_are_not_searched(sealed: Corpus) -> None:
    search = f"SELECT s::text FROM search_reference('{OWN} clause liability', NULL, 50) s"
    with session(sealed) as connection:
        before = visible(connection, "asker", search)
        for relation in ("reference_records", "reference_texts", "reference_documents", "reference_lexemes"):
            copy = f"CREATE TEMPORARY TABLE {relation} AS SELECT * FROM public.{relation} WHERE false"
            connection.execute(copy.encode())
        assert visible(connection, "asker", search) == before != set()


def test_a_leaky_function_of_the_role_is_handed_no_row_of_another_tenant(sealed: Corpus) -> None:
    with sealed.database.connection() as connection:
        connection.execute("CREATE SCHEMA IF NOT EXISTS of_application")
        connection.execute(sql.SQL("GRANT ALL ON SCHEMA of_application TO PUBLIC"))
    heard: list[str] = []
    with session(sealed) as connection:
        connection.execute(
            "CREATE FUNCTION of_application.tell(words text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS "
            "$$ BEGIN RAISE NOTICE '%', words; RETURN true; END $$"
        )
        connection.execute(
            "CREATE FUNCTION of_application.tell(words text, other text) RETURNS boolean LANGUAGE plpgsql "
            "COST 0.0000001 AS $$ BEGIN RAISE NOTICE '%', words; RETURN true; END $$"
        )
        connection.execute(
            "CREATE OPERATOR of_application.@@@ (FUNCTION = of_application.tell, LEFTARG = text, RIGHTARG = text)"
        )
        connection.add_notice_handler(lambda notice: heard.append(notice.message_primary or ""))
        for relation, column in TEXTS.items():
            for condition in (
                f"of_application.tell(r.{column})",
                f"r.{column} OPERATOR(of_application.@@@) ''",
                "of_application.tell(r::text)",
            ):
                visible(connection, "asker", f"SELECT 'x' FROM {relation} r WHERE {condition}")
    assert any(OWN in words for words in heard)
    assert not [words for words in heard for trace in traces(sealed) if trace in words]


def test_a_tenant_that_is_removed_leaves_no_word_of_its_documents_in_any_table(sealed: Corpus) -> None:
    with sealed.database.connection() as connection:
        states.extract_again(connection, states.id_of("other", f"{SECRET}.txt"))
        inside = {name: count(connection, holds(name, [SECRET, "other/"])) for name in relations(connection)}
    assert inside["reference_records"]
    assert removal.remove_tenant(sealed.database, "other") == 2
    with sealed.database.connection() as connection:
        left = {name: count(connection, holds(name, [SECRET, "other/"])) for name in relations(connection)}
    assert {name: rows for name, rows in left.items() if rows} == {}
