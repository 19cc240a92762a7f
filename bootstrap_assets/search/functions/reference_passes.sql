CREATE OR REPLACE FUNCTION reference_passes(
    source text, category text, granularity text, nli_label text, document_id uuid, tenant_id text,
    f reference_filters
) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
RETURN reference_is_visible(tenant_id)
   AND ((f).sources IS NULL OR source = ANY ((f).sources))
   AND ((f).categories IS NULL OR lower(category) = ANY ((f).categories))
   AND ((f).granularities IS NULL OR granularity = ANY ((f).granularities))
   AND ((f).labels IS NULL OR lower(nli_label) = ANY ((f).labels))
   AND ((f).documents IS NULL OR document_id = ANY ((f).documents));
COMMENT ON FUNCTION reference_passes IS 'Whether a record is for this transaction (see reference_is_visible) and passes the filters of a search, but for the phrase, which its text has to hold.';
