CREATE OR REPLACE FUNCTION bootstrap_record_digest(r reference_records) RETURNS bigint
LANGUAGE sql STABLE PARALLEL SAFE
RETURN ('x' || left(md5(concat_ws(E'\x1f',
    (r).id, (r).document_id, encode((r).content_hash, 'hex'), (r).source_id, (r).granularity,
    coalesce((r).section_path, ''), coalesce((r).category, ''), coalesce((r).hypothesis_id::text, ''),
    coalesce((r).hypothesis, ''), coalesce((r).nli_label, ''), coalesce((r).char_start::text, ''),
    coalesce((r).char_end::text, ''))), 16))::bit(64)::bigint;
COMMENT ON FUNCTION bootstrap_record_digest IS '64 bits of what must not be lost of a record.';
