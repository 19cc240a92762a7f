-- What the labels know: bootstrap_assets/labels. Scorers are trained on the reference corpus alone, never on a tenant's.

-- name: contracts_of_lesson
-- A source's documents, in a stable order, with the pieces that labels were chosen among, where it says which.
SELECT d.id, d.source_id, d.metadata ->> 'split', d.raw_text,
       CASE WHEN jsonb_typeof(d.metadata -> 'spans') = 'array' THEN d.metadata -> 'spans' END
FROM reference_documents d
WHERE d.source = %(source)s AND d.tenant_id IS NULL
ORDER BY d.source_id

-- name: labels_of_lesson
SELECT r.document_id, r.category, r.hypothesis_id, r.hypothesis, r.nli_label, r.char_start, r.char_end
FROM reference_records r JOIN reference_documents d ON d.id = r.document_id
WHERE r.source = %(source)s AND r.tenant_id IS NULL AND r.granularity = %(granularity)s AND r.char_start IS NOT NULL
 
ORDER BY d.source_id, r.char_start, r.char_end, r.source_id

-- name: read_features
SELECT digest, arrays FROM label_features WHERE source = %(source)s

-- name: lock_training
-- Held while a training is stored: others store before, or look again.
LOCK TABLE label_features IN SHARE ROW EXCLUSIVE MODE

-- name: read_state
SELECT md5(concat_ws(' ', f.digest, f.trained_at, (
    SELECT string_agg(concat_ws(':', s.label, s.digest, s.trained_at), ',' ORDER BY s.label)
    FROM label_scorers s WHERE s.source = f.source)))
FROM label_features f WHERE f.source = %(source)s

-- name: write_features
INSERT INTO label_features (source, digest, arrays, corpus, splits, version, contracts)
VALUES (%(source)s, %(digest)s, %(arrays)s, '', %(splits)s, %(version)s, %(contracts)s)
ON CONFLICT (source) DO UPDATE SET digest = EXCLUDED.digest, arrays = EXCLUDED.arrays,
    splits = EXCLUDED.splits, version = EXCLUDED.version, contracts = EXCLUDED.contracts, trained_at = now()

-- name: read_digests
SELECT label, digest FROM label_scorers WHERE source = %(source)s

-- name: confirm_features
UPDATE label_features SET corpus = %(corpus)s WHERE source = %(source)s

-- name: write_scorer
INSERT INTO label_scorers (source, label, wording, digest, arrays, quality, version)
VALUES (%(source)s, %(label)s, %(wording)s, %(digest)s, %(arrays)s, %(quality)s, %(version)s)
ON CONFLICT (source, label) DO UPDATE SET wording = EXCLUDED.wording, digest = EXCLUDED.digest,
    arrays = EXCLUDED.arrays, quality = EXCLUDED.quality, version = EXCLUDED.version, trained_at = now()

-- name: delete_scorers
-- Those of labels that no longer have a scorer: renamed by the publisher, or with too few examples.
DELETE FROM label_scorers WHERE source = %(source)s AND label <> ALL (%(labels)s) RETURNING label

-- name: delete_features
DELETE FROM label_features WHERE source = %(source)s

-- name: forget_wordings
DELETE FROM label_wordings WHERE source = %(source)s

-- name: read_wordings
-- As people ask for a label: by its title, by the hypothesis, by the question that goes with it.
WITH labelled AS MATERIALIZED (
    SELECT DISTINCT CASE WHEN %(is_category)s THEN r.category ELSE r.hypothesis_id::text END AS label,
           r.category, r.hypothesis_id, r.hypothesis, substring(r.metadata ->> 'question' FROM '\mDetails:\s*(.*)') AS question
    FROM reference_records r
    WHERE r.source = %(source)s AND r.tenant_id IS NULL AND r.granularity = %(granularity)s
), wordings AS (
    SELECT DISTINCT l.label, w.wording, CASE WHEN %(is_category)s THEN l.category END AS category,
           CASE WHEN NOT %(is_category)s THEN l.hypothesis_id END AS hypothesis_id
    FROM labelled l CROSS JOIN LATERAL (VALUES (l.category), (l.hypothesis), (l.question)) w (wording)
), rarity AS MATERIALIZED (
    SELECT coalesce(max(texts), 0) AS total FROM reference_text_totals
)
SELECT %(source)s, w.label, w.wording, w.category, w.hypothesis_id, o.lexemes, o.weight
FROM wordings w CROSS JOIN LATERAL (
    SELECT array_agg(n.lexeme) AS lexemes, sum(ln(1 + (greatest(r.total, n.texts) - n.texts + 0.5) / (n.texts + 0.5)))::double precision AS weight
    FROM rarity r CROSS JOIN (
        SELECT u.lexeme, coalesce(x.texts, 0) AS texts FROM unnest(reference_tsvector(w.wording)) u
        LEFT JOIN reference_lexemes x USING (lexeme)) n
    GROUP BY r.total) o
WHERE o.weight > 0 ORDER BY w.label, w.wording

-- name: write_wordings
-- Of the labels that have a scorer.
INSERT INTO label_wordings (source, label, wording, category, hypothesis_id, lexemes, weight)
SELECT w.*
FROM jsonb_to_recordset(%(wordings)s) AS w (source text, label text, wording text, category text, hypothesis_id integer,
    lexemes text[], weight double precision) JOIN label_scorers USING (source, label)

-- name: read_scorers
-- First what they see and what they are of, without a label. As one: of two statements the second might see what
-- a training has stored since.
SELECT NULL AS label, NULL AS wording, digest, arrays, NULL::jsonb AS quality, corpus, splits, contracts, version, trained_at
FROM label_features WHERE source = %(source)s
UNION ALL
SELECT label, wording, digest, arrays, quality, NULL, NULL, NULL, NULL, NULL FROM label_scorers WHERE source = %(source)s
ORDER BY label NULLS FIRST

-- name: list_scorers
SELECT s.source, s.label, s.wording, s.quality, f.corpus, f.splits, f.contracts, s.version, s.trained_at
FROM label_scorers s JOIN label_features f USING (source) ORDER BY s.source, s.label

-- ----------------------------------------------------------------------------------------------------
-- Tenants' documents: documents.py.

-- name: documents_to_read
-- Complete documents of a tenant that the scorers of today have not read as they are, from one on. All rows of labels
-- of a document were written at once: any one of them says what read it.
WITH trained AS MATERIALIZED (
    SELECT md5(string_agg(concat_ws(':', source, label, digest, version, trained_at), ',' ORDER BY source, label)) AS scorers
    FROM label_scorers)
SELECT d.document_id, d.version, t.scorers
FROM trained t CROSS JOIN document_states d
WHERE d.tenant_id = %(tenant)s AND d.stage = 'complete' AND t.scorers IS NOT NULL AND d.document_id > %(after)s
  AND (SELECT (l.version, l.scorers) = (d.version, t.scorers) FROM document_labels l
       WHERE l.document_id = d.document_id LIMIT 1) IS NOT TRUE
  AND EXISTS (SELECT FROM document_extractions e WHERE e.document_id = d.document_id AND e.version = d.version)
  AND EXISTS (SELECT FROM reference_documents r WHERE r.id = d.document_id)
ORDER BY d.document_id LIMIT %(most)s

-- name: extraction_to_read
SELECT document FROM document_extractions WHERE document_id = %(document)s AND version = %(version)s

-- name: hold_extraction
-- Neither is it extracted anew, nor removed, while what was read of it is written.
SELECT FROM document_extractions e JOIN reference_documents d ON d.id = e.document_id
WHERE e.document_id = %(document)s AND e.version = %(version)s FOR SHARE OF e, d

-- name: reading_due
-- What the reference corpus was read by and of: another text as soon as scorers, or records that were loaded, are
-- others. A few rows, however many records there are. Nothing without scorers, or where all of it was read.
WITH trained AS (
    SELECT md5(string_agg(concat_ws(':', source, label, digest, version, trained_at), ',' ORDER BY source, label)) AS scorers
    FROM label_scorers
), loaded AS (
    SELECT md5(string_agg(concat_ws(':', source, total_records, parsed_digest), ',' ORDER BY source)) AS records
    FROM bootstrap_progress WHERE source NOT IN ('documents', 'repositories')
), due AS (
    SELECT concat_ws(' ', scorers, records) AS version FROM trained CROSS JOIN loaded WHERE scorers IS NOT NULL
)
SELECT version FROM due
WHERE NOT EXISTS (SELECT FROM bootstrap_completions c WHERE c.name = 'label_readings' AND c.version = concat_ws(' ', due.version, (
    SELECT count(*) FROM label_readings WHERE records IS NOT NULL)))

-- name: reading_done
-- With how many documents were read: of one that was removed, and came again as it was, nothing is known any more.
INSERT INTO bootstrap_completions (name, version, run_id)
SELECT 'label_readings', concat_ws(' ', %(version)s::text, count(*)), '' FROM label_readings WHERE records IS NOT NULL
ON CONFLICT (name) DO UPDATE SET version = EXCLUDED.version, completed_at = now()

-- name: documents_to_weigh
-- Documents of the reference corpus that the scorers of today have not read for the search, with the records that they have.
-- Files of repositories are no contracts.
WITH trained AS (
    SELECT md5(string_agg(concat_ws(':', source, label, digest, version, trained_at), ',' ORDER BY source, label)) AS scorers
    FROM label_scorers
), stored AS (
    SELECT r.document_id, bit_xor(hashtextextended(concat_ws(':', encode(r.content_hash, 'hex'), r.char_start, r.char_end), 0)) AS records
    FROM reference_records r WHERE r.tenant_id IS NULL AND r.source <> 'repositories' GROUP BY 1)
SELECT s.document_id, t.scorers, s.records
FROM trained t CROSS JOIN stored s LEFT JOIN label_readings g USING (document_id)
WHERE t.scorers IS NOT NULL AND (g.scorers, g.records) IS DISTINCT FROM (t.scorers, s.records)
ORDER BY s.document_id

-- name: documents_of_lesson
SELECT d.id, d.source_id, d.metadata ->> 'split', d.raw_text,
       CASE WHEN jsonb_typeof(d.metadata -> 'spans') = 'array' THEN d.metadata -> 'spans' END
FROM reference_documents d WHERE d.id = ANY (%(documents)s) ORDER BY d.id

-- name: forget_reading
DELETE FROM label_readings WHERE document_id = %(document)s

-- name: write_reading
-- Nothing where the document was removed, or another has read it meanwhile.
INSERT INTO label_readings (document_id, scorers, records)
SELECT d.id, %(scorers)s, %(records)s FROM reference_documents d WHERE d.id = %(document)s FOR KEY SHARE
ON CONFLICT (document_id) DO NOTHING

-- name: write_likelihoods
-- Of each piece that may have a label the texts that share half of it, or of themselves, with it: the likeliest counts.
INSERT INTO label_likelihoods (content_hash, source, label, document_id, pile, probability)
SELECT r.content_hash, p.source, p.label, r.document_id, coalesce(r.tenant_id, ''), max(p.probability)
FROM unnest(%(sources)s::text[], %(labels)s::text[], %(starts)s::integer[], %(ends)s::integer[], %(probabilities)s::real[])
     p (source, label, char_start, char_end, probability)
JOIN label_scorers s USING (source, label)
JOIN reference_records r ON r.document_id = %(document)s AND r.granularity NOT IN ('document', 'template')
    AND r.char_start < p.char_end AND p.char_start < r.char_end
    AND 2 * (least(r.char_end, p.char_end) - greatest(r.char_start, p.char_start))
        >= least(r.char_end - r.char_start, p.char_end - p.char_start)
GROUP BY r.content_hash, p.source, p.label, r.document_id, r.tenant_id

-- name: analyze_likelihoods
ANALYZE label_likelihoods, label_readings, label_wordings

-- name: forget_labels
WITH links AS (
    DELETE FROM reference_connections c USING reference_records r
    WHERE c.from_record = r.id AND r.document_id = %(document)s AND c.kind = %(kind)s)
DELETE FROM document_labels WHERE document_id = %(document)s

-- name: write_labels
INSERT INTO document_labels (document_id, source, label, wording, category, hypothesis_id, nli_label, is_there,
    probability, recall, confidence, places, version, scorers)
SELECT %(document)s, source, label, wording, category, hypothesis_id, nli_label, is_there, probability, recall, confidence,
    places, %(version)s, %(scorers)s
FROM jsonb_to_recordset(%(rows)s) AS rows (source text, label text, wording text, category text, hypothesis_id integer,
    nli_label text, is_there boolean, probability double precision, recall double precision, confidence text, places jsonb)
ON CONFLICT (document_id, source, label) DO NOTHING

-- name: connect_labels
-- Of each passage with a label: the record of the reference corpus with this label that it is most like. A record that
-- is being deleted is left out. Labels are few and records many: from each number of a label the index, by which its
-- records are found, is asked for the next one.
WITH RECURSIVE known AS (
    (SELECT r.label_number, r.category, r.hypothesis_id FROM reference_records r
     WHERE r.label_number IS NOT NULL ORDER BY r.label_number LIMIT 1)
    UNION ALL
    SELECT next.* FROM known k CROSS JOIN LATERAL (
        SELECT r.label_number, r.category, r.hypothesis_id FROM reference_records r
        WHERE r.label_number > k.label_number ORDER BY r.label_number LIMIT 1) next
), labelled AS MATERIALIZED (
    SELECT p.id AS passage, v.embedding, l.source, l.category, l.hypothesis_id, w.nli_label, max(w.probability) AS score
    FROM document_labels l
    CROSS JOIN LATERAL jsonb_to_recordset(l.places) AS w (char_start integer, char_end integer, nli_label text, probability double precision)
    JOIN reference_records p ON p.document_id = l.document_id AND p.char_start < w.char_end AND w.char_start < p.char_end
    JOIN reference_vectors v USING (content_hash)
    WHERE l.document_id = %(document)s AND l.is_there
    GROUP BY p.id, v.embedding, l.source, l.category, l.hypothesis_id, w.nli_label
), nearest AS MATERIALIZED (
    SELECT l.passage, n.id AS record, l.score
    FROM labelled l CROSS JOIN LATERAL (
        SELECT r.id FROM known k JOIN reference_records r USING (label_number) JOIN reference_vectors x USING (content_hash)
        WHERE (l.category IS NULL OR k.category = l.category) AND k.hypothesis_id IS NOT DISTINCT FROM l.hypothesis_id
          AND r.tenant_id IS NULL AND r.source = l.source AND r.category IS NOT DISTINCT FROM coalesce(l.category, r.category)
          AND r.hypothesis_id IS NOT DISTINCT FROM l.hypothesis_id AND r.nli_label IS NOT DISTINCT FROM l.nli_label
        ORDER BY x.embedding <=> l.embedding, r.id LIMIT 1) n
), held AS MATERIALIZED (
    SELECT n.passage, n.record, n.score
    FROM nearest n JOIN reference_records r ON r.id = n.record JOIN reference_records p ON p.id = n.passage
    FOR KEY SHARE OF r, p
)
INSERT INTO reference_connections (from_record, to_record, kind, score)
SELECT passage, record, %(kind)s, max(score) FROM held GROUP BY passage, record
ON CONFLICT (from_record, to_record, kind) DO UPDATE SET score = EXCLUDED.score

-- name: read_labels
-- With what stands in each place, as long as the text is the one that was read.
SELECT l.source, l.label, l.wording, l.category, l.hypothesis_id, l.nli_label, l.is_there, l.probability, l.recall, l.confidence,
       (SELECT coalesce(jsonb_agg(w.place || jsonb_build_object('text', substr(d.raw_text, (w.place ->> 'char_start')::integer + 1,
                   (w.place ->> 'char_end')::integer - (w.place ->> 'char_start')::integer)) ORDER BY w.number), '[]')
        FROM jsonb_array_elements(l.places) WITH ORDINALITY w (place, number)) AS places
FROM document_labels l JOIN reference_documents d ON d.id = l.document_id JOIN document_states s ON s.document_id = l.document_id
WHERE l.document_id = %(document)s AND l.version = s.version
ORDER BY l.source, l.hypothesis_id, l.label
