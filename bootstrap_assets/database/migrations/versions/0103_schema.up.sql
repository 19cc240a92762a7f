-- The whole schema. Documents, texts and records are apart, so that one text under two labels is two records, one text
-- and one vector. Functions stand one in a file, in the package whose they are; `\i` takes them in.

-- The extension's library is loaded by the first use of its type: before, its parameters are unknown to the server, and a
-- role that is no superuser may not give a function values for them.
SELECT '[1]'::vector;

\i embedding/functions/reference_batch.sql
\i texts/functions/reference_separated.sql
\i texts/functions/reference_unaccented.sql
\i texts/functions/reference_plain.sql
\i texts/functions/reference_tsvector.sql
\i corpus/functions/reference_is_visible.sql

-- Corpus -------------------------------------------------------------------------------------------------------------

CREATE TABLE reference_documents (
    id           uuid PRIMARY KEY,
    source       text NOT NULL,
    source_id    text NOT NULL,
    title        text NOT NULL,
    raw_text     text NOT NULL,
    licence      text NOT NULL,
    attribution  text NOT NULL,
    url          text NOT NULL,
    metadata     jsonb NOT NULL DEFAULT '{}',
    content_hash bytea NOT NULL CHECK (octet_length(content_hash) = 32),
    tenant_id    text,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    UNIQUE (source, source_id)
);
CREATE INDEX reference_documents_invented ON reference_documents (source) WHERE metadata @> '{"invented": true}';
COMMENT ON TABLE reference_documents IS 'One row per contract, template or file.';

CREATE TABLE reference_texts (
    content_hash bytea PRIMARY KEY CHECK (octet_length(content_hash) = 32),
    content      text NOT NULL,
    tokens       integer NOT NULL,
    content_tsv  tsvector GENERATED ALWAYS AS (reference_tsvector(content)) STORED,
    created_at   timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE reference_texts IS 'Each distinct text once. content_hash is sha256 of its UTF-8; tokens is an estimate.';

CREATE TABLE reference_records (
    id            uuid PRIMARY KEY,
    document_id   uuid NOT NULL REFERENCES reference_documents ON DELETE CASCADE,
    content_hash  bytea NOT NULL REFERENCES reference_texts,
    source        text NOT NULL,
    source_id     text NOT NULL,
    granularity   text NOT NULL CHECK (granularity IN ('document', 'template', 'section', 'clause', 'span', 'passage')),
    section_path  text,
    category      text,
    hypothesis_id integer,
    hypothesis    text,
    nli_label     text CHECK (nli_label IN ('Entailment', 'Contradiction', 'NotMentioned')),
    char_start    integer,
    char_end      integer,
    metadata      jsonb NOT NULL DEFAULT '{}',
    tenant_id     text,
    label_tsv     tsvector GENERATED ALWAYS AS (
                      reference_tsvector(coalesce(category, '') || ' ' || coalesce(hypothesis, ''))) STORED,
    label_number  bigint GENERATED ALWAYS AS (CASE WHEN category IS NOT NULL OR hypothesis IS NOT NULL THEN
                      hashtextextended(coalesce(category, '') || ' ' || coalesce(hypothesis, ''), 0) END) STORED,
    section_hash  bytea,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (source, source_id),
    CHECK ((char_start IS NULL) = (char_end IS NULL) AND char_start <= char_end)
);
CREATE INDEX reference_records_text ON reference_records (content_hash, source);
-- Of what a filter leaves few, all are compared: they are found by the filter.
CREATE INDEX reference_records_category ON reference_records (lower(category)) WHERE category IS NOT NULL;
CREATE INDEX reference_records_nli_label ON reference_records (lower(nli_label)) WHERE nli_label IS NOT NULL;
CREATE INDEX reference_records_document ON reference_records (document_id);
-- By a number, for row security lets no index be used over words.
CREATE INDEX reference_records_label ON reference_records (label_number, content_hash) WHERE label_number IS NOT NULL;
COMMENT ON TABLE reference_records IS 'What a text is: its place in a document and its label.';
COMMENT ON COLUMN reference_records.section_hash IS
    'Hash of the text of the section that it stands in, which is its context in a search; NULL where there is none.';

CREATE TABLE reference_changes (
    source      text NOT NULL,
    source_id   text NOT NULL,
    document_id uuid,
    change      text NOT NULL CHECK (change IN ('new', 'changed', 'deleted')),
    granularity text NOT NULL,
    category    text,
    before      text,
    after       text,
    changed_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source, changed_at, source_id)
);
CREATE INDEX reference_changes_document ON reference_changes (document_id);
COMMENT ON TABLE reference_changes IS
    'Records that differ from the version of a source, or of their document, before, with the beginning of their texts before and after. The first load of a source is no change.';

CREATE TABLE reference_connections (
    from_record uuid NOT NULL REFERENCES reference_records ON DELETE CASCADE,
    to_record   uuid NOT NULL REFERENCES reference_records ON DELETE CASCADE,
    kind        text NOT NULL,
    score       double precision NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (from_record, to_record, kind)
);
CREATE INDEX reference_connections_to ON reference_connections (to_record);

CREATE TABLE bootstrap_archives (
    address       text PRIMARY KEY,
    sha256        text NOT NULL,
    bytes         bigint NOT NULL,
    first_seen_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE bootstrap_archives IS 'The lock of archives: what each address held when it was first used; every host is held to it.';
COMMENT ON COLUMN bootstrap_archives.address IS 'Address of the archive, without anything secret.';
COMMENT ON COLUMN bootstrap_archives.sha256 IS 'SHA-256 of its bytes, in hexadecimal.';
COMMENT ON COLUMN bootstrap_archives.bytes IS 'Its size.';
COMMENT ON COLUMN bootstrap_archives.first_seen_at IS 'When a host first used it with these bytes.';

CREATE TABLE bootstrap_findings (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source      text NOT NULL,
    source_id   text,
    document_id uuid,
    kind        text NOT NULL,
    message     text NOT NULL,
    place       text NOT NULL
);
CREATE INDEX bootstrap_findings_document ON bootstrap_findings (document_id);
CREATE INDEX bootstrap_findings_source ON bootstrap_findings (source, kind);
COMMENT ON TABLE bootstrap_findings IS
    'Warnings of the last parse of a source, or of the document: nothing was lost, but somebody may want to know.';

\i corpus/functions/bootstrap_record_digest.sql
\i corpus/functions/bootstrap_stored.sql

CREATE TABLE reference_text_changes (
    texts  bigint NOT NULL,
    digest bigint NOT NULL
);
COMMENT ON TABLE reference_text_changes IS
    'Texts that came less those that went, and the exclusive or of 64 bits of their hashes: a row for each statement, summed up later. Nobody waits for a row of another. See reference_corpus_version().';

CREATE TABLE reference_unsettled_texts (
    content_hash bytea NOT NULL,
    not_before   timestamptz NOT NULL DEFAULT '-infinity'
);
COMMENT ON TABLE reference_unsettled_texts IS
    'Texts that a record, or a long text, came to have or has no longer: their words are counted anew, and those that nothing has any more go. Filled in the transaction of the change, emptied soon after it.';

CREATE TABLE reference_counted_texts (
    content_hash bytea PRIMARY KEY,
    tokens       integer NOT NULL
);
COMMENT ON TABLE reference_counted_texts IS 'The texts whose words reference_lexemes counts.';

-- Not for applications: here a word tells in which texts of a tenant it stands. No row security is on it, only search
-- functions read it, and those by the piles of the asker.
CREATE TABLE reference_text_words (
    number       integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    content_hash bytea NOT NULL,
    pile         text NOT NULL,
    impacts      sparsevec NOT NULL,
    UNIQUE (content_hash, pile)
);
CREATE INDEX reference_text_words_pile ON reference_text_words (pile);
ALTER TABLE reference_text_words ALTER impacts SET STORAGE EXTERNAL, ALTER impacts SET STATISTICS 0;
COMMENT ON TABLE reference_text_words IS
    'What each word of a text adds to its score (BM25 but for the word''s rarity), for everybody whose records have the text. Follows each load by the difference.';

\i corpus/functions/reference_pile.sql
\i corpus/functions/reference_word_number.sql
\i corpus/functions/reference_impact.sql
\i corpus/functions/reference_impacts.sql
\i corpus/functions/reference_corpus_version.sql
\i corpus/functions/reference_count_texts.sql
\i corpus/functions/reference_queue_texts.sql
\i corpus/functions/reference_queue_parts.sql

CREATE TRIGGER reference_texts_came AFTER INSERT ON reference_texts
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION reference_count_texts();
CREATE TRIGGER reference_texts_went AFTER DELETE ON reference_texts
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION reference_count_texts();
CREATE TRIGGER reference_records_came AFTER INSERT ON reference_records
    REFERENCING NEW TABLE AS came FOR EACH STATEMENT EXECUTE FUNCTION reference_queue_texts();
CREATE TRIGGER reference_records_changed AFTER UPDATE ON reference_records
    REFERENCING OLD TABLE AS went NEW TABLE AS came FOR EACH STATEMENT EXECUTE FUNCTION reference_queue_texts();
CREATE TRIGGER reference_records_went AFTER DELETE ON reference_records
    REFERENCING OLD TABLE AS went FOR EACH STATEMENT EXECUTE FUNCTION reference_queue_texts();

-- Operations ---------------------------------------------------------------------------------------------------------

CREATE TABLE bootstrap_progress (
    source              text PRIMARY KEY,
    status              text NOT NULL DEFAULT 'pending' CHECK (status IN (
                            'pending', 'in_progress', 'completed', 'completed_with_failures', 'failed')),
    total_records       bigint NOT NULL DEFAULT 0,
    processed_records   bigint NOT NULL DEFAULT 0,
    embedded_records    bigint NOT NULL DEFAULT 0,
    error_count         bigint NOT NULL DEFAULT 0,
    last_processed_hash bytea,
    last_batch_index    integer,
    fingerprint         text,
    parsed_records      integer,
    parsed_digest       bigint,
    message             text,
    heartbeat_at        timestamptz,
    started_at          timestamptz,
    completed_at        timestamptz,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE bootstrap_progress IS 'How far the work on each source is.';
COMMENT ON COLUMN bootstrap_progress.fingerprint IS 'What the records were parsed from: archives, parser version and options.';
COMMENT ON COLUMN bootstrap_progress.parsed_records IS 'Records that the parser yielded at the last load.';
COMMENT ON COLUMN bootstrap_progress.parsed_digest IS
    'Exclusive or of these records'' digests: id, place, labels and text. NULL where no load has written it.';

CREATE TABLE bootstrap_completions (
    name         text PRIMARY KEY,
    version      text NOT NULL,
    run_id       text NOT NULL,
    completed_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE bootstrap_completions IS
    'What each asset held when a run of it last ended well. Where it holds the same, `bootstrap run` starts no other.';

CREATE TABLE bootstrap_events (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text NOT NULL,
    payload    jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX bootstrap_events_name ON bootstrap_events (name, id);
COMMENT ON TABLE bootstrap_events IS 'Outbox of events, written in the transaction of the change they tell of.';

CREATE TABLE bootstrap_requests (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key           text NOT NULL,
    sources       text[] NOT NULL DEFAULT '{}',
    tenant        text CHECK (tenant IS NULL OR sources = '{}'),
    force_refresh boolean NOT NULL DEFAULT false,
    priority      integer NOT NULL DEFAULT 0,
    requested_by  text NOT NULL DEFAULT '',
    status        text NOT NULL DEFAULT 'requested' CHECK (status IN (
                      'requested', 'running', 'completed', 'completed_with_failures', 'failed', 'cancelled')),
    attempt       integer NOT NULL DEFAULT 1,
    cancelled     boolean NOT NULL DEFAULT false,
    run_id        text,
    message       text,
    requested_at  timestamptz NOT NULL DEFAULT now(),
    started_at    timestamptz,
    finished_at   timestamptz
);
-- Asking for the same thing while it is under way is one request.
CREATE UNIQUE INDEX bootstrap_requests_under_way ON bootstrap_requests (key) WHERE status IN ('requested', 'running');
COMMENT ON TABLE bootstrap_requests IS 'What other programs asked for. A sensor makes a run of each.';

\i operations/functions/bootstrap_is_stale.sql
\i operations/functions/bootstrap_notify.sql

CREATE TRIGGER bootstrap_events_notify AFTER INSERT ON bootstrap_events
    FOR EACH ROW EXECUTE FUNCTION bootstrap_notify();

-- Embedding ----------------------------------------------------------------------------------------------------------

CREATE TABLE embedding_spaces (
    id               integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name             text NOT NULL UNIQUE,
    provider         text NOT NULL,
    model            text NOT NULL,
    dimensions       integer NOT NULL CHECK (dimensions > 0),
    element_type     text NOT NULL DEFAULT 'vector' CHECK (element_type IN ('vector', 'halfvec')),
    table_name       text NOT NULL UNIQUE,
    state            text NOT NULL DEFAULT 'building' 
                         CHECK (state IN ('building', 'ready', 'active', 'retired', 'dropped')),
    index_parameters jsonb NOT NULL DEFAULT '{}',
    quality          jsonb NOT NULL DEFAULT '{}',
    fitted           bytea,
    fitted_of        text,
    feedback         boolean NOT NULL DEFAULT false,
    vector_weight    double precision NOT NULL DEFAULT 1 CHECK (vector_weight >= 0 AND vector_weight < 'Infinity'),
    text_weight      double precision NOT NULL DEFAULT 3 CHECK (text_weight >= 0 AND text_weight < 'Infinity'),
    context          double precision NOT NULL DEFAULT 0.5 CHECK (context >= 0 AND context < 'Infinity'),
    created_at       timestamptz NOT NULL DEFAULT now(),
    promoted_at      timestamptz,
    UNIQUE (provider, model, dimensions, element_type)
);
CREATE UNIQUE INDEX embedding_spaces_one_active ON embedding_spaces (state) WHERE state = 'active';
COMMENT ON TABLE embedding_spaces IS
    'A model''s vectors. Only the active space is searched. Another one is built beside it, and promoted by a decision.';
COMMENT ON COLUMN embedding_spaces.state IS
    'building; ready: complete and indexed when it was last looked at; active: searched; retired: was searched; dropped: its vectors are gone, the ledger still names it.';
COMMENT ON COLUMN embedding_spaces.feedback IS
    'Whether a query''s vector gains by the vectors of its best texts: true of a model that knows a text only by its words.';
COMMENT ON COLUMN embedding_spaces.element_type IS
    'vector (4 bytes a value, at most 2000 dimensions are indexed) or halfvec (2 bytes, at most 4000).';
COMMENT ON COLUMN embedding_spaces.vector_weight IS
    'What the cosine counts in the score of a search of this space that gives no vector_weight. An UPDATE changes it at once.';
COMMENT ON COLUMN embedding_spaces.text_weight IS
    'What the words count in the score of a search of this space that gives no text_weight.';
COMMENT ON COLUMN embedding_spaces.context IS
    'The share that a text takes of the scores of its section, in a search of this space that gives no context.';
COMMENT ON COLUMN embedding_spaces.quality IS
    'The figures of the last evaluation of this space; ef_search among them is how far its index is searched.';
COMMENT ON COLUMN embedding_spaces.promoted_at IS 'When it last became the one that is searched: a rollback goes by it.';
COMMENT ON COLUMN embedding_spaces.fitted IS
    'What the embedder learnt of the corpus for its queries; stored vectors do not depend on it. Opaque.';
COMMENT ON COLUMN embedding_spaces.fitted_of IS 'Which corpus the embedder learnt from: reference_corpus_version().';

CREATE TABLE reference_text_parts (
    content_hash bytea NOT NULL REFERENCES reference_texts ON DELETE CASCADE,
    space_id     integer NOT NULL REFERENCES embedding_spaces,
    ordinal      integer NOT NULL,
    part_hash    bytea NOT NULL REFERENCES reference_texts,
    PRIMARY KEY (content_hash, space_id, ordinal)
);
CREATE INDEX reference_text_parts_part ON reference_text_parts (part_hash);
COMMENT ON TABLE reference_text_parts IS
    'The passages that a text too long for a space''s model is cut into: what is embedded in its place, and pooled.';
CREATE TRIGGER reference_text_parts_went AFTER DELETE ON reference_text_parts
    REFERENCING OLD TABLE AS went FOR EACH STATEMENT EXECUTE FUNCTION reference_queue_parts();

CREATE TABLE bootstrap_batching (
    one     boolean PRIMARY KEY DEFAULT true CHECK (one),
    batches integer NOT NULL CHECK (batches > 0)
);
COMMENT ON TABLE bootstrap_batching IS
    'The number of batches that this corpus is divided into: BOOTSTRAP_BATCHES of the first run, until `bootstrap db batches`.';

CREATE TABLE bootstrap_batches (
    source           text NOT NULL,
    batch            integer NOT NULL,
    stage            text NOT NULL DEFAULT 'pending' CHECK (stage IN (
                         'pending', 'planned', 'embedding', 'embedded', 'stored', 'complete', 'failed')),
    attempts         integer NOT NULL DEFAULT 0,
    texts            integer NOT NULL DEFAULT 0,
    embedded         integer NOT NULL DEFAULT 0,
    failed           integer NOT NULL DEFAULT 0,
    tokens           bigint NOT NULL DEFAULT 0,
    cost_usd         numeric(12, 6) NOT NULL DEFAULT 0,
    lease_owner      text,
    heartbeat_at     timestamptz,
    stage_timestamps jsonb NOT NULL DEFAULT '{}',
    last_error       text,
    PRIMARY KEY (source, batch)
);
CREATE INDEX bootstrap_batches_at_work ON bootstrap_batches (heartbeat_at)
    WHERE stage IN ('embedding', 'embedded', 'stored');
COMMENT ON TABLE bootstrap_batches IS 'How far each batch of a source is, in the space that is filled.';
COMMENT ON COLUMN bootstrap_batches.failed IS 'Texts that are dead letters in the space that is filled.';

-- A text that one model refuses may be fine for another, so dead letters of vectors belong to a space.
CREATE TABLE bootstrap_failures (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source       text NOT NULL,
    source_id    text,
    document_id  uuid,
    content_hash bytea,
    stage        text NOT NULL CHECK (stage IN ('parse', 'embed', 'store')),
    class        text NOT NULL,
    message      text NOT NULL,
    place        text NOT NULL DEFAULT '',
    attempts     integer NOT NULL DEFAULT 1,
    first_seen   timestamptz NOT NULL DEFAULT now(),
    last_seen    timestamptz NOT NULL DEFAULT now(),
    resolved_at  timestamptz,
    space_id     integer REFERENCES embedding_spaces ON DELETE CASCADE,
    ignored_at   timestamptz,
    CHECK ((stage = 'parse') = (space_id IS NULL))
);
CREATE UNIQUE INDEX bootstrap_failures_parse_once
    ON bootstrap_failures (source, class, place, source_id) NULLS NOT DISTINCT WHERE stage = 'parse';
CREATE UNIQUE INDEX bootstrap_failures_text_once
    ON bootstrap_failures (space_id, source, content_hash, source_id) NULLS NOT DISTINCT WHERE stage <> 'parse';
CREATE INDEX bootstrap_failures_document ON bootstrap_failures (document_id) WHERE document_id IS NOT NULL;
CREATE INDEX bootstrap_failures_open ON bootstrap_failures (source) WHERE resolved_at IS NULL;
CREATE INDEX bootstrap_failures_text ON bootstrap_failures (content_hash) WHERE resolved_at IS NULL;
CREATE INDEX bootstrap_failures_resolved ON bootstrap_failures (resolved_at) WHERE resolved_at IS NOT NULL;
COMMENT ON TABLE bootstrap_failures IS 'Dead letters: records that are not in the corpus or have no vector, and why.';
COMMENT ON COLUMN bootstrap_failures.ignored_at IS 'When somebody said that this one is to be left as it is.';

-- A row is written before a request is sent, with the tokens it is expected to take, and corrected by the answer.
-- So the ledger also says what is in flight, for limits and budgets over all processes.
CREATE TABLE embedding_usage (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    space_id    integer NOT NULL REFERENCES embedding_spaces ON DELETE CASCADE,
    source      text,
    run_id      text,
    limiter     text NOT NULL DEFAULT '',
    lane        text NOT NULL DEFAULT '',
    texts       integer NOT NULL,
    estimated   bigint NOT NULL DEFAULT 0,
    tokens      bigint NOT NULL,
    cost_usd    numeric(12, 6) NOT NULL,
    seconds     double precision NOT NULL,
    outcome     text NOT NULL CHECK (outcome IN (
                    'in_flight', 'ok', 'rate_limited', 'failed', 'refused', 'denied', 'no_answer', 'bad_answer')),
    created_at  timestamptz NOT NULL DEFAULT now(),
    answered_at timestamptz
);
CREATE INDEX embedding_usage_limiter ON embedding_usage (limiter, created_at);
CREATE INDEX embedding_usage_run ON embedding_usage (run_id, id);
-- Of the last answers of a limiter, however many requests were refused since; likewise of a space.
CREATE INDEX embedding_usage_answered ON embedding_usage (limiter, created_at) WHERE outcome = 'ok' AND estimated > 0;
CREATE INDEX embedding_usage_space_answered ON embedding_usage (space_id, id) WHERE outcome = 'ok';
COMMENT ON TABLE embedding_usage IS 'One row per request to an embedding provider.';
COMMENT ON COLUMN embedding_usage.tokens IS 'Charged tokens; where no answer came back, the estimate, for it may have been charged.';

CREATE TABLE embedding_usage_daily (
    day            date NOT NULL,
    space_id       integer NOT NULL REFERENCES embedding_spaces ON DELETE CASCADE,
    source         text,
    requests       bigint NOT NULL,
    failed         bigint NOT NULL,
    limited        bigint NOT NULL,
    unanswered     bigint NOT NULL,
    texts          bigint NOT NULL,
    tokens         bigint NOT NULL,
    dollars        numeric NOT NULL,
    unsure_dollars numeric NOT NULL,
    UNIQUE NULLS NOT DISTINCT (day, space_id, source)
);
COMMENT ON TABLE embedding_usage_daily IS
    'Sums of the ledger''s rows that were pruned, by day (UTC), space and source: `bootstrap cost` adds them to the rest.';

CREATE TABLE embedding_budgets (
    run_id     text PRIMARY KEY,
    through    bigint NOT NULL,
    dollars    numeric NOT NULL,
    open       bigint[] NOT NULL,
    counted_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE embedding_budgets IS
    'What a run with a budget has spent up to the ledger''s row `through`, but for its `open` rows, which are in flight.';

CREATE TABLE embedding_limiters (
    name         text PRIMARY KEY,
    paused_until timestamptz NOT NULL DEFAULT '-infinity',
    full_until   timestamptz NOT NULL DEFAULT '-infinity'
);
COMMENT ON TABLE embedding_limiters IS
    'One row per account and model: locked while a request is admitted, and what a Retry-After says.';

CREATE TABLE embedding_lanes (
    limiter     text NOT NULL,
    lane        text NOT NULL,
    priority    integer NOT NULL,
    weight      double precision NOT NULL,
    tokens      bigint NOT NULL DEFAULT 0,
    waits_until timestamptz NOT NULL DEFAULT '-infinity',
    asked_at    timestamptz NOT NULL,
    PRIMARY KEY (limiter, lane)
);
COMMENT ON TABLE embedding_lanes IS
    'Who shares a limiter: a source, or a run for a tenant''s documents. While others wait it keeps to the share of its weight; a higher priority goes first.';

CREATE TABLE bootstrap_breakers (
    name        text PRIMARY KEY,
    open        boolean NOT NULL,
    reason      text NOT NULL,
    opened_at   timestamptz NOT NULL DEFAULT now(),
    retry_at    timestamptz NOT NULL,
    probe_until timestamptz NOT NULL DEFAULT '-infinity'
);
COMMENT ON TABLE bootstrap_breakers IS
    'Circuit breakers of providers and sources. From retry_at on, one request may try whether it works again.';

\i embedding/functions/embedding_reserve.sql

-- Tenants and their documents ----------------------------------------------------------------------------------------

CREATE TABLE bootstrap_tenants (
    name       text PRIMARY KEY CHECK (name ~ '^[a-z0-9][a-z0-9_.-]{0,62}$'),
    priority   integer NOT NULL DEFAULT 0,
    at_work    integer CHECK (at_work > 0),
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE bootstrap_tenants IS 'Whose documents are kept apart from each other.';
COMMENT ON COLUMN bootstrap_tenants.priority IS 'The greater, the sooner its documents are worked on.';
COMMENT ON COLUMN bootstrap_tenants.at_work IS 'Documents of it that may be worked on at once; NULL: as many as of all together.';

CREATE TABLE document_states (
    document_id      uuid PRIMARY KEY,
    tenant_id        text NOT NULL REFERENCES bootstrap_tenants ON DELETE CASCADE,
    name             text NOT NULL,
    version          bytea NOT NULL CHECK (octet_length(version) = 32),
    bytes            bigint NOT NULL,
    origin           text NOT NULL DEFAULT 'added' CHECK (origin IN ('added', 'inbox')),
    signature        text,
    stage            text NOT NULL DEFAULT 'pending' CHECK (stage IN (
                         'pending', 'extracting', 'extracted', 'chunking', 'chunked', 'embedding', 'embedded',
                         'connecting', 'complete', 'failed')),
    completed_stages jsonb NOT NULL DEFAULT '{}',
    stage_began_at   timestamptz,
    attempts         integer NOT NULL DEFAULT 0,
    error_class      text,
    reason           text,
    failed_stage     text,
    owner            text,
    heartbeat_at     timestamptz,
    is_cancelled     boolean NOT NULL DEFAULT false,
    pages            integer,
    passages         integer,
    connections      integer,
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tenant_id, name)
);
CREATE INDEX document_states_stage ON document_states (tenant_id, stage, created_at);
CREATE INDEX document_states_at_work ON document_states (heartbeat_at)
    WHERE stage IN ('extracting', 'chunking', 'embedding', 'connecting');
COMMENT ON TABLE document_states IS 'How far each document of a tenant is.';
COMMENT ON COLUMN document_states.document_id IS 'Made from tenant and name; never changes. From `chunked` on: reference_documents.id.';
COMMENT ON COLUMN document_states.version IS 'sha256 of its bytes: other bytes begin at `pending` again.';
COMMENT ON COLUMN document_states.origin IS 'inbox: it is forgotten when its file vanishes. added: it is removed by a command.';
COMMENT ON COLUMN document_states.signature IS 'Size and time of its file in the inbox, by which a changed one is noticed without reading all.';
COMMENT ON COLUMN document_states.completed_stages IS 'For each stage that is done, when and in how many seconds: {"extracted": {"at", "seconds"}}.';
COMMENT ON COLUMN document_states.attempts IS 'How often the work on it was begun since its bytes changed.';
COMMENT ON COLUMN document_states.failed_stage IS 'What was being done when it failed.';
COMMENT ON COLUMN document_states.reason IS 'Why it failed, for people.';

CREATE TABLE document_files (
    document_id uuid PRIMARY KEY REFERENCES document_states ON DELETE CASCADE,
    content     bytea NOT NULL
);
COMMENT ON TABLE document_files IS 'The bytes of a document, so that any machine can extract it, also again.';

CREATE TABLE document_extractions (
    document_id  uuid PRIMARY KEY REFERENCES document_states ON DELETE CASCADE,
    version      bytea NOT NULL,
    extractor    text NOT NULL,
    document     jsonb NOT NULL,
    extracted_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE document_extractions IS 'What was extracted of a document: text, positions, headings, findings.';
COMMENT ON COLUMN document_extractions.version IS 'sha256 of the bytes that it was extracted from.';
COMMENT ON COLUMN document_extractions.extractor IS 'Name and version of the extractor.';

\i documents/functions/document_is_stale.sql
\i documents/functions/document_lock.sql
\i documents/functions/reference_alike.sql

-- Search -------------------------------------------------------------------------------------------------------------
--
--     search_reference(query_text, query_embedding, k => 10, sources => '{cuad}', …)
--         reference_space      which vectors are searched, and with which weights
--         reference_question   the query's words with weights, and its vector, both widened by feedback
--         reference_rank       texts that pass the filters, ranked by vector (reference_nearest) and by text
--         reference_fold       which of them are one hit
--
-- docs/quality.md has the measurements behind the numbers, and says which have none.

CREATE TABLE reference_lexemes (
    lexeme text PRIMARY KEY,
    texts  integer NOT NULL
) WITH (fillfactor = 80);
COMMENT ON TABLE reference_lexemes IS 'In how many texts a word occurs; whole documents and templates are left out. Follows each load by the difference.';

CREATE TABLE reference_text_totals (
    one         boolean PRIMARY KEY DEFAULT true CHECK (one),
    texts       integer NOT NULL,
    tokens      bigint NOT NULL,
    mean_tokens double precision NOT NULL
                GENERATED ALWAYS AS (CASE WHEN texts > 0 THEN tokens::double precision / texts ELSE 100 END) STORED,
    impact_mean double precision
);
COMMENT ON TABLE reference_text_totals IS
    'Number and length of the texts that reference_lexemes counts (whole documents and templates left out).';

-- Not for applications either. A list is of a word and a pile, in blocks that fit into a row without being packed.
CREATE TABLE reference_postings (
    pile    text NOT NULL,
    lexeme  text NOT NULL,
    ceiling real NOT NULL,
    segment integer NOT NULL,
    numbers integer[] NOT NULL,
    impacts real[] NOT NULL
);
CREATE INDEX reference_postings_lists ON reference_postings (pile, lexeme, ceiling DESC);
CREATE INDEX reference_postings_segment ON reference_postings (segment);
COMMENT ON TABLE reference_postings IS
    'Which texts have a word, and what it adds to their scores, in blocks in falling order of that. The index step adds a segment, and merges segments; texts after the last one are compared one by one.';

CREATE TABLE reference_segments (
    segment integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    after   integer NOT NULL,
    through integer NOT NULL,
    texts   integer NOT NULL
);
COMMENT ON TABLE reference_segments IS
    'Texts that reference_postings lists together: those numbered more than after and at most through in reference_text_words.';

-- What an application reads. Promoting a space replaces the view; its columns never change, and of their types only
-- that of the vectors: it is the space's, so that the index is used through the view.
CREATE VIEW reference_embeddings WITH (security_invoker = true) AS
SELECT r.id, r.document_id, r.source, t.content, NULL::vector AS embedding, r.granularity, r.section_path,
       r.category, r.hypothesis_id, r.nli_label, r.content_hash, r.metadata
FROM reference_records r JOIN reference_texts t USING (content_hash)
WHERE false;

-- The vectors that are searched. Promoting a space replaces the view; the index is used through it.
CREATE VIEW reference_vectors WITH (security_invoker = true) AS SELECT NULL::bytea AS content_hash, NULL::vector AS embedding WHERE false;

CREATE TYPE reference_filters AS (
    sources text[], categories text[], granularities text[], labels text[], documents uuid[], phrase tsquery
);
COMMENT ON TYPE reference_filters IS
    'What a record must be to be found, in lower case, and the phrase that its text must hold. NULL lets everything through, an empty array nothing.';

CREATE TYPE reference_label AS (source text, label text, category text, hypothesis_id integer, likeness double precision);
COMMENT ON TYPE reference_label IS 'A label with a scorer that a query means, and how like its wording the query is, 0 to 1.';

CREATE TYPE reference_question AS (words text[], weights double precision[], embedding vector, label reference_label);
COMMENT ON TYPE reference_question IS
    'A query as it is searched for: lexemes with their weights (idf inside), a vector, and the label that it means. Each may be NULL.';

CREATE TYPE reference_space AS (
    id integer, vectors regclass, feedback boolean, ef_search integer,
    vector_weight double precision, text_weight double precision, context double precision
);
COMMENT ON TYPE reference_space IS 'A space as it is searched: where its vectors are read, and what embedding_spaces says of it.';

CREATE TYPE reference_ranked AS (
    content_hash bytea, score double precision,
    vector_rank bigint, vector_score double precision, text_rank bigint, text_score double precision,
    probability double precision
);
COMMENT ON TYPE reference_ranked IS 'A row of reference_rank.';

\i search/functions/reference_lower.sql
\i search/functions/reference_passes.sql
\i search/functions/reference_word.sql
\i search/functions/reference_phrase.sql
\i search/functions/reference_asked.sql
\i search/functions/reference_text_scores.sql
\i search/functions/reference_label_scores.sql
\i search/functions/reference_text_candidates.sql
\i search/functions/reference_labelled_texts.sql
\i search/functions/reference_few_texts.sql
\i search/functions/reference_space.sql
\i search/functions/reference_nearest.sql
\i search/functions/reference_vector_scores.sql
\i search/functions/reference_mean_vector.sql
\i search/functions/reference_label_of.sql
\i search/functions/reference_likely_texts.sql
\i search/functions/reference_likelihoods.sql
\i search/functions/reference_rank.sql
\i search/functions/reference_question.sql
\i search/functions/reference_fold.sql
\i search/functions/search_reference.sql

-- Evaluation ---------------------------------------------------------------------------------------------------------

CREATE TABLE evaluation_vectors (
    space_id     integer NOT NULL REFERENCES embedding_spaces ON DELETE CASCADE,
    input_type   text NOT NULL CHECK (input_type IN ('document', 'query')),
    content_hash bytea NOT NULL CHECK (octet_length(content_hash) = 32),
    embedding    vector NOT NULL,
    used_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (space_id, input_type, content_hash)
);
CREATE INDEX evaluation_vectors_used ON evaluation_vectors (used_at);
COMMENT ON TABLE evaluation_vectors IS
    'Vectors that only an evaluation needs, paid for once: of pieces of contracts that are no records, and of its questions.';
COMMENT ON COLUMN evaluation_vectors.used_at IS 'The last day an evaluation needed it; pruned when none has for long.';

CREATE TABLE evaluation_baseline (
    one         boolean PRIMARY KEY DEFAULT true CHECK (one),
    space       text NOT NULL,
    search      text NOT NULL,
    corpus      text NOT NULL,
    scores      jsonb NOT NULL,
    measured_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE evaluation_baseline IS
    'The scores that later evaluations are compared with: task, list, contract, label, a value for each metric.';
COMMENT ON COLUMN evaluation_baseline.search IS 'Digest of the SQL functions that searched.';
COMMENT ON COLUMN evaluation_baseline.corpus IS 'Which corpus was searched: reference_corpus_version().';

-- Labels -------------------------------------------------------------------------------------------------------------
--
-- What the reference corpus' own labels teach. Arrays are NumPy's npz, read with pickles refused.

CREATE TABLE label_features (
    source     text PRIMARY KEY,
    digest     text NOT NULL,
    arrays     bytea NOT NULL,
    corpus     text NOT NULL,
    splits     text[] NOT NULL,
    version    integer NOT NULL,
    contracts  integer NOT NULL,
    trained_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE label_features IS 'What the scorers of a source see of a text: words and word pairs, and how rare each is.';
COMMENT ON COLUMN label_features.digest IS 'Digest of the texts that they were learnt from.';
COMMENT ON COLUMN label_features.corpus IS 'Version of the source''s records that all its scorers are of.';
COMMENT ON COLUMN label_features.splits IS 'Splits of the data set that it was learnt from; empty where it has none.';
COMMENT ON COLUMN label_features.version IS 'Version of the code that learnt.';

CREATE TABLE label_scorers (
    source     text NOT NULL REFERENCES label_features ON DELETE CASCADE,
    label      text NOT NULL,
    wording    text NOT NULL,
    digest     text NOT NULL,
    arrays     bytea NOT NULL,
    quality    jsonb NOT NULL,
    version    integer NOT NULL,
    trained_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source, label)
);
COMMENT ON TABLE label_scorers IS 'A scorer for each label: a category, or the number of a hypothesis.';
COMMENT ON COLUMN label_scorers.digest IS 'Digest of the texts and labels that it was trained on: it is trained anew where that changed.';
COMMENT ON COLUMN label_scorers.quality IS 'How good it is on contracts that it was not trained on.';
COMMENT ON COLUMN label_scorers.version IS 'Version of the code that trained it.';

CREATE TABLE label_wordings (
    source        text NOT NULL,
    label         text NOT NULL,
    wording       text NOT NULL,
    category      text,
    hypothesis_id integer,
    lexemes       text[] NOT NULL,
    weight        double precision NOT NULL,
    PRIMARY KEY (source, label, wording),
    FOREIGN KEY (source, label) REFERENCES label_scorers ON DELETE CASCADE
);
COMMENT ON TABLE label_wordings IS 'How the labels that have scorers are put into words: a query like one of them means the label.';
COMMENT ON COLUMN label_wordings.lexemes IS 'Its lexemes.';
COMMENT ON COLUMN label_wordings.weight IS 'The sum of how rare they were when it was written.';

CREATE TABLE label_readings (
    document_id uuid PRIMARY KEY REFERENCES reference_documents ON DELETE CASCADE,
    scorers     text NOT NULL,
    records     bigint,
    created_at  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE label_readings IS 'The documents that scorers have read for the search, by which of them, and a digest of the records that they had; NULL for a tenant''s, whose labels say it.';

-- Not for applications, as reference_text_words.
CREATE TABLE label_likelihoods (
    content_hash bytea NOT NULL,
    source       text NOT NULL,
    label        text NOT NULL,
    document_id  uuid NOT NULL REFERENCES label_readings ON DELETE CASCADE,
    pile         text NOT NULL,
    probability  real NOT NULL,
    PRIMARY KEY (content_hash, source, label, document_id),
    FOREIGN KEY (source, label) REFERENCES label_scorers ON DELETE CASCADE
);
CREATE INDEX label_likelihoods_best ON label_likelihoods (source, label, pile, probability DESC);
CREATE INDEX label_likelihoods_document ON label_likelihoods (document_id);
COMMENT ON TABLE label_likelihoods IS
    'How likely it is, by its scorer, that a text has a label; of those where it is likely enough to be listed. A query that means the label gains the list.';
COMMENT ON COLUMN label_likelihoods.pile IS 'Whose document it is: empty for the reference corpus, else a tenant.';

CREATE TABLE label_baseline (
    one         boolean PRIMARY KEY DEFAULT true CHECK (one),
    scores      jsonb NOT NULL,
    measured_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE label_baseline IS
    'Average precisions that later scorers are compared with: source, contract, label.';

CREATE TABLE document_labels (
    document_id   uuid NOT NULL REFERENCES reference_documents ON DELETE CASCADE,
    source        text NOT NULL,
    label         text NOT NULL,
    wording       text NOT NULL,
    category      text,
    hypothesis_id integer,
    nli_label     text,
    is_there      boolean NOT NULL,
    probability   double precision,
    recall        double precision NOT NULL,
    confidence    text NOT NULL,
    places        jsonb NOT NULL,
    version       bytea NOT NULL,
    scorers       text NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (document_id, source, label)
);
COMMENT ON TABLE document_labels IS 'What a tenant''s document holds and what is missing in it: a row for each label.';
COMMENT ON COLUMN document_labels.document_id IS 'The document: reference_documents.id.';
COMMENT ON COLUMN document_labels.source IS 'The data set whose label it is.';
COMMENT ON COLUMN document_labels.label IS 'The category, or the number of the hypothesis.';
COMMENT ON COLUMN document_labels.wording IS 'The category, or the hypothesis in words.';
COMMENT ON COLUMN document_labels.category IS 'The category, where it is one.';
COMMENT ON COLUMN document_labels.hypothesis_id IS 'The number of the hypothesis, where it is one.';
COMMENT ON COLUMN document_labels.nli_label IS 'Of a hypothesis: Entailment, Contradiction or NotMentioned.';
COMMENT ON COLUMN document_labels.is_there IS 'Whether the document is said to hold it.';
COMMENT ON COLUMN document_labels.probability IS 'How sure that is: of a category that it is there, of a hypothesis nli_label; NULL where too few examples teach it.';
COMMENT ON COLUMN document_labels.recall IS 'Of contracts that have it, the share in which it is said to be there: what "not there" is worth.';
COMMENT ON COLUMN document_labels.confidence IS 'normal, or low where the text is in another language or empty.';
COMMENT ON COLUMN document_labels.places IS 'Where, the likeliest first: char_start, char_end, page, nli_label, probability.';
COMMENT ON COLUMN document_labels.version IS 'sha256 of the bytes that were read.';
COMMENT ON COLUMN document_labels.scorers IS 'Digest of the scorers that read it: it is read anew by others.';
COMMENT ON COLUMN document_labels.created_at IS 'When it was read.';

-- Row security -------------------------------------------------------------------------------------------------------
--
-- A role that reads for an application sees the reference corpus, and what belongs to the tenant that its transaction
-- has set (bootstrap.tenant). The owner too, unless it says that it is the pipeline (bootstrap.pipeline): our own
-- sessions do. Texts and vectors have no tenant, for each stands once: they are for whoever may see a record of theirs.
-- Row security is not forced on these two, so that search functions, which run as their owner and look at records
-- under row security, can use the indexes of words: PostgreSQL uses no index under row security whose operator is not
-- leakproof, and @@ is not.

DO $$
DECLARE
    owned text;
BEGIN
    FOREACH owned IN ARRAY '{reference_documents, reference_records, reference_texts, reference_text_parts,
                            reference_connections, document_states, document_labels, label_likelihoods}'::text[] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', owned);
        EXECUTE format('CREATE POLICY pipeline ON %I TO %I USING (current_setting(''bootstrap.pipeline'', true) = ''on'')',
                       owned, current_user);
    END LOOP;
    FOREACH owned IN ARRAY '{reference_documents, reference_records, reference_connections, document_states, document_labels, label_likelihoods}'::text[] LOOP
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', owned);
    END LOOP;
END $$;

CREATE POLICY tenant ON reference_documents FOR SELECT USING (reference_is_visible(tenant_id));
CREATE POLICY tenant ON reference_records FOR SELECT USING (reference_is_visible(tenant_id));
CREATE POLICY tenant ON document_states FOR SELECT USING (tenant_id = nullif(current_setting('bootstrap.tenant', true), ''));
CREATE POLICY tenant ON document_labels FOR SELECT USING (
    EXISTS (SELECT FROM reference_documents d WHERE d.id = document_labels.document_id));
CREATE POLICY tenant ON label_likelihoods FOR SELECT USING (pile IN ('', nullif(current_setting('bootstrap.tenant', true), '')));
CREATE POLICY tenant ON reference_connections FOR SELECT USING (
    EXISTS (SELECT FROM reference_records r WHERE r.id = from_record)
    AND EXISTS (SELECT FROM reference_records r WHERE r.id = to_record));
CREATE POLICY tenant ON reference_texts FOR SELECT USING (
    EXISTS (SELECT FROM reference_records r WHERE r.content_hash = reference_texts.content_hash)
    OR EXISTS (SELECT FROM reference_text_parts p JOIN reference_records r USING (content_hash)
               WHERE p.part_hash = reference_texts.content_hash));
CREATE POLICY tenant ON reference_text_parts FOR SELECT USING (
    EXISTS (SELECT FROM reference_records r WHERE r.content_hash = reference_text_parts.content_hash));

-- What the planner expects is told to whoever asks for a plan: no samples are kept of what is a tenant's own.
ALTER TABLE reference_documents ALTER source_id SET STATISTICS 0, ALTER title SET STATISTICS 0,
    ALTER raw_text SET STATISTICS 0, ALTER metadata SET STATISTICS 0, ALTER tenant_id SET STATISTICS 0,
    ALTER content_hash SET STATISTICS 0;
ALTER TABLE reference_records ALTER source_id SET STATISTICS 0, ALTER section_path SET STATISTICS 0,
    ALTER metadata SET STATISTICS 0;
ALTER TABLE reference_texts ALTER content SET STATISTICS 0;
ALTER TABLE document_labels ALTER document_id SET STATISTICS 0, ALTER nli_label SET STATISTICS 0, ALTER is_there SET STATISTICS 0,
    ALTER probability SET STATISTICS 0, ALTER confidence SET STATISTICS 0, ALTER places SET STATISTICS 0, ALTER version SET STATISTICS 0;
ALTER TABLE label_likelihoods ALTER content_hash SET STATISTICS 0, ALTER document_id SET STATISTICS 0, ALTER pile SET STATISTICS 0;
ALTER TABLE document_states ALTER name SET STATISTICS 0, ALTER tenant_id SET STATISTICS 0, ALTER reason SET STATISTICS 0,
    ALTER version SET STATISTICS 0, ALTER bytes SET STATISTICS 0;

-- Comments -----------------------------------------------------------------------------------------------------------
--
-- Of what users read, column by column; `\d+ reference_embeddings` in psql shows them. Replacing a view keeps them.

COMMENT ON VIEW reference_embeddings IS
    'The view to read: every record with its text and its vector in the active space. No rows before the first space was promoted.';
COMMENT ON COLUMN reference_embeddings.id IS 'Id of the record; never changes.';
COMMENT ON COLUMN reference_embeddings.document_id IS 'The document it stands in: reference_documents.id.';
COMMENT ON COLUMN reference_embeddings.source IS 'The data set: cuad, contract_nli, bonterms, commonaccord.';
COMMENT ON COLUMN reference_embeddings.content IS 'The text.';
COMMENT ON COLUMN reference_embeddings.embedding IS 'Its vector in the active space, of the type vector or halfvec, which is the space''s; <=> is the cosine distance, also from a vector.';
COMMENT ON COLUMN reference_embeddings.granularity IS 'Its size: document, template, section, clause or span.';
COMMENT ON COLUMN reference_embeddings.section_path IS 'Where it stands: headings from the outermost, joined.';
COMMENT ON COLUMN reference_embeddings.category IS 'The label of a clause, as CUAD names them; NULL where it has none.';
COMMENT ON COLUMN reference_embeddings.hypothesis_id IS 'Number of the hypothesis of ContractNLI that a span is evidence for or against.';
COMMENT ON COLUMN reference_embeddings.nli_label IS 'Entailment, Contradiction or NotMentioned, of that hypothesis.';
COMMENT ON COLUMN reference_embeddings.content_hash IS 'sha256 of the text''s UTF-8; records with the same text share it.';
COMMENT ON COLUMN reference_embeddings.metadata IS 'What else the source says of the record; {"invented": true} marks the sample.';

COMMENT ON VIEW reference_vectors IS 'The vectors of the active space, each distinct text once; the index is used through it.';
COMMENT ON COLUMN reference_vectors.content_hash IS 'The text: reference_texts.content_hash.';
COMMENT ON COLUMN reference_vectors.embedding IS 'Its vector; <=> is the cosine distance.';

COMMENT ON COLUMN reference_documents.id IS 'Made from source and source_id; never changes.';
COMMENT ON COLUMN reference_documents.source IS 'The data set: cuad, contract_nli, bonterms, commonaccord.';
COMMENT ON COLUMN reference_documents.source_id IS 'What the source calls it; unique within the source.';
COMMENT ON COLUMN reference_documents.title IS 'Its title, for people.';
COMMENT ON COLUMN reference_documents.raw_text IS 'Its whole text, into which char_start and char_end of its records point.';
COMMENT ON COLUMN reference_documents.licence IS 'The licence it is under.';
COMMENT ON COLUMN reference_documents.attribution IS 'Whom the licence asks to name.';
COMMENT ON COLUMN reference_documents.url IS 'Its address; empty where it has none.';
COMMENT ON COLUMN reference_documents.metadata IS 'What else the source says of it; {"invented": true} marks the sample.';
COMMENT ON COLUMN reference_documents.content_hash IS 'sha256 of raw_text in UTF-8.';
COMMENT ON COLUMN reference_documents.tenant_id IS 'Whose document it is; NULL for the reference corpus.';
COMMENT ON COLUMN reference_documents.created_at IS 'When it was first loaded.';
COMMENT ON COLUMN reference_documents.updated_at IS 'When a load last changed it.';

COMMENT ON COLUMN reference_texts.content_hash IS 'sha256 of the text''s UTF-8.';
COMMENT ON COLUMN reference_texts.content IS 'The text.';
COMMENT ON COLUMN reference_texts.tokens IS 'An estimate of its tokens.';
COMMENT ON COLUMN reference_texts.content_tsv IS 'Its words as the search looks them up.';
COMMENT ON COLUMN reference_texts.created_at IS 'When it was first loaded.';

COMMENT ON COLUMN reference_text_parts.content_hash IS 'The long text: reference_texts.content_hash.';
COMMENT ON COLUMN reference_text_parts.space_id IS 'The space for whose model it is too long: embedding_spaces.id.';
COMMENT ON COLUMN reference_text_parts.ordinal IS 'A number of the passage, from 0: its place in the text, unless it was cut once more.';
COMMENT ON COLUMN reference_text_parts.part_hash IS 'The passage: reference_texts.content_hash.';

COMMENT ON COLUMN reference_records.id IS 'Made from source and source_id; never changes.';
COMMENT ON COLUMN reference_records.document_id IS 'The document it stands in.';
COMMENT ON COLUMN reference_records.content_hash IS 'Its text: reference_texts.content_hash.';
COMMENT ON COLUMN reference_records.source IS 'The data set, as in its document.';
COMMENT ON COLUMN reference_records.source_id IS 'What the source calls it; unique within the source.';
COMMENT ON COLUMN reference_records.granularity IS 'Its size: document, template, section, clause or span.';
COMMENT ON COLUMN reference_records.section_path IS 'Where it stands: headings from the outermost, joined.';
COMMENT ON COLUMN reference_records.category IS 'The label of a clause, as CUAD names them; NULL where it has none.';
COMMENT ON COLUMN reference_records.hypothesis_id IS 'Number of the hypothesis of ContractNLI that a span is evidence for or against.';
COMMENT ON COLUMN reference_records.hypothesis IS 'That hypothesis.';
COMMENT ON COLUMN reference_records.nli_label IS 'Entailment, Contradiction or NotMentioned, of that hypothesis.';
COMMENT ON COLUMN reference_records.tenant_id IS 'Whose it is, as of its document; NULL for the reference corpus.';
COMMENT ON COLUMN reference_records.char_start IS 'Where it begins in raw_text, in characters from 0; NULL where it is not a piece of it.';
COMMENT ON COLUMN reference_records.char_end IS 'Where it ends in raw_text, exclusive.';
COMMENT ON COLUMN reference_records.metadata IS 'What else the source says of it; {"invented": true} marks the sample.';
COMMENT ON COLUMN reference_records.tenant_id IS 'Whose record it is; NULL for the reference corpus.';
COMMENT ON COLUMN reference_records.label_number IS 'A hash of category and hypothesis, by which records of a label are looked up.';
COMMENT ON COLUMN reference_records.label_tsv IS 'Words of category and hypothesis as the search looks them up.';
COMMENT ON COLUMN reference_records.created_at IS 'When it was first loaded.';
COMMENT ON COLUMN reference_records.updated_at IS 'When a load last changed it.';

COMMENT ON COLUMN reference_changes.document_id IS 'The document that the record is, or was, part of.';
COMMENT ON COLUMN reference_changes.source IS 'The data set that changed.';
COMMENT ON COLUMN reference_changes.source_id IS 'The record: reference_records.source_id, of then.';
COMMENT ON COLUMN reference_changes.change IS 'new, changed or deleted.';
COMMENT ON COLUMN reference_changes.granularity IS 'Its size.';
COMMENT ON COLUMN reference_changes.category IS 'Its label, if any.';
COMMENT ON COLUMN reference_changes.before IS 'The beginning of its text before; NULL where it is new.';
COMMENT ON COLUMN reference_changes.after IS 'The beginning of its text after; NULL where it was deleted.';
COMMENT ON COLUMN reference_changes.changed_at IS 'When that version was loaded.';

COMMENT ON TABLE reference_connections IS 'What records have to do with each other.';
COMMENT ON COLUMN reference_connections.from_record IS 'One record.';
COMMENT ON COLUMN reference_connections.to_record IS 'The other.';
COMMENT ON COLUMN reference_connections.kind IS 'What they have to do with each other.';
COMMENT ON COLUMN reference_connections.score IS 'How much.';
COMMENT ON COLUMN reference_connections.created_at IS 'When that was written.';

COMMENT ON COLUMN reference_lexemes.lexeme IS 'The word, as the search looks it up.';
COMMENT ON COLUMN reference_lexemes.texts IS 'Number of texts that have it.';
COMMENT ON COLUMN reference_text_totals.one IS 'The only row.';
COMMENT ON COLUMN reference_text_totals.texts IS 'Number of texts that were counted.';
COMMENT ON COLUMN reference_text_totals.tokens IS 'Their estimated tokens, all together.';
COMMENT ON COLUMN reference_text_totals.mean_tokens IS 'Their mean length, in estimated tokens.';

COMMENT ON COLUMN reference_text_totals.impact_mean IS 'The mean length by which reference_text_words was computed.';
COMMENT ON COLUMN reference_text_words.number IS 'By which lists name it; grows, and is never used again.';
COMMENT ON COLUMN reference_text_words.pile IS 'Who may find it, as reference_pile() gives it.';
COMMENT ON COLUMN reference_text_words.impacts IS 'By word (a hash of it); with reference_asked() their product is the score of the text.';
COMMENT ON COLUMN reference_postings.pile IS 'Whose texts they are: reference_text_words.pile.';
COMMENT ON COLUMN reference_postings.lexeme IS 'The word, as the search looks it up.';
COMMENT ON COLUMN reference_postings.ceiling IS 'The greatest of the impacts, which is the first.';
COMMENT ON COLUMN reference_postings.segment IS 'The segment: reference_segments.segment.';
COMMENT ON COLUMN reference_postings.numbers IS 'The texts: reference_text_words.number.';
COMMENT ON COLUMN reference_postings.impacts IS 'What the word adds to each of them.';
COMMENT ON COLUMN reference_segments.segment IS 'Its number.';
COMMENT ON COLUMN reference_segments.after IS 'The number before its first text.';
COMMENT ON COLUMN reference_segments.through IS 'The number of its last text.';
COMMENT ON COLUMN reference_segments.texts IS 'How many texts it had when it was made.';

COMMENT ON COLUMN bootstrap_findings.id IS 'Number of the finding.';
COMMENT ON COLUMN bootstrap_findings.document_id IS 'The document that it is about; NULL where it is about none.';
COMMENT ON COLUMN bootstrap_findings.source IS 'The data set.';
COMMENT ON COLUMN bootstrap_findings.source_id IS 'The document or record that it is about, where it is about one.';
COMMENT ON COLUMN bootstrap_findings.kind IS 'Its kind, in a word.';
COMMENT ON COLUMN bootstrap_findings.message IS 'What was noticed, for people.';
COMMENT ON COLUMN bootstrap_findings.place IS 'File and place in it.';

COMMENT ON COLUMN bootstrap_events.id IS 'Number of the event; in the order in which they were written.';
COMMENT ON COLUMN bootstrap_events.name IS 'What happened.';
COMMENT ON COLUMN bootstrap_events.payload IS 'Its fields.';
COMMENT ON COLUMN bootstrap_events.created_at IS 'When its transaction began.';

COMMENT ON COLUMN bootstrap_requests.id IS 'Number of the request, as `bootstrap request` prints it.';
COMMENT ON COLUMN bootstrap_requests.key IS 'What makes two requests the same while one is under way.';
COMMENT ON COLUMN bootstrap_requests.sources IS 'The data sets that were asked for; empty: all, where no tenant is named.';
COMMENT ON COLUMN bootstrap_requests.tenant IS 'Whose documents are asked for; null: data sets are.';
COMMENT ON COLUMN bootstrap_requests.force_refresh IS 'Whether publishers are asked for newer archives.';
COMMENT ON COLUMN bootstrap_requests.priority IS 'The greater, the sooner.';
COMMENT ON COLUMN bootstrap_requests.requested_by IS 'Who asked, as they say.';
COMMENT ON COLUMN bootstrap_requests.status IS 'requested, running, completed, completed_with_failures, failed or cancelled.';
COMMENT ON COLUMN bootstrap_requests.attempt IS 'How many times it was asked for: 1, and one more for each `bootstrap resume`.';
COMMENT ON COLUMN bootstrap_requests.cancelled IS 'Whether somebody asked for its end.';
COMMENT ON COLUMN bootstrap_requests.run_id IS 'The run of Dagster that it became.';
COMMENT ON COLUMN bootstrap_requests.message IS 'Why it failed, for people.';
COMMENT ON COLUMN bootstrap_requests.requested_at IS 'When it was asked for.';
COMMENT ON COLUMN bootstrap_requests.started_at IS 'When its run began.';
COMMENT ON COLUMN bootstrap_requests.finished_at IS 'When its run ended.';

COMMENT ON COLUMN bootstrap_completions.name IS 'The source, or reference_index.';
COMMENT ON COLUMN bootstrap_completions.version IS 'Version of what it held: archives, records, space and batches.';
COMMENT ON COLUMN bootstrap_completions.run_id IS 'The run of Dagster that ended well.';
COMMENT ON COLUMN bootstrap_completions.completed_at IS 'When it did.';

COMMENT ON COLUMN bootstrap_breakers.name IS 'The account or source that it keeps from being sent.';
COMMENT ON COLUMN bootstrap_breakers.open IS 'Whether it is open: then nothing is sent.';
COMMENT ON COLUMN bootstrap_breakers.reason IS 'Why it was opened, for people.';
COMMENT ON COLUMN bootstrap_breakers.opened_at IS 'When it was opened.';
COMMENT ON COLUMN bootstrap_breakers.retry_at IS 'From when on one request may try.';
COMMENT ON COLUMN bootstrap_breakers.probe_until IS 'Until when that request may take; no other tries meanwhile.';

-- Repositories -------------------------------------------------------------------------------------------------------

CREATE TABLE repository_blobs (
    oid      text NOT NULL,
    language text NOT NULL,
    version  integer NOT NULL,
    content  bytea NOT NULL,
    PRIMARY KEY (oid, language, version)
);
COMMENT ON TABLE repository_blobs IS 'What a parser said of a blob, whatever repositories and commits have it: it is parsed once.';
COMMENT ON COLUMN repository_blobs.oid IS 'The hash that git knows the blob by.';
COMMENT ON COLUMN repository_blobs.language IS 'The language that it was read as.';
COMMENT ON COLUMN repository_blobs.version IS 'The version of the readers (repositories/languages).';
COMMENT ON COLUMN repository_blobs.content IS 'Symbols and raw references: JSON, packed by zlib.';

CREATE TABLE repository_snapshots (
    repository text PRIMARY KEY,
    address    text NOT NULL,
    ref        text NOT NULL,
    commit_id  text NOT NULL,
    version    integer NOT NULL,
    tenant_id  text,
    indexed_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE repository_snapshots IS 'The commit that the index of each repository is of.';
COMMENT ON COLUMN repository_snapshots.repository IS 'The name that it was added by.';
COMMENT ON COLUMN repository_snapshots.address IS 'Where it is cloned from; it never holds a password.';
COMMENT ON COLUMN repository_snapshots.ref IS 'The ref that is followed; empty: the default branch.';
COMMENT ON COLUMN repository_snapshots.commit_id IS 'The commit.';
COMMENT ON COLUMN repository_snapshots.version IS 'The version of what read it.';
COMMENT ON COLUMN repository_snapshots.tenant_id IS 'Whose it is; NULL: everybody''s.';
COMMENT ON COLUMN repository_snapshots.indexed_at IS 'When this index took the place of the one before.';

CREATE TABLE repository_files (
    repository        text NOT NULL REFERENCES repository_snapshots ON DELETE CASCADE,
    path              text NOT NULL,
    oid               text NOT NULL,
    size              bigint NOT NULL,
    language          text NOT NULL,
    reason            text NOT NULL,
    lines             integer NOT NULL,
    cycle             integer,
    findings          jsonb NOT NULL,
    references_digest bytea NOT NULL,
    reach             text[] NOT NULL,
    PRIMARY KEY (repository, path)
);
COMMENT ON TABLE repository_files IS 'The files of a repository''s commit, read or not.';
COMMENT ON COLUMN repository_files.repository IS 'The repository.';
COMMENT ON COLUMN repository_files.path IS 'Its path; bytes that are no text stand there as \xff.';
COMMENT ON COLUMN repository_files.oid IS 'The hash that git knows its content by.';
COMMENT ON COLUMN repository_files.size IS 'Bytes; -1 where it was left out for its size, or is no file.';
COMMENT ON COLUMN repository_files.language IS 'Its language; empty where it was not read.';
COMMENT ON COLUMN repository_files.reason IS 'Why it was not read; empty where it was.';
COMMENT ON COLUMN repository_files.lines IS 'Lines, of what has a parser.';
COMMENT ON COLUMN repository_files.cycle IS 'Number of the cycle of dependencies that it is in; NULL: none.';
COMMENT ON COLUMN repository_files.findings IS 'What the parser noticed: [code, message, line] each.';
COMMENT ON COLUMN repository_files.references_digest IS 'Digest of its references: those of a file are written anew only when it changes.';
COMMENT ON COLUMN repository_files.reach IS 'The other files that were read to resolve its references: while these stay, so do they.';

CREATE TABLE repository_symbols (
    id             uuid PRIMARY KEY,
    repository     text NOT NULL,
    path           text NOT NULL,
    kind           text NOT NULL,
    qualified_name text NOT NULL,
    ordinal        integer NOT NULL,
    name           text NOT NULL,
    signature      text NOT NULL,
    docstring      text NOT NULL,
    line           integer NOT NULL,
    end_line       integer NOT NULL,
    visibility     text NOT NULL,
    FOREIGN KEY (repository, path) REFERENCES repository_files ON DELETE CASCADE
);
CREATE INDEX repository_symbols_path ON repository_symbols (repository, path);
CREATE INDEX repository_symbols_name ON repository_symbols USING hash (qualified_name);
COMMENT ON TABLE repository_symbols IS 'What the files of a repository define.';
COMMENT ON COLUMN repository_symbols.id IS 'Computed from repository, path, kind, qualified name and ordinal: it stays over commits.';
COMMENT ON COLUMN repository_symbols.repository IS 'The repository.';
COMMENT ON COLUMN repository_symbols.path IS 'The file.';
COMMENT ON COLUMN repository_symbols.kind IS 'function, class, method, section, key, table and so on.';
COMMENT ON COLUMN repository_symbols.qualified_name IS 'Its name with those of what it stands in.';
COMMENT ON COLUMN repository_symbols.ordinal IS 'Counts symbols of one file with the same kind and qualified name, from 0.';
COMMENT ON COLUMN repository_symbols.name IS 'Its own name.';
COMMENT ON COLUMN repository_symbols.signature IS 'Its definition up to the body, on one line.';
COMMENT ON COLUMN repository_symbols.docstring IS 'What is written about it in the code; of a section its text.';
COMMENT ON COLUMN repository_symbols.line IS 'Its first line, from 1.';
COMMENT ON COLUMN repository_symbols.end_line IS 'Its last line.';
COMMENT ON COLUMN repository_symbols.visibility IS 'public, private, exported or what else the language has.';

CREATE TABLE repository_references (
    repository text NOT NULL,
    path       text NOT NULL,
    line       integer NOT NULL,
    col        integer NOT NULL,
    name       text NOT NULL,
    kind       text NOT NULL,
    scope      text NOT NULL,
    to_path    text NOT NULL,
    to_name    text NOT NULL,
    to_line    integer NOT NULL,
    package    text NOT NULL,
    how        text NOT NULL,
    confidence real NOT NULL,
    FOREIGN KEY (repository, path) REFERENCES repository_files ON DELETE CASCADE
);
CREATE INDEX repository_references_path ON repository_references (repository, path);
CREATE INDEX repository_references_to ON repository_references USING hash (to_name) WHERE to_name <> '';
COMMENT ON TABLE repository_references IS 'What the files of a repository refer to, resolved or not.';
COMMENT ON COLUMN repository_references.repository IS 'The repository.';
COMMENT ON COLUMN repository_references.path IS 'The file that refers.';
COMMENT ON COLUMN repository_references.line IS 'The line, from 1.';
COMMENT ON COLUMN repository_references.col IS 'The byte in the line, from 0.';
COMMENT ON COLUMN repository_references.name IS 'The name that stands there.';
COMMENT ON COLUMN repository_references.kind IS 'call, import, inheritance or use.';
COMMENT ON COLUMN repository_references.scope IS 'Qualified name of the symbol around it; empty: the file.';
COMMENT ON COLUMN repository_references.to_path IS 'The file that it leads to; empty: not in the repository, or not known.';
COMMENT ON COLUMN repository_references.to_name IS 'Qualified name of the symbol that it leads to; empty: the file as a whole.';
COMMENT ON COLUMN repository_references.to_line IS 'The line of that symbol; 0 without one.';
COMMENT ON COLUMN repository_references.package IS 'What lies outside the repository and is meant; `builtins`: the language itself.';
COMMENT ON COLUMN repository_references.how IS 'How it was resolved: scope, file, import, package or unique; empty: it was not.';
COMMENT ON COLUMN repository_references.confidence IS 'How often what was resolved so is right, from 0 to 1.';

CREATE TABLE repository_dependencies (
    repository text NOT NULL,
    from_path  text NOT NULL,
    to_path    text NOT NULL,
    package    text NOT NULL,
    PRIMARY KEY (repository, from_path, to_path, package),
    FOREIGN KEY (repository, from_path) REFERENCES repository_files ON DELETE CASCADE
);
COMMENT ON TABLE repository_dependencies IS 'What the files of a repository depend on: a file of it, or a package.';
COMMENT ON COLUMN repository_dependencies.repository IS 'The repository.';
COMMENT ON COLUMN repository_dependencies.from_path IS 'The file that depends.';
COMMENT ON COLUMN repository_dependencies.to_path IS 'The file that it depends on; empty: a package.';
COMMENT ON COLUMN repository_dependencies.package IS 'The package that it depends on; empty: a file.';

CREATE TABLE repositories (
    name       text PRIMARY KEY,
    address    text NOT NULL,
    ref        text NOT NULL,
    tenant_id  text REFERENCES bootstrap_tenants,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX repositories_tenant ON repositories (tenant_id);
COMMENT ON TABLE repositories IS 'The repositories that are kept indexed.';
COMMENT ON COLUMN repositories.name IS 'The name that it was added by.';
COMMENT ON COLUMN repositories.address IS 'Where it is cloned from; it never holds a password.';
COMMENT ON COLUMN repositories.ref IS 'The ref that is followed; empty: the default branch.';
COMMENT ON COLUMN repositories.tenant_id IS 'Whose it is; NULL: everybody''s.';
COMMENT ON COLUMN repositories.created_at IS 'When it was added.';

CREATE TABLE index_jobs (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    repository     text NOT NULL REFERENCES repositories ON DELETE CASCADE,
    address        text NOT NULL,
    ref            text NOT NULL,
    revision       text NOT NULL,
    tenant_id      text,
    correlation_id text NOT NULL,
    status         text NOT NULL DEFAULT 'pending' CHECK (status IN (
                       'pending', 'processing', 'completed', 'completed_with_findings', 'failed', 'cancelled')),
    stage          text NOT NULL DEFAULT '',
    stage_seconds  jsonb NOT NULL DEFAULT '{}',
    commit_id      text NOT NULL DEFAULT '',
    attempts       integer NOT NULL DEFAULT 0,
    not_before     timestamptz NOT NULL DEFAULT '-infinity',
    files          integer,
    symbols        integer,
    "references"   integer,
    dependencies   integer,
    findings       integer,
    error_class    text,
    reason         text,
    owner          text,
    heartbeat_at   timestamptz,
    created_at     timestamptz NOT NULL DEFAULT now(),
    began_at       timestamptz,
    ended_at       timestamptz
);
-- Asking for the same commit while it is under way is one job.
CREATE UNIQUE INDEX index_jobs_under_way ON index_jobs (repository, revision) WHERE status IN ('pending', 'processing');
CREATE INDEX index_jobs_repository ON index_jobs (repository, id);
COMMENT ON TABLE index_jobs IS
    'What was asked to be indexed, and how that went. A failed one is a dead letter: it holds all that is needed to try again.';
COMMENT ON COLUMN index_jobs.id IS 'Number of the job.';
COMMENT ON COLUMN index_jobs.repository IS 'The repository.';
COMMENT ON COLUMN index_jobs.address IS 'Its address when the work on it last began.';
COMMENT ON COLUMN index_jobs.ref IS 'The ref that was followed then.';
COMMENT ON COLUMN index_jobs.revision IS 'The commit that was asked for; empty: that of the ref when the work begins.';
COMMENT ON COLUMN index_jobs.tenant_id IS 'Whose it is; NULL: everybody''s.';
COMMENT ON COLUMN index_jobs.correlation_id IS 'Stands in every line of the log that is about this job.';
COMMENT ON COLUMN index_jobs.status IS 'pending, processing, completed, completed_with_findings, failed or cancelled.';
COMMENT ON COLUMN index_jobs.stage IS 'The stage that began last: clone, discover, parse, symbols, references, dependencies, store or embed.';
COMMENT ON COLUMN index_jobs.stage_seconds IS 'Seconds of each stage that ended, of the last attempt.';
COMMENT ON COLUMN index_jobs.commit_id IS 'The commit that was indexed.';
COMMENT ON COLUMN index_jobs.attempts IS 'How often the work was begun.';
COMMENT ON COLUMN index_jobs.not_before IS 'When it is tried again, after an error that may pass.';
COMMENT ON COLUMN index_jobs.files IS 'Files that were read.';
COMMENT ON COLUMN index_jobs.symbols IS 'Symbols of the index.';
COMMENT ON COLUMN index_jobs."references" IS 'References of the index, resolved or not.';
COMMENT ON COLUMN index_jobs.dependencies IS 'Dependencies of the index, on files and on packages.';
COMMENT ON COLUMN index_jobs.findings IS 'What somebody should know of: files that do not parse, texts without a vector.';
COMMENT ON COLUMN index_jobs.error_class IS 'Class of the last error.';
COMMENT ON COLUMN index_jobs.reason IS 'The last error, for people; no password stands in it.';
COMMENT ON COLUMN index_jobs.owner IS 'The process that works on it.';
COMMENT ON COLUMN index_jobs.heartbeat_at IS 'Its last sign of life.';
COMMENT ON COLUMN index_jobs.created_at IS 'When it was asked for.';
COMMENT ON COLUMN index_jobs.began_at IS 'When the work on it last began.';
COMMENT ON COLUMN index_jobs.ended_at IS 'When it ended.';

\i repositories/functions/repository_swap.sql

-- Row security of repositories: as that of the corpus. Blobs are of all tenants: only the pipeline sees them.

DO $$
DECLARE
    owned text;
BEGIN
    FOREACH owned IN ARRAY '{repositories, index_jobs, repository_blobs, repository_snapshots, repository_files,
                            repository_symbols, repository_references, repository_dependencies}'::text[] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', owned);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', owned);
        EXECUTE format('CREATE POLICY pipeline ON %I TO %I USING (current_setting(''bootstrap.pipeline'', true) = ''on'')',
                       owned, current_user);
    END LOOP;
    FOREACH owned IN ARRAY '{repositories, index_jobs, repository_snapshots}'::text[] LOOP
        EXECUTE format('CREATE POLICY tenant ON %I FOR SELECT USING (reference_is_visible(tenant_id))', owned);
    END LOOP;
    FOREACH owned IN ARRAY '{repository_files, repository_symbols, repository_references, repository_dependencies}'::text[] LOOP
        EXECUTE format('CREATE POLICY tenant ON %I FOR SELECT USING (repository IN (SELECT repository FROM repository_snapshots))',
                       owned);
    END LOOP;
    -- What the planner expects is told to whoever asks for a plan: no samples are kept of what may be a tenant's own.
    FOR owned IN SELECT format('ALTER TABLE %I ALTER %I SET STATISTICS 0', c.relname, a.attname)
                 FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
                 WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'
                   AND (c.relname IN ('repositories', 'index_jobs') OR c.relname LIKE 'repository\_%') LOOP
        EXECUTE owned;
    END LOOP;
END $$;
