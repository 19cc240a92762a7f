-- ----------------------------------------------------------------------------------------------------
-- Evaluation of the search: evaluation/evaluation.py. {vectors} is the space's table.

-- name: cuad_questions
-- Contract, category, the question that goes with it, and the sections that share characters with one of its clauses.
SELECT d.source_id, d.id, r.category, coalesce(min(r.metadata ->> 'question'), ''), array_agg(DISTINCT s.content_hash)
FROM reference_records r JOIN reference_documents d ON d.id = r.document_id
JOIN reference_records s ON s.document_id = r.document_id AND s.granularity = 'section'
    AND s.char_start < r.char_end AND r.char_start < s.char_end
WHERE r.source = 'cuad' AND r.granularity = 'clause' AND r.category IS NOT NULL
GROUP BY d.id, r.category ORDER BY d.source_id, r.category

-- name: nli_contracts
-- Contracts with the pieces that annotators chose evidence among, and the contract's sections.
SELECT d.source_id, d.id, d.metadata ->> 'split', d.raw_text, d.metadata -> 'spans',
       coalesce((SELECT jsonb_agg(jsonb_build_array(encode(r.content_hash, 'hex'), r.char_start, r.char_end) ORDER BY r.char_start)
                 FROM reference_records r WHERE r.document_id = d.id AND r.granularity = 'section' AND r.char_start IS NOT NULL), '[]')
FROM reference_documents d
WHERE d.source = 'contract_nli' AND jsonb_typeof(d.metadata -> 'spans') = 'array'
  AND (%(split)s::text IS NULL OR d.metadata ->> 'split' = %(split)s)
ORDER BY d.source_id

-- name: nli_evidence
SELECT document_id, hypothesis_id, coalesce(hypothesis, category), array_agg(DISTINCT content_hash)
FROM reference_records
WHERE source = 'contract_nli' AND granularity = 'span' AND hypothesis_id IS NOT NULL
  AND coalesce(hypothesis, category) IS NOT NULL
GROUP BY document_id, hypothesis_id, coalesce(hypothesis, category) ORDER BY document_id, hypothesis_id

-- name: cuad_sections
-- The candidates for what scorers rank: the sections of each contract.
SELECT document_id, content_hash, char_start, char_end FROM reference_records
WHERE source = 'cuad' AND granularity = 'section' AND char_start IS NOT NULL ORDER BY document_id, char_start

-- name: titled_sections
SELECT d.source_id, d.title, coalesce(array_agg(r.content_hash) FILTER (WHERE r.granularity = 'section'), '{}')
FROM reference_documents d JOIN reference_records r ON r.document_id = d.id
WHERE d.id = ANY (%(documents)s) GROUP BY d.id

-- name: temporary_first
-- It is the rule, but a hardened server may name pg_temp last.
SELECT set_config('search_path', 'pg_temp, ' || current_setting('search_path'), true)

-- name: create_spans
CREATE TEMP TABLE pg_temp.evaluation_spans (
    document_id uuid, source_id text, content_hash bytea, content text, tokens integer,
    char_start integer, char_end integer, section_hash bytea
)

-- name: gather_texts
CREATE TEMP TABLE pg_temp.evaluation_texts AS
SELECT content_hash, content, tokens FROM reference_texts WHERE content_hash IN (SELECT section_hash FROM pg_temp.evaluation_spans)
UNION SELECT content_hash, content, tokens FROM pg_temp.evaluation_spans

-- name: shadow_corpus
-- What stands here hides the tables of the same names from every function that this session calls for the first
-- time after it: temporary tables are looked for first (PostgreSQL manual, search_path).
CREATE TEMP TABLE pg_temp.evaluation_nearby AS
SELECT content_hash, embedding::vector AS embedding FROM {vectors} WHERE content_hash IN (SELECT content_hash FROM pg_temp.evaluation_texts)
UNION ALL
SELECT v.content_hash, v.embedding FROM evaluation_vectors v
WHERE v.space_id = {space} AND v.input_type = 'document' AND v.content_hash IN (SELECT content_hash FROM pg_temp.evaluation_texts)
  AND NOT EXISTS (SELECT FROM {vectors} x WHERE x.content_hash = v.content_hash);
ALTER TABLE pg_temp.evaluation_nearby ADD PRIMARY KEY (content_hash);
CREATE TEMP TABLE pg_temp.reference_texts (LIKE reference_texts INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING INDEXES);
INSERT INTO pg_temp.reference_texts (content_hash, content, tokens) SELECT * FROM pg_temp.evaluation_texts;
CREATE TEMP TABLE pg_temp.reference_records (LIKE reference_records INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING INDEXES);
INSERT INTO pg_temp.reference_records
    (id, document_id, content_hash, source, source_id, granularity, char_start, char_end, section_hash)
SELECT gen_random_uuid(), document_id, content_hash, 'contract_nli', source_id, 'span', char_start, char_end, section_hash
FROM pg_temp.evaluation_spans;
CREATE TEMP TABLE pg_temp.reference_text_words (LIKE reference_text_words INCLUDING INDEXES);
INSERT INTO pg_temp.reference_text_words (number, content_hash, pile, impacts)
SELECT row_number() OVER (ORDER BY t.content_hash), t.content_hash, reference_pile(NULL, t.tokens, false),
       reference_impacts(t.content_tsv, t.tokens, coalesce(m.mean, 100))
FROM pg_temp.reference_texts t CROSS JOIN (SELECT max(impact_mean) AS mean FROM reference_text_totals) m;
CREATE TEMP TABLE pg_temp.reference_postings (LIKE reference_postings INCLUDING INDEXES);
CREATE TEMP TABLE pg_temp.reference_segments (LIKE reference_segments INCLUDING INDEXES);
ALTER TABLE pg_temp.evaluation_nearby RENAME TO reference_vectors;
-- The space is searched in them as if it were the active one.
CREATE TEMP TABLE pg_temp.evaluation_space AS SELECT * FROM embedding_spaces WHERE id = {space};
UPDATE pg_temp.evaluation_space SET state = 'active';
ALTER TABLE pg_temp.evaluation_space RENAME TO embedding_spaces;
ANALYZE pg_temp.reference_text_words, pg_temp.reference_texts, pg_temp.reference_records, pg_temp.reference_vectors

-- name: shadow_wordings
CREATE TEMP TABLE pg_temp.evaluation_wordings (LIKE label_wordings INCLUDING INDEXES);
CREATE TEMP TABLE pg_temp.evaluation_likelihoods (LIKE label_likelihoods INCLUDING INDEXES);
ALTER TABLE pg_temp.evaluation_wordings RENAME TO label_wordings;
ALTER TABLE pg_temp.evaluation_likelihoods RENAME TO label_likelihoods

-- name: fill_wordings
INSERT INTO pg_temp.label_wordings (source, label, wording, category, hypothesis_id, lexemes, weight)
SELECT * FROM jsonb_to_recordset(%(wordings)s) AS w (source text, label text, wording text, category text, hypothesis_id integer,
    lexemes text[], weight double precision)

-- name: fill_likelihoods
INSERT INTO pg_temp.label_likelihoods (content_hash, source, label, document_id, pile, probability)
SELECT DISTINCT ON (n.content_hash, n.label, n.document) n.content_hash, %(source)s, n.label, n.document, '', n.likelihood
FROM unnest(%(hashes)s::bytea[], %(labels)s::text[], %(documents)s::uuid[], %(likelihoods)s::real[])
     n (content_hash, label, document, likelihood)

-- name: leave_out
DELETE FROM pg_temp.label_wordings WHERE label = %(label)s

-- name: questions_with_labels
-- What search functions make of questions, with the label that each means, of those of this session.
SELECT (ROW ((w.question).words, (w.question).weights, (w.question).embedding,
             reference_label_of((p.question).words, (p.question).weights))::reference_question)::text
FROM unnest(%(plain)s::text[], %(widened)s::text[]) WITH ORDINALITY q (plain, widened, place)
CROSS JOIN LATERAL (SELECT q.plain::reference_question AS question) p
CROSS JOIN LATERAL (SELECT q.widened::reference_question AS question) w
ORDER BY q.place

-- name: questions
-- A query as it is searched for, without feedback and with the search's own.
SELECT reference_question(%(text)s, %(vector)s::vector, feedback_texts => 0, space => %(space)s)::text,
       reference_question(%(text)s, %(vector)s::vector, space => %(space)s)::text

-- name: rank_pairs
-- Each question among the records of its document (NULL: of all), ranked by the search's own function. Labels are
-- not searched: they are the answer.
SELECT p.place, r.content_hash, r.vector_rank, r.text_rank
FROM unnest(%(questions)s::text[], %(documents)s::uuid[]) WITH ORDINALITY p (question, document, place)
CROSS JOIN LATERAL reference_rank(
    p.question::reference_question,
    ROW (NULL, NULL, ARRAY[%(granularity)s::text], NULL,
         CASE WHEN p.document IS NOT NULL THEN ARRAY[p.document] END, NULL)::reference_filters,
    k => %(k)s, vector_weight => %(vector_weight)s, text_weight => %(text_weight)s,
    fusion_constant => %(fusion_constant)s, context => %(context)s, search_labels => false, space => %(space)s) r

-- name: whole_search
-- What a search gives, in the order in which it gives it, and what the parts give that are measured.
SELECT (SELECT array_agg(s.content_hash) FROM search_reference(
            %(text)s, %(vector)s::vector, granularities => '{section}', search_labels => false, fold => false,
            space => %(space)s) s),
       (SELECT array_agg(r.content_hash) FROM reference_rank(
            reference_question(%(text)s, %(vector)s::vector, space => %(space)s),
            ROW (NULL, NULL, '{section}', NULL, NULL, NULL)::reference_filters, search_labels => false,
            space => %(space)s) r)

-- name: corpus_version
SELECT reference_corpus_version()

-- name: search_functions
-- Digest of everything that a search runs through.
SELECT md5(string_agg(pg_get_functiondef(oid), '' ORDER BY proname)) FROM pg_proc
WHERE pg_function_is_visible(oid) AND (starts_with(proname, 'reference_') OR proname = 'search_reference')

-- name: baseline
SELECT space, search, corpus, scores, measured_at FROM evaluation_baseline

-- name: set_baseline
INSERT INTO evaluation_baseline (space, search, corpus, scores)
VALUES (%(space)s, %(search)s, reference_corpus_version(), %(scores)s)
ON CONFLICT (one) DO UPDATE SET
    space = EXCLUDED.space, search = EXCLUDED.search, corpus = EXCLUDED.corpus, scores = EXCLUDED.scores,
    measured_at = now()

-- name: keep_quality
UPDATE embedding_spaces SET quality = (quality - %(tasks)s::text[]) || %(quality)s WHERE id = %(id)s

-- name: keep_apart
-- Beside what the last evaluation of everything said of the same texts.
UPDATE embedding_spaces SET quality = quality || (
    SELECT coalesce(jsonb_object_agg(e.key, quality -> e.key || e.value), '{}')
    FROM jsonb_each(%(apart)s) e WHERE jsonb_typeof(quality -> e.key) = 'object')
WHERE id = %(id)s AND quality ->> 'corpus' = %(corpus)s

-- name: kept_quality
SELECT quality FROM embedding_spaces
WHERE CASE WHEN %(space)s::integer IS NULL THEN state = 'active' ELSE id = %(space)s END

-- name: label_baseline
SELECT scores, measured_at FROM label_baseline

-- name: set_label_baseline
INSERT INTO label_baseline (scores) VALUES (%(scores)s)
ON CONFLICT (one) DO UPDATE SET scores = EXCLUDED.scores, measured_at = now()

-- name: join_label_baseline
UPDATE label_baseline SET scores = scores || %(scores)s
