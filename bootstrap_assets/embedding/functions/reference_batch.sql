CREATE OR REPLACE FUNCTION reference_batch(content_hash bytea, batches integer) RETURNS integer
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN (get_byte(content_hash, 0) * 256 + get_byte(content_hash, 1)) * batches / 65536;
COMMENT ON FUNCTION reference_batch IS 'The batch of a text: the range of its hash. batches.batch_of in Python is the same.';
