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
SELECT digest, arrays, corpus, splits, version, contracts, trained_at FROM label_features WHERE source = %(source)s

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

-- name: read_scorers
SELECT label, wording, digest, arrays, quality FROM label_scorers WHERE source = %(source)s ORDER BY label

-- name: list_scorers
SELECT s.source, s.label, s.wording, s.quality, f.corpus, f.splits, f.contracts, s.version, s.trained_at
FROM label_scorers s JOIN label_features f USING (source) ORDER BY s.source, s.label
