-- ----------------------------------------------------------------------------------------------------
-- Questions about the state of a corpus; nothing here changes anything. {vectors} is the space's table.

-- name: stored_manifest
-- What the last load parsed, against what is stored; and whether the former is known.
SELECT coalesce(p.parsed_records, p.total_records, 0), stored.records, coalesce(p.parsed_digest = stored.digest, true),
       p.fingerprint IS NOT NULL OR stored.records = 0
FROM bootstrap_stored(%(source)s) stored LEFT JOIN bootstrap_progress p ON p.source = %(source)s

-- name: loaded_from
SELECT fingerprint FROM bootstrap_progress WHERE source = %(source)s

-- name: stored_records
SELECT id, source_id FROM reference_records WHERE source = %(source)s

-- name: present_labels
SELECT CASE WHEN hypothesis_id IS NOT NULL THEN hypothesis_id::text ELSE category END, count(*)
FROM reference_records
WHERE source = %(source)s AND coalesce(hypothesis_id::text, category) IS NOT NULL GROUP BY 1

-- name: offsets_by_document
SELECT d.raw_text, array_agg(r.source_id), array_agg(r.char_start), array_agg(r.char_end), array_agg(r.content_hash)
FROM reference_documents d JOIN reference_records r ON r.document_id = d.id
WHERE d.source = %(source)s AND r.char_start IS NOT NULL GROUP BY d.id

-- ----------------------------------------------------------------------------------------------------
-- The records stage: copy what was staged, then merge, in one transaction. What is staged is named by pg_temp: a table
-- of the same name may be the user's own. {records} and {documents} are the rows of the scope (corpus/scope.py): each
-- statement touches these, and what they point at, alone.

-- name: create_staging
DROP TABLE IF EXISTS pg_temp.stage_documents, pg_temp.stage_texts, pg_temp.stage_records, pg_temp.stage_gone,
    pg_temp.stage_come;
CREATE TEMP TABLE pg_temp.stage_documents (
    id uuid PRIMARY KEY, source_id text, title text, raw_text text, licence text, attribution text, url text,
    metadata jsonb, content_hash bytea
) ON COMMIT DROP;
CREATE TEMP TABLE pg_temp.stage_texts (content_hash bytea, content text, tokens integer) ON COMMIT DROP;
CREATE TEMP TABLE pg_temp.stage_gone (source_id text, content_hash bytea) ON COMMIT DROP;
CREATE TEMP TABLE pg_temp.stage_come (content_hash bytea) ON COMMIT DROP;
CREATE TEMP TABLE pg_temp.stage_records (
    id uuid PRIMARY KEY, document_id uuid, content_hash bytea, source_id text, granularity text,
    section_path text, category text, hypothesis_id integer, hypothesis text, nli_label text,
    char_start integer, char_end integer, metadata jsonb, section_hash bytea
) ON COMMIT DROP

-- name: settle_staging
-- A text that comes again, far from the first time, was staged again.
DELETE FROM pg_temp.stage_texts a USING pg_temp.stage_texts b
WHERE a.content_hash = b.content_hash AND a.ctid > b.ctid;
ANALYZE pg_temp.stage_documents, pg_temp.stage_texts, pg_temp.stage_records

-- name: count_vanishing
SELECT count(*), count(*) FILTER (WHERE NOT EXISTS (SELECT 1 FROM pg_temp.stage_records s WHERE s.id = r.id))
FROM reference_records r WHERE {records}

-- name: beyond_scope
-- What was staged for documents that the scope does not hold, or would take a record away from one.
SELECT source_id FROM pg_temp.stage_documents WHERE id <> ALL (%(documents)s)
UNION ALL
SELECT s.source_id FROM pg_temp.stage_records s WHERE s.document_id <> ALL (%(documents)s)
UNION ALL
SELECT s.source_id FROM pg_temp.stage_records s JOIN reference_records r USING (id)
WHERE r.document_id <> ALL (%(documents)s)
LIMIT 1

-- name: stored_of_scope
SELECT count(*), coalesce(bit_xor(bootstrap_record_digest(r)), 0) FROM reference_records r WHERE {records}

-- name: remember_gone
-- Texts that a record of the scope no longer has, and parts that they no longer have: nobody may need them any more.
-- OFFSET 0 keeps the planner, which cannot know how few they are, from reading all parts.
WITH RECURSIVE gone (source_id, content_hash) AS (
    SELECT r.source_id, r.content_hash FROM reference_records r
    WHERE {records}
      AND NOT EXISTS (SELECT 1 FROM pg_temp.stage_records s WHERE s.id = r.id AND s.content_hash = r.content_hash)
    UNION
    SELECT NULL, p.part_hash FROM gone g CROSS JOIN LATERAL (
        SELECT part_hash FROM reference_text_parts WHERE content_hash = g.content_hash OFFSET 0) p
)
INSERT INTO pg_temp.stage_gone (source_id, content_hash)
SELECT source_id, content_hash FROM gone

-- name: analyze_gone
ANALYZE pg_temp.stage_gone

-- name: remember_changes
-- Before the merge, while both are there. Of a tenant's documents none: excerpts would outlive the tenant. Whole documents and templates change with any of their records: of them
-- only the fact is kept. A record that only moved is not changed.
INSERT INTO reference_changes (source, source_id, document_id, change, granularity, category, before, after)
SELECT %(source)s, coalesce(s.source_id, r.source_id), coalesce(s.document_id, r.document_id),
       CASE WHEN r.id IS NULL THEN 'new' WHEN s.id IS NULL THEN 'deleted' ELSE 'changed' END,
       coalesce(s.granularity, r.granularity), coalesce(s.category, r.category),
       CASE WHEN r.granularity NOT IN ('document', 'template') THEN left(b.content, %(excerpt)s) END,
       CASE WHEN s.granularity NOT IN ('document', 'template') THEN left(a.content, %(excerpt)s) END
FROM pg_temp.stage_records s FULL JOIN (SELECT * FROM reference_records WHERE {records}) r ON r.id = s.id
LEFT JOIN pg_temp.stage_texts a ON a.content_hash = s.content_hash
LEFT JOIN reference_texts b ON b.content_hash = r.content_hash
WHERE %(tenant)s::text IS NULL AND EXISTS (SELECT 1 FROM reference_records WHERE source = %(source)s)
  AND (r.content_hash, r.granularity, r.category, r.hypothesis_id, r.nli_label)
      IS DISTINCT FROM (s.content_hash, s.granularity, s.category, s.hypothesis_id, s.nli_label)

-- name: forget_changes
-- Those of the versions before: what is told is the last step.
DELETE FROM reference_changes WHERE {records}
  AND changed_at < (SELECT max(changed_at) FROM reference_changes WHERE {records})

-- name: remember_come
-- Texts that a record of the scope will have and has not yet: nobody may delete them meanwhile.
INSERT INTO pg_temp.stage_come (content_hash)
SELECT DISTINCT content_hash FROM pg_temp.stage_records s
WHERE NOT EXISTS (SELECT 1 FROM reference_records r WHERE r.id = s.id AND r.content_hash = s.content_hash)

-- name: analyze_come
ANALYZE pg_temp.stage_come

-- name: hold_texts
-- In the order of their hashes, as all do that wait for texts of others. Loads do not exclude each other here.
SELECT t.content_hash FROM reference_texts t JOIN pg_temp.stage_come c USING (content_hash)
ORDER BY t.content_hash FOR KEY SHARE OF t

-- name: merge_texts
-- A text that another load brings at this moment is waited for.
INSERT INTO reference_texts (content_hash, content, tokens, created_at)
SELECT content_hash, content, tokens, statement_timestamp() FROM pg_temp.stage_texts ORDER BY content_hash
ON CONFLICT (content_hash) DO NOTHING

-- name: merge_documents
INSERT INTO reference_documents AS d
    (id, source, source_id, title, raw_text, licence, attribution, url, metadata, content_hash, tenant_id)
SELECT id, %(source)s, source_id, title, raw_text, licence, attribution, url, metadata, content_hash, %(tenant)s
FROM pg_temp.stage_documents
ON CONFLICT (id) DO UPDATE SET
    title = EXCLUDED.title, raw_text = EXCLUDED.raw_text, licence = EXCLUDED.licence,
    attribution = EXCLUDED.attribution, url = EXCLUDED.url, metadata = EXCLUDED.metadata,
    content_hash = EXCLUDED.content_hash, updated_at = now()
WHERE (d.title, d.content_hash, d.licence, d.attribution, d.url, d.metadata)
    IS DISTINCT FROM (EXCLUDED.title, EXCLUDED.content_hash, EXCLUDED.licence, EXCLUDED.attribution,
                      EXCLUDED.url, EXCLUDED.metadata)

-- name: merge_records
WITH merged AS (
    INSERT INTO reference_records AS r
        (id, document_id, content_hash, source, source_id, granularity, section_path, category, hypothesis_id,
         hypothesis, nli_label, char_start, char_end, metadata, section_hash, tenant_id)
    SELECT id, document_id, content_hash, %(source)s, source_id, granularity, section_path, category,
           hypothesis_id, hypothesis, nli_label, char_start, char_end, metadata, section_hash, %(tenant)s
    FROM pg_temp.stage_records
    ON CONFLICT (id) DO UPDATE SET
        document_id = EXCLUDED.document_id, content_hash = EXCLUDED.content_hash,
        granularity = EXCLUDED.granularity, section_path = EXCLUDED.section_path,
        category = EXCLUDED.category, hypothesis_id = EXCLUDED.hypothesis_id,
        hypothesis = EXCLUDED.hypothesis, nli_label = EXCLUDED.nli_label, char_start = EXCLUDED.char_start,
        char_end = EXCLUDED.char_end, metadata = EXCLUDED.metadata,
        section_hash = EXCLUDED.section_hash, updated_at = now()
    WHERE (r.document_id, r.content_hash, r.granularity, r.section_path, r.category, r.hypothesis_id,
           r.hypothesis, r.nli_label, r.char_start, r.char_end, r.metadata, r.section_hash)
        IS DISTINCT FROM
          (EXCLUDED.document_id, EXCLUDED.content_hash, EXCLUDED.granularity, EXCLUDED.section_path,
           EXCLUDED.category, EXCLUDED.hypothesis_id, EXCLUDED.hypothesis, EXCLUDED.nli_label,
           EXCLUDED.char_start, EXCLUDED.char_end, EXCLUDED.metadata, EXCLUDED.section_hash)
    RETURNING xmax = 0 AS inserted
)
SELECT count(*) FILTER (WHERE inserted), count(*) FILTER (WHERE NOT inserted) FROM merged

-- name: delete_vanished_records
DELETE FROM reference_records r
WHERE {records} AND NOT EXISTS (SELECT 1 FROM pg_temp.stage_records s WHERE s.id = r.id)

-- name: delete_vanished_documents
DELETE FROM reference_documents d
WHERE {documents} AND NOT EXISTS (SELECT 1 FROM pg_temp.stage_documents s WHERE s.id = d.id)

-- name: count_corpus
SELECT (SELECT count(*) FROM reference_documents WHERE {documents}), granularity, count(*)
FROM reference_records WHERE {records} GROUP BY granularity ORDER BY granularity

-- name: analyzed_records
SELECT greatest(reltuples, 0) FROM pg_class WHERE oid = 'reference_records'::regclass

-- name: analyze
-- Of texts their hashes alone: to look at words and contents takes seconds.
ANALYZE reference_records, reference_texts (content_hash, tokens), reference_documents (id, source, tenant_id)

-- name: share_merges
SELECT pg_advisory_xact_lock_shared(%(key)s)

-- name: share_source
SELECT pg_advisory_xact_lock_shared(%(key)s, hashtext(%(source)s))

-- name: lock_source
SELECT pg_advisory_xact_lock(%(key)s, hashtext(%(source)s))

-- name: lock_documents
-- In order: two loads that share documents must not deadlock.
SELECT pg_advisory_xact_lock(%(key)s, d.number)
FROM (SELECT DISTINCT hashtext(id::text) AS number FROM unnest(%(documents)s::uuid[]) id ORDER BY 1) d

-- ----------------------------------------------------------------------------------------------------
-- What follows a load: words by the difference, and texts that nothing has any more.

-- name: moment
SELECT clock_timestamp()

-- name: lock_settlement
SELECT pg_advisory_xact_lock(%(key)s)

-- name: take_unsettled
WITH batch AS (
    DELETE FROM reference_unsettled_texts WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM reference_unsettled_texts WHERE not_before <= %(moment)s LIMIT %(limit)s))
    RETURNING content_hash
)
SELECT DISTINCT content_hash FROM batch

-- name: settle_words
-- Adds the words of texts that are to be counted and are not, takes away those of texts that are and are not to be.
WITH difference AS MATERIALIZED (
    SELECT t.content_hash, t.content_tsv, t.tokens, CASE WHEN c.content_hash IS NULL THEN 1 ELSE -1 END AS sign,
           coalesce(c.tokens, t.tokens) AS counted_tokens
    FROM reference_texts t LEFT JOIN reference_counted_texts c USING (content_hash)
    WHERE t.content_hash = ANY (%(hashes)s) AND (c.content_hash IS NULL) = EXISTS (
        SELECT 1 FROM reference_records r WHERE r.content_hash = t.content_hash AND r.tenant_id IS NULL
        AND r.granularity NOT IN ('document', 'template'))
), came AS (
    INSERT INTO reference_counted_texts (content_hash, tokens) SELECT content_hash, tokens FROM difference WHERE sign > 0
), went AS (
    DELETE FROM reference_counted_texts c USING difference d WHERE c.content_hash = d.content_hash AND d.sign < 0
), totals AS (
    INSERT INTO reference_text_totals AS t (texts, tokens)
    SELECT sum(sign), sum(sign * counted_tokens) FROM difference HAVING count(*) > 0
    ON CONFLICT (one) DO UPDATE SET texts = t.texts + EXCLUDED.texts, tokens = t.tokens + EXCLUDED.tokens
), words AS (
    INSERT INTO reference_lexemes AS l (lexeme, texts)
    SELECT w.lexeme, sum(d.sign) FROM difference d CROSS JOIN LATERAL unnest(d.content_tsv) w
    GROUP BY w.lexeme HAVING sum(d.sign) <> 0 ORDER BY w.lexeme
    ON CONFLICT (lexeme) DO UPDATE SET texts = l.texts + EXCLUDED.texts
    RETURNING lexeme, texts
)
SELECT coalesce(array_agg(lexeme), '{}') FROM words WHERE texts <= 0

-- name: settle_impact_mean
-- Once, from the texts that there are: lists are in order of it. The index step begins again with another one where
-- this is no longer right.
UPDATE reference_text_totals SET impact_mean = (
    SELECT avg(t.tokens) FROM reference_texts t WHERE EXISTS (
        SELECT FROM reference_records r WHERE r.content_hash = t.content_hash AND r.tenant_id IS NULL
        AND r.granularity NOT IN ('document', 'template')))
WHERE impact_mean IS NULL AND texts > 0

-- name: settle_piles
-- What everybody may find is in no tenant's pile besides.
WITH touched AS (
    SELECT r.content_hash, bool_or(r.granularity = 'section') AS is_section, bool_or(r.tenant_id IS NULL) AS is_everybodys,
           array_agg(DISTINCT r.tenant_id) AS tenants
    FROM unnest(%(hashes)s::bytea[]) h (content_hash) JOIN reference_records r USING (content_hash) GROUP BY r.content_hash
), pile AS MATERIALIZED (
    SELECT t.content_hash, reference_pile(u.tenant, t.tokens, a.is_section) AS pile
    FROM touched a JOIN reference_texts t USING (content_hash)
    CROSS JOIN LATERAL unnest(CASE WHEN a.is_everybodys THEN ARRAY[NULL]::text[] ELSE a.tenants END) u (tenant)
), went AS (
    DELETE FROM reference_text_words w USING unnest(%(hashes)s::bytea[]) h (content_hash)
    WHERE w.content_hash = h.content_hash
      AND NOT EXISTS (SELECT FROM pile p WHERE p.content_hash = w.content_hash AND p.pile = w.pile)
    RETURNING w.pile
), came AS (
    INSERT INTO reference_text_words (content_hash, pile, impacts)
    SELECT p.content_hash, p.pile, reference_impacts(t.content_tsv, t.tokens, coalesce((SELECT impact_mean FROM reference_text_totals), 100))
    FROM pile p JOIN reference_texts t USING (content_hash)
    WHERE (SELECT true FROM reference_text_words w WHERE w.content_hash = p.content_hash AND w.pile = p.pile) IS NULL
)
SELECT coalesce(array_agg(DISTINCT pile) FILTER (WHERE pile NOT IN ('', '/section', '/long')), '{}') FROM went

-- name: forget_piles
-- Of a tenant that has nothing any more no word stays.
DELETE FROM reference_postings WHERE pile = ANY (ARRAY(
    SELECT u.pile FROM unnest(%(piles)s::text[]) u (pile)
    WHERE (SELECT true FROM reference_text_words w WHERE w.pile = u.pile LIMIT 1) IS NULL))

-- name: forget_words
DELETE FROM reference_lexemes WHERE lexeme = ANY (%(words)s) AND texts <= 0

-- name: without_records
SELECT h.content_hash FROM unnest(%(hashes)s::bytea[]) h (content_hash)
WHERE NOT EXISTS (SELECT FROM reference_records r WHERE r.content_hash = h.content_hash)
  AND NOT EXISTS (SELECT FROM reference_text_parts p WHERE p.part_hash = h.content_hash)

-- name: hold_orphans
-- What another transaction holds it may be about to need, and is looked at again later.
SELECT t.content_hash FROM reference_texts t WHERE t.content_hash = ANY (%(hashes)s)
  AND NOT EXISTS (SELECT 1 FROM reference_records r WHERE r.content_hash = t.content_hash)
  AND NOT EXISTS (SELECT 1 FROM reference_text_parts p WHERE p.part_hash = t.content_hash)
ORDER BY t.content_hash FOR UPDATE SKIP LOCKED

-- name: delete_orphans
-- A statement after they are held: what a load brought until then is seen.
DELETE FROM reference_texts t WHERE t.content_hash = ANY (%(hashes)s)
  AND NOT EXISTS (SELECT 1 FROM reference_records r WHERE r.content_hash = t.content_hash)
  AND NOT EXISTS (SELECT 1 FROM reference_text_parts p WHERE p.part_hash = t.content_hash)

-- name: parts_of_orphans
SELECT DISTINCT part_hash FROM reference_text_parts WHERE content_hash = ANY (%(hashes)s)

-- name: resolve_orphans
UPDATE bootstrap_failures SET resolved_at = clock_timestamp()
WHERE content_hash = ANY (%(hashes)s) AND stage <> 'parse' AND resolved_at IS NULL
  AND NOT EXISTS (SELECT 1 FROM reference_texts t WHERE t.content_hash = bootstrap_failures.content_hash)

-- name: postpone
INSERT INTO reference_unsettled_texts (content_hash, not_before)
SELECT t.content_hash, clock_timestamp() FROM reference_texts t WHERE t.content_hash = ANY (%(hashes)s)
  AND NOT EXISTS (SELECT 1 FROM reference_records r WHERE r.content_hash = t.content_hash)
  AND NOT EXISTS (SELECT 1 FROM reference_text_parts p WHERE p.part_hash = t.content_hash)

-- name: sum_up_changes
-- Concurrent loads add rows that this does not see: it takes away those alone that it sums up.
WITH batch AS (
    DELETE FROM reference_text_changes RETURNING texts, digest
)
INSERT INTO reference_text_changes (texts, digest) SELECT sum(texts), bit_xor(digest) FROM batch HAVING count(*) > 0

-- name: is_settled
SELECT NOT EXISTS (SELECT 1 FROM reference_unsettled_texts)

-- name: record_failure
INSERT INTO bootstrap_failures (source, source_id, document_id, stage, class, message, place)
VALUES (%(source)s, %(source_id)s, %(document_id)s, 'parse', %(class)s, %(message)s, %(place)s)
ON CONFLICT (source, class, place, source_id) WHERE stage = 'parse' DO UPDATE SET
    message = EXCLUDED.message, document_id = EXCLUDED.document_id, attempts = bootstrap_failures.attempts + 1, last_seen = clock_timestamp(),
    resolved_at = NULL

-- name: resolve_failures
UPDATE bootstrap_failures SET resolved_at = clock_timestamp()
WHERE {records} AND stage = 'parse' AND resolved_at IS NULL AND last_seen < now()

-- name: forget_findings
DELETE FROM bootstrap_findings WHERE {records}

-- name: record_finding
INSERT INTO bootstrap_findings (source, source_id, document_id, kind, message, place)
VALUES (%(source)s, %(source_id)s, %(document_id)s, %(class)s, %(message)s, %(place)s)

-- name: loaded
-- A source whose records are no longer as they were parsed is loaded again.
SELECT p.fingerprint = %(fingerprint)s AND stored.records = coalesce(p.parsed_records, p.total_records)
       AND (p.parsed_digest IS NULL OR p.parsed_digest = stored.digest)
FROM bootstrap_progress p CROSS JOIN bootstrap_stored(p.source) stored WHERE p.source = %(source)s

-- ----------------------------------------------------------------------------------------------------
-- Dead letters. Those of the parse belong to a source, those of vectors to a source and a space.

-- name: resolve_vanished
UPDATE bootstrap_failures f SET resolved_at = clock_timestamp()
WHERE f.source = %(source)s AND f.stage <> 'parse' AND f.resolved_at IS NULL AND {gone}
  AND NOT EXISTS (SELECT 1 FROM reference_texts t WHERE t.content_hash = f.content_hash
                  AND (f.source_id IS NULL OR EXISTS (
                      SELECT 1 FROM reference_records r WHERE r.source = f.source AND r.source_id = f.source_id
                      AND r.content_hash = f.content_hash)))

-- ----------------------------------------------------------------------------------------------------
-- What a plan compares with: it changes nothing. {vectors} is the space's table.

-- name: outline_texts
SELECT DISTINCT t.content_hash, t.tokens FROM reference_records r JOIN reference_texts t USING (content_hash)
WHERE r.source = %(source)s

-- ----------------------------------------------------------------------------------------------------
-- What a source holds, for people, and versions of its content.

-- name: count_labels
-- A label of ContractNLI is that of its hypothesis; CUAD's is the category.
SELECT coalesce(nli_label, category), count(*) FROM reference_records
WHERE source = %(source)s AND coalesce(nli_label, category) IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1

-- name: count_granularities
SELECT granularity, count(*) FROM reference_records WHERE source = %(source)s GROUP BY 1 ORDER BY 1

-- name: sources
SELECT DISTINCT source FROM reference_documents ORDER BY source

-- name: invented_sources
SELECT source, bool_and(metadata @> %(mark)s) FROM reference_documents
GROUP BY source HAVING bool_or(metadata @> %(mark)s) ORDER BY source

-- name: origins
SELECT licence, attribution, metadata @> %(mark)s, count(*) FROM reference_documents
WHERE source = %(source)s GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2

-- name: records_version
-- Everything of a record that a reader sees: the number of records and the exclusive or of 128 bits of each, which
-- takes the memory of one.
SELECT encode(sha256(convert_to(concat_ws(' ', count(*),
    bit_xor(('x' || substr(d.digest, 1, 16))::bit(64)::bigint),
    bit_xor(('x' || substr(d.digest, 17, 16))::bit(64)::bigint)), 'UTF8')), 'hex')
FROM reference_records r CROSS JOIN LATERAL (SELECT encode(sha256(convert_to(
    r.id || ':' || encode(r.content_hash, 'hex') || jsonb_build_array(
        granularity, section_path, category, hypothesis_id, hypothesis, nli_label, char_start, char_end, metadata
    )::text, 'UTF8')), 'hex') AS digest) d
WHERE r.source = %(source)s

-- ----------------------------------------------------------------------------------------------------
-- Documents and records as readers want them, each with its licence and address.

-- name: list_documents
SELECT d.id, d.source, d.source_id, d.title, d.licence, d.attribution, d.url, d.tenant_id,
       (SELECT count(*) FROM reference_records r WHERE r.document_id = d.id) AS records,
       length(d.raw_text) AS characters, d.metadata @> '{"invented": true}' AS invented, d.metadata, d.raw_text
FROM reference_documents d
WHERE reference_is_visible(d.tenant_id) AND (%(sources)s::text[] IS NULL OR d.source = ANY (%(sources)s))
  AND (%(documents)s::text[] IS NULL
       OR d.title = ANY (%(documents)s) OR d.source_id = ANY (%(documents)s) OR d.id::text = ANY (%(documents)s))
ORDER BY d.source, d.source_id

-- name: list_records
SELECT r.id, r.source, r.source_id, r.document_id, d.title AS document, r.granularity, r.section_path, r.category,
       r.hypothesis_id, r.hypothesis, r.nli_label, r.char_start, r.char_end, t.content, d.licence, d.attribution, d.url,
       d.tenant_id, d.metadata @> '{"invented": true}' AS invented, r.metadata
FROM reference_records r JOIN reference_documents d ON d.id = r.document_id JOIN reference_texts t ON t.content_hash = r.content_hash
WHERE reference_is_visible(r.tenant_id)
  AND (%(ids)s::text[] IS NULL OR r.source_id = ANY (%(ids)s) OR r.id::text = ANY (%(ids)s))
  AND (%(sources)s::text[] IS NULL OR r.source = ANY (%(sources)s))
  AND (%(categories)s::text[] IS NULL OR lower(r.category) = ANY (%(categories)s))
  AND (%(granularities)s::text[] IS NULL OR r.granularity = ANY (%(granularities)s))
  AND (%(labels)s::text[] IS NULL OR lower(r.nli_label) = ANY (%(labels)s))
  AND (%(documents)s::text[] IS NULL
       OR d.title = ANY (%(documents)s) OR d.source_id = ANY (%(documents)s) OR d.id::text = ANY (%(documents)s))
ORDER BY r.source, r.source_id
