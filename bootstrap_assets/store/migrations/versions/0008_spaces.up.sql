-- Functions whose names were looked up by the caller's search_path. A body in SQL's own form is bound when it is made.

CREATE OR REPLACE FUNCTION bootstrap_stored(IN of_source text, OUT records bigint, OUT digest bigint)
LANGUAGE sql STABLE PARALLEL SAFE BEGIN ATOMIC
    SELECT count(*), coalesce(bit_xor(('x' || left(md5(concat_ws(E'\x1f',
        r.id, r.document_id, encode(r.content_hash, 'hex'), r.source_id, r.granularity,
        coalesce(r.section_path, ''), coalesce(r.category, ''), coalesce(r.hypothesis_id::text, ''),
        coalesce(r.hypothesis, ''), coalesce(r.nli_label, ''), coalesce(r.char_start::text, ''),
        coalesce(r.char_end::text, ''))), 16))::bit(64)::bigint), 0)
    FROM reference_records r WHERE r.source = of_source;
END;

CREATE OR REPLACE FUNCTION reference_corpus_version() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN (SELECT count(*) || ' ' || coalesce(extract(epoch FROM max(created_at))::text, '') FROM reference_texts);

CREATE OR REPLACE FUNCTION bootstrap_notify() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_notify('bootstrap_events', NEW.id || ' ' || NEW.name);
    RETURN NULL;
END $$;

ALTER TABLE embedding_spaces ADD COLUMN fitted_of text;
COMMENT ON COLUMN embedding_spaces.fitted_of IS 'Which corpus the embedder learnt from: reference_corpus_version().';
