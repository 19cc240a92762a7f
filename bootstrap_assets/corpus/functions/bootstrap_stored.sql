CREATE OR REPLACE FUNCTION bootstrap_stored(IN of_source text, OUT records bigint, OUT digest bigint)
LANGUAGE sql STABLE PARALLEL SAFE BEGIN ATOMIC
    SELECT count(*), coalesce(bit_xor(bootstrap_record_digest(r)), 0) FROM reference_records r WHERE r.source = of_source;
END;
COMMENT ON FUNCTION bootstrap_stored IS
    'Records of a source, and the exclusive or of their digests, as bootstrap_progress has them of the load.';
