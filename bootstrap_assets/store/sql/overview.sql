-- What a source holds, for people, and versions of its content.

-- name: count_labels
-- A label of ContractNLI is that of its hypothesis; CUAD's is the category.
SELECT coalesce(nli_label, category), count(*) FROM reference_records
WHERE source = %(source)s AND coalesce(nli_label, category) IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1

-- name: count_granularities
SELECT granularity, count(*) FROM reference_records WHERE source = %(source)s GROUP BY 1 ORDER BY 1

-- name: invented_sources
SELECT source, bool_and(metadata @> %(mark)s) FROM reference_documents
GROUP BY source HAVING bool_or(metadata @> %(mark)s) ORDER BY source

-- name: origins
SELECT licence, attribution, metadata @> %(mark)s, count(*) FROM reference_documents
WHERE source = %(source)s GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2

-- name: batch_versions
SELECT reference_batch(content_hash, %(count)s), string_agg(content_hash, ''::bytea ORDER BY content_hash)
FROM (SELECT DISTINCT content_hash FROM reference_records WHERE source = %(source)s) t GROUP BY 1

-- name: records_version
-- Everything of a record that a reader sees, in the order of its id.
SELECT encode(sha256(coalesce(string_agg(sha256(convert_to(r.id || ':' || encode(r.content_hash, 'hex') || jsonb_build_array(
        granularity, section_path, category, hypothesis_id, hypothesis, nli_label, char_start, char_end, metadata
    )::text, 'UTF8')), ''::bytea ORDER BY r.id), ''::bytea)), 'hex')
FROM reference_records r WHERE r.source = %(source)s

-- name: vectors_version
SELECT encode(sha256(coalesce(string_agg(content_hash, ''::bytea ORDER BY content_hash), ''::bytea)), 'hex')
FROM {vectors}
