-- The corpus, the state of the work, and the ledger. DESIGN: documents, texts and records are apart, so that
-- one text under two labels is two records, one text and one vector.

CREATE FUNCTION reference_batch(content_hash bytea, batches integer) RETURNS integer
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN (get_byte(content_hash, 0) * 256 + get_byte(content_hash, 1)) * batches / 65536;
COMMENT ON FUNCTION reference_batch IS 'The batch of a text: the range of its hash. batches.batch_of in Python is the same.';

-- A tsvector holds at most 1 MB. 200,000 characters always fit; the passages of a longer document cover the rest.
CREATE FUNCTION reference_tsvector(content text) RETURNS tsvector
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN to_tsvector('pg_catalog.english'::regconfig, left(content, 200000));

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
COMMENT ON TABLE reference_documents IS 'One row per contract, template or file.';

CREATE TABLE reference_texts (
    content_hash bytea PRIMARY KEY CHECK (octet_length(content_hash) = 32),
    content      text NOT NULL,
    tokens       integer NOT NULL,
    content_tsv  tsvector GENERATED ALWAYS AS (reference_tsvector(content)) STORED,
    created_at   timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE reference_texts IS 'Each distinct text once. content_hash is sha256 of its UTF-8; tokens is an estimate.';

CREATE TABLE reference_text_parts (
    content_hash bytea NOT NULL REFERENCES reference_texts ON DELETE CASCADE,
    ordinal      integer NOT NULL,
    part_hash    bytea NOT NULL REFERENCES reference_texts,
    PRIMARY KEY (content_hash, ordinal)
);
CREATE INDEX reference_text_parts_part ON reference_text_parts (part_hash);
COMMENT ON TABLE reference_text_parts IS 'The passages a long text is cut into, in order: what is embedded and pooled where the text does not fit a model.';

CREATE TABLE reference_records (
    id            uuid PRIMARY KEY,
    document_id   uuid NOT NULL REFERENCES reference_documents ON DELETE CASCADE,
    content_hash  bytea NOT NULL REFERENCES reference_texts,
    source        text NOT NULL,
    source_id     text NOT NULL,
    granularity   text NOT NULL CHECK (granularity IN ('document', 'template', 'section', 'clause', 'span')),
    section_path  text,
    category      text,
    hypothesis_id integer,
    hypothesis    text,
    nli_label     text CHECK (nli_label IN ('Entailment', 'Contradiction', 'NotMentioned')),
    char_start    integer,
    char_end      integer,
    metadata      jsonb NOT NULL DEFAULT '{}',
    label_tsv     tsvector GENERATED ALWAYS AS (
                      reference_tsvector(coalesce(category, '') || ' ' || coalesce(hypothesis, ''))) STORED,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (source, source_id),
    CHECK ((char_start IS NULL) = (char_end IS NULL) AND char_start <= char_end)
);
CREATE INDEX reference_records_text ON reference_records (content_hash, source);
CREATE INDEX reference_records_document ON reference_records (document_id);
COMMENT ON TABLE reference_records IS 'What a text is: its place in a document and its label.';

CREATE TABLE embedding_spaces (
    id               integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name             text NOT NULL UNIQUE,
    provider         text NOT NULL,
    model            text NOT NULL,
    dimensions       integer NOT NULL CHECK (dimensions > 0),
    element_type     text NOT NULL DEFAULT 'vector' CHECK (element_type IN ('vector', 'halfvec')),
    table_name       text NOT NULL UNIQUE,
    state            text NOT NULL DEFAULT 'building' CHECK (state IN ('building', 'active', 'retired')),
    index_parameters jsonb NOT NULL DEFAULT '{}',
    quality          jsonb NOT NULL DEFAULT '{}',
    created_at       timestamptz NOT NULL DEFAULT now(),
    promoted_at      timestamptz,
    UNIQUE (provider, model, dimensions, element_type)
);
CREATE UNIQUE INDEX embedding_spaces_one_active ON embedding_spaces (state) WHERE state = 'active';
COMMENT ON TABLE embedding_spaces IS 'A model''s vectors. Only the active space is searched; one that is being built is promoted when it is complete.';

CREATE TABLE bootstrap_progress (
    source              text PRIMARY KEY,
    status              text NOT NULL DEFAULT 'pending'
                        CHECK (status IN ('pending', 'in_progress', 'completed', 'failed')),
    total_records       bigint NOT NULL DEFAULT 0,
    processed_records   bigint NOT NULL DEFAULT 0,
    embedded_records    bigint NOT NULL DEFAULT 0,
    error_count         bigint NOT NULL DEFAULT 0,
    last_processed_hash bytea,
    last_batch_index    integer,
    fingerprint         text,
    message             text,
    heartbeat_at        timestamptz,
    started_at          timestamptz,
    completed_at        timestamptz,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN bootstrap_progress.fingerprint IS 'What the records were parsed from: archives, parser version and options.';

CREATE TABLE bootstrap_batches (
    source           text NOT NULL,
    batch            integer NOT NULL,
    stage            text NOT NULL DEFAULT 'pending'
                     CHECK (stage IN ('pending', 'planned', 'embedding', 'embedded', 'stored', 'complete', 'failed')),
    attempts         integer NOT NULL DEFAULT 0,
    texts            integer NOT NULL DEFAULT 0,
    embedded         integer NOT NULL DEFAULT 0,
    tokens           bigint NOT NULL DEFAULT 0,
    cost_usd         numeric(12, 6) NOT NULL DEFAULT 0,
    lease_owner      text,
    heartbeat_at     timestamptz,
    stage_timestamps jsonb NOT NULL DEFAULT '{}',
    last_error       text,
    PRIMARY KEY (source, batch)
);

CREATE TABLE bootstrap_failures (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source       text NOT NULL,
    source_id    text,
    content_hash bytea,
    stage        text NOT NULL CHECK (stage IN ('parse', 'embed', 'store')),
    class        text NOT NULL,
    message      text NOT NULL,
    place        text NOT NULL DEFAULT '',
    attempts     integer NOT NULL DEFAULT 1,
    first_seen   timestamptz NOT NULL DEFAULT now(),
    last_seen    timestamptz NOT NULL DEFAULT now(),
    resolved_at  timestamptz
);
CREATE UNIQUE INDEX bootstrap_failures_once
    ON bootstrap_failures (source, stage, class, place, source_id, content_hash) NULLS NOT DISTINCT;
CREATE INDEX bootstrap_failures_open ON bootstrap_failures (source) WHERE resolved_at IS NULL;
COMMENT ON TABLE bootstrap_failures IS 'Dead letters: records that are not in the corpus or have no vector, and why.';

CREATE TABLE bootstrap_findings (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source    text NOT NULL,
    source_id text,
    kind      text NOT NULL,
    message   text NOT NULL,
    place     text NOT NULL
);
CREATE INDEX bootstrap_findings_source ON bootstrap_findings (source, kind);
COMMENT ON TABLE bootstrap_findings IS 'Warnings of the last parse of a source: nothing was lost, but somebody may want to know.';

CREATE TABLE bootstrap_events (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text NOT NULL,
    payload    jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE bootstrap_events IS 'Outbox of events, written in the transaction of the change they tell of.';

CREATE TABLE embedding_usage (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    space_id   integer NOT NULL REFERENCES embedding_spaces ON DELETE CASCADE,
    source     text,
    texts      integer NOT NULL,
    tokens     bigint NOT NULL,
    cost_usd   numeric(12, 6) NOT NULL,
    seconds    double precision NOT NULL,
    outcome    text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE embedding_usage IS 'One row per request to an embedding provider.';

CREATE TABLE reference_connections (
    from_record uuid NOT NULL REFERENCES reference_records ON DELETE CASCADE,
    to_record   uuid NOT NULL REFERENCES reference_records ON DELETE CASCADE,
    kind        text NOT NULL,
    score       double precision NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (from_record, to_record, kind)
);
CREATE INDEX reference_connections_to ON reference_connections (to_record);

-- What an application reads. Promoting a space replaces the view; its columns and their types never change.
CREATE VIEW reference_embeddings AS
SELECT r.id, r.document_id, r.source, t.content, NULL::vector AS embedding, r.granularity, r.section_path,
       r.category, r.hypothesis_id, r.nli_label, r.content_hash, r.metadata
FROM reference_records r JOIN reference_texts t USING (content_hash)
WHERE false;
