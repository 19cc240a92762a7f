CREATE OR REPLACE FUNCTION reference_passes(
    source text, category text, granularity text, nli_label text, document_id uuid, f reference_filters
) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ((f).sources IS NULL OR source = ANY ((f).sources))
   AND ((f).categories IS NULL OR lower(category) = ANY ((f).categories))
   AND ((f).granularities IS NULL OR granularity = ANY ((f).granularities))
   AND ((f).labels IS NULL OR lower(nli_label) = ANY ((f).labels))
   AND ((f).documents IS NULL OR document_id = ANY ((f).documents));
COMMENT ON FUNCTION reference_passes IS 'Whether a record passes the filters of a search, but for the phrase, which its text has to hold.';
