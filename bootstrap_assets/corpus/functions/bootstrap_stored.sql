CREATE OR REPLACE FUNCTION bootstrap_stored(IN of_source text, OUT records bigint, OUT digest bigint)
LANGUAGE sql STABLE PARALLEL SAFE BEGIN ATOMIC
    SELECT count(*), coalesce(bit_xor(('x' || left(md5(concat_ws(E'\x1f',
        r.id, r.document_id, encode(r.content_hash, 'hex'), r.source_id, r.granularity,
        coalesce(r.section_path, ''), coalesce(r.category, ''), coalesce(r.hypothesis_id::text, ''),
        coalesce(r.hypothesis, ''), coalesce(r.nli_label, ''), coalesce(r.char_start::text, ''),
        coalesce(r.char_end::text, ''))), 16))::bit(64)::bigint), 0)
    FROM reference_records r WHERE r.source = of_source;
END;
COMMENT ON FUNCTION bootstrap_stored IS
    'Records of a source, and the exclusive or of their digests, as bootstrap_progress has them of the load.';
