-- What `bootstrap evaluate` keeps from one time to the next.

CREATE TABLE evaluation_vectors (
    space_id     integer NOT NULL REFERENCES embedding_spaces ON DELETE CASCADE,
    input_type   text NOT NULL CHECK (input_type IN ('document', 'query')),
    content_hash bytea NOT NULL CHECK (octet_length(content_hash) = 32),
    embedding    vector NOT NULL,
    PRIMARY KEY (space_id, input_type, content_hash)
);
COMMENT ON TABLE evaluation_vectors IS
    'Vectors that only an evaluation needs, paid for once: of pieces of contracts that are no records, and of its questions.';

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
