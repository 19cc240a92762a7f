-- The extension's library is loaded by the first use of its type: before, its parameters are unknown to the server, and a
-- role that is no superuser may not give a function values for them.
SELECT '[1]'::vector;

DROP FUNCTION search_reference, reference_fold;
DROP TYPE reference_ranked;
DROP FUNCTION reference_text_candidates;

CREATE OR REPLACE FUNCTION reference_tsvector(content text) RETURNS tsvector
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN to_tsvector('pg_catalog.english'::regconfig, left(content, 200000));
DROP FUNCTION reference_phrase, reference_plain, reference_unaccented, reference_separated;

-- A generated column is made anew where what it is made of is written.
UPDATE reference_texts SET content = content;
UPDATE reference_records SET category = category WHERE category IS NOT NULL OR hypothesis IS NOT NULL;

-- The words are counted anew at once, lest the new ones count as never seen, and again when the index is built next.
DELETE FROM reference_lexemes;
INSERT INTO reference_lexemes (lexeme, texts)
SELECT word, ndoc FROM ts_stat($$
    SELECT content_tsv FROM reference_texts t WHERE EXISTS (
        SELECT FROM reference_records r WHERE r.content_hash = t.content_hash
          AND r.granularity NOT IN ('document', 'template'))
$$) WHERE EXISTS (SELECT FROM reference_text_totals);
UPDATE reference_text_totals SET counted_of = 'the words before migration 0010 were';

CREATE OR REPLACE FUNCTION reference_corpus_version() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT count(*) || ' ' || coalesce(extract(epoch FROM max(created_at))::text, '') FROM reference_texts
$$;
CREATE OR REPLACE FUNCTION reference_text_scores(words text[], weights double precision[], hashes bytea[])
RETURNS TABLE (content_hash bytea, score double precision) LANGUAGE sql STABLE PARALLEL SAFE AS $$
    -- BM25 with k1 = 1.2 and b = 0.75 (Robertson and Zaragoza 2009); a length is the estimate of tokens. The number
    -- of times that a word occurs is read off ts_rank, which for a single word of weight 1 is the sum of 1/j² for j
    -- up to that number, divided by its limit (calc_rank_or in PostgreSQL's tsrank.c): what is missing to 1 is about
    -- 1/(number + 1/2), so rounding gives the number. Unnesting the tsvector instead takes longer, and so does not
    -- decompressing it before (that is what the empty one is for): it would be done again for each word.
    WITH asked AS MATERIALIZED (
        SELECT reference_word(a.word) AS word, a.weight FROM unnest(words, weights) a (word, weight)
    ), mean AS MATERIALIZED (SELECT coalesce(max(mean_tokens), 100) AS tokens FROM reference_text_totals)
    SELECT t.content_hash, s.score
    FROM (
        SELECT content_hash, tokens, content_tsv || ''::tsvector AS content_tsv FROM reference_texts
        WHERE content_hash = ANY (hashes) OFFSET 0
    ) t CROSS JOIN mean CROSS JOIN LATERAL (
        SELECT sum(a.weight * n.times * 2.2 / (n.times + 1.2 * (0.25 + 0.75 * t.tokens / mean.tokens))) AS score
        FROM asked a CROSS JOIN LATERAL (
            SELECT round(1 / (1.6449340668 * greatest(1 - ts_rank('{1,1,1,1}', t.content_tsv, a.word), 1e-5)) - 0.5) AS times
        ) n
    ) s
    WHERE s.score > 0
$$;

CREATE OR REPLACE FUNCTION reference_label_scores(words text[], weights double precision[], filters reference_filters)
RETURNS TABLE (content_hash bytea, score double precision) LANGUAGE sql STABLE PARALLEL SAFE AS $$
    -- A word in a record's label (category, hypothesis) counts as much as two that are alone in a text of mean length,
    -- times the share of the query's weight that the label holds: one word in common is no answer to six.
    WITH asked AS MATERIALIZED (
        SELECT reference_word(a.word) AS word, a.weight FROM unnest(words, weights) a (word, weight)
    ), any_of AS MATERIALIZED (
        SELECT string_agg(word::text, ' | ')::tsquery AS words, sum(weight) AS weight FROM asked
    )
    SELECT r.content_hash, max((SELECT 2 * sum(a.weight) ^ 2 / any_of.weight FROM asked a WHERE r.label_tsv @@ a.word))
    FROM any_of JOIN reference_records r ON r.label_tsv @@ any_of.words
    WHERE reference_passes(r.source, r.category, r.granularity, r.nli_label, r.document_id, r.content_hash, filters)
    GROUP BY r.content_hash
$$;

CREATE FUNCTION reference_text_candidates(
    words text[], weights double precision[], filters reference_filters, candidates integer
) RETURNS bytea[] LANGUAGE sql STABLE PARALLEL SAFE AS $$
    -- Texts with one of the words that tell most: rarest first, until their texts are many times what is wanted. A
    -- word that every other text has finds nothing that the others do not, and would have the whole corpus ranked.
    -- Long texts, whose sections are there too, rank behind those by their length; reading them is most of the work.
    WITH asked AS (
        SELECT a.word, coalesce(l.texts, 0) AS texts,
               sum(coalesce(l.texts, 0)) OVER (ORDER BY coalesce(l.texts, 0), a.word) AS together
        FROM unnest(words, weights) a (word, weight) LEFT JOIN reference_lexemes l ON l.lexeme = a.word
        WHERE a.weight > 0
    ), any_of AS MATERIALIZED (
        SELECT string_agg(reference_word(word)::text, ' | ')::tsquery AS words FROM asked
        WHERE together <= 20 * candidates OR together = texts
    )
    SELECT coalesce(array_agg(t.content_hash), '{}') FROM any_of JOIN reference_texts t ON t.content_tsv @@ any_of.words
    WHERE (t.tokens <= 4000 OR (filters).granularities && '{document,template}') AND EXISTS (
        SELECT FROM reference_records r WHERE r.content_hash = t.content_hash
          AND reference_passes(r.source, r.category, r.granularity, r.nli_label, r.document_id, r.content_hash, filters))
$$;

CREATE OR REPLACE FUNCTION reference_rank(
    question        reference_question,
    filters         reference_filters DEFAULT NULL,
    k               integer DEFAULT 10,
    vector_weight   double precision DEFAULT 1,
    text_weight     double precision DEFAULT 3,
    fusion_constant integer DEFAULT 10,
    context         double precision DEFAULT 0.5,
    search_labels   boolean DEFAULT true,
    candidates      integer DEFAULT 100,
    ef_search       integer DEFAULT NULL,
    as_asked        reference_question DEFAULT NULL
) RETURNS TABLE (
    content_hash bytea, score double precision,
    vector_rank bigint, vector_score double precision, text_rank bigint, text_score double precision
) LANGUAGE plpgsql STABLE
SET hnsw.iterative_scan = relaxed_order SET hnsw.ef_search = 100 SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
DECLARE
    all_below CONSTANT integer := 1000;
    wanted  integer := greatest(candidates, k);
    words   text[] := (question).words;
    weights double precision[] := (question).weights;
    asked   vector := (question).embedding;
    -- Labels are matched with the query as it was asked, not as feedback widened it.
    label_words   text[] := coalesce((as_asked).words, (question).words);
    label_weights double precision[] := coalesce((as_asked).weights, (question).weights);
    few     bytea[];
    near    bytea[] := '{}';
    texts   bytea[] := '{}';
BEGIN
    PERFORM set_config('hnsw.ef_search', least(1000, coalesce(ef_search, (
        SELECT (quality ->> 'ef_search')::integer FROM embedding_spaces WHERE state = 'active'), 100))::text, true);
    SELECT array_agg(f.content_hash) INTO few FROM (
        SELECT r.content_hash FROM reference_records r
        WHERE reference_passes(r.source, r.category, r.granularity, r.nli_label, r.document_id, r.content_hash, filters)
        LIMIT all_below + 1) f;
    IF coalesce(cardinality(few), 0) > all_below THEN  -- else they are so few that all are compared
        few := NULL;
        IF asked IS NOT NULL THEN
            SELECT array_agg(n.content_hash) INTO near FROM (
                SELECT v.content_hash FROM reference_vectors v
                WHERE EXISTS (
                    SELECT FROM reference_records r WHERE r.content_hash = v.content_hash AND reference_passes(
                        r.source, r.category, r.granularity, r.nli_label, r.document_id, r.content_hash, filters))
                ORDER BY v.embedding <=> asked LIMIT wanted) n;
            IF coalesce(cardinality(near), 0) < wanted THEN
                -- A filter that few records pass may have ended the scan of the graph early: no index is on this.
                SELECT array_agg(n.content_hash) INTO near FROM (
                    SELECT v.content_hash FROM reference_vectors v
                    WHERE EXISTS (
                        SELECT FROM reference_records r WHERE r.content_hash = v.content_hash AND reference_passes(
                            r.source, r.category, r.granularity, r.nli_label, r.document_id, r.content_hash, filters))
                    ORDER BY (v.embedding <=> asked) + 0 LIMIT wanted) n;
            END IF;
        END IF;
        IF cardinality(words) > 0 THEN
            SELECT array_agg(t.content_hash) INTO texts FROM (
                SELECT b.content_hash FROM (
                    SELECT s.content_hash, s.score FROM reference_text_scores(
                        words, weights, reference_text_candidates(words, weights, filters, wanted)) s
                    UNION ALL
                    SELECT l.content_hash, l.score FROM reference_label_scores(label_words, label_weights, filters) l
                    WHERE search_labels
                ) b GROUP BY b.content_hash ORDER BY sum(b.score) DESC, b.content_hash LIMIT wanted) t;
        END IF;
    END IF;
    -- Each of them by both measures, with a share of what the section around it scores: what a clause is about is
    -- often said in the sentences beside it.
    RETURN QUERY
    WITH places AS MATERIALIZED (
        SELECT DISTINCT r.content_hash, coalesce(r.section_hash, r.content_hash) AS section
        FROM reference_records r
        WHERE r.content_hash = ANY (coalesce(few, near || texts)) AND reference_passes(
            r.source, r.category, r.granularity, r.nli_label, r.document_id, r.content_hash, filters)
    ), all_of AS MATERIALIZED (
        SELECT array_agg(DISTINCT h.hash) AS hashes
        FROM places p CROSS JOIN LATERAL (VALUES (p.content_hash), (p.section)) h (hash)
    ), v AS MATERIALIZED (
        SELECT e.content_hash, 1 - (e.embedding <=> asked) AS score FROM reference_vectors e
        WHERE asked IS NOT NULL AND e.content_hash = ANY ((SELECT hashes FROM all_of)::bytea[])
    ), t AS MATERIALIZED (
        SELECT s.* FROM all_of CROSS JOIN LATERAL reference_text_scores(words, weights, all_of.hashes) s
        WHERE words IS NOT NULL
    ), l AS MATERIALIZED (
        SELECT s.* FROM reference_label_scores(label_words, label_weights, filters) s WHERE search_labels AND words IS NOT NULL
    ), scored AS (
        SELECT p.content_hash, max(v.score + context * coalesce(vs.score, v.score)) AS vector_score,
               max(coalesce(l.score, 0) + coalesce(t.score, 0) + context * coalesce(ts.score, 0)) AS text_score
        FROM places p LEFT JOIN v USING (content_hash) LEFT JOIN t USING (content_hash) LEFT JOIN l USING (content_hash)
        LEFT JOIN v vs ON vs.content_hash = p.section LEFT JOIN t ts ON ts.content_hash = p.section
        GROUP BY p.content_hash
    ), ranked AS (
        SELECT s.content_hash, s.vector_score, nullif(s.text_score, 0) AS text_score,
               row_number() OVER (ORDER BY s.vector_score DESC NULLS LAST, s.content_hash) AS vector_rank,
               row_number() OVER (ORDER BY s.text_score DESC, s.content_hash) AS text_rank
        FROM scored s WHERE s.vector_score IS NOT NULL OR s.text_score > 0
    )
    SELECT r.content_hash,
           CASE WHEN asked IS NULL THEN r.text_score WHEN words IS NULL THEN r.vector_score
                ELSE coalesce(vector_weight / (fusion_constant + f.vector_rank), 0)
                   + coalesce(text_weight / (fusion_constant + f.text_rank), 0) END,
           f.vector_rank, r.vector_score, f.text_rank, r.text_score
    FROM ranked r CROSS JOIN LATERAL (
        SELECT CASE WHEN r.vector_score IS NOT NULL THEN r.vector_rank END AS vector_rank,
               CASE WHEN r.text_score IS NOT NULL THEN r.text_rank END AS text_rank
    ) f
    ORDER BY 2 DESC, r.content_hash LIMIT k;
END $$;
COMMENT ON FUNCTION reference_rank IS
    'The k best texts for a question: reciprocal rank fusion of nearest vectors and BM25 (Cormack et al. 2009).';

CREATE OR REPLACE FUNCTION reference_question(
    query_text      text,
    query_embedding vector,
    feedback_texts  integer DEFAULT 10,
    feedback_words  integer DEFAULT 10,
    feedback_weight double precision DEFAULT 0.5
) RETURNS reference_question LANGUAGE plpgsql STABLE AS $$
DECLARE
    total  double precision := coalesce((SELECT texts FROM reference_text_totals), 0);
    plain  reference_question;
    pool   reference_filters;
    most_words CONSTANT integer := 64;
    first  bytea[];
    widened reference_question;
BEGIN
    IF query_text IS NOT NULL THEN
        SELECT coalesce(array_agg(n.lexeme ORDER BY n.lexeme), '{}'), coalesce(array_agg(
                   ln(1 + (greatest(total, n.texts) - n.texts + 0.5) / (n.texts + 0.5)) ORDER BY n.lexeme), '{}')
        INTO plain.words, plain.weights
        FROM (  -- a page that was pasted is searched for by its rarest words
            SELECT lexeme, coalesce(l.texts, 0) AS texts FROM unnest(to_tsvector('pg_catalog.english', query_text))
            LEFT JOIN reference_lexemes l USING (lexeme) ORDER BY coalesce(l.texts, 0) = 0, l.texts, lexeme LIMIT most_words) n;
    END IF;
    plain.embedding := query_embedding;
    IF feedback_texts = 0 OR coalesce(cardinality(plain.words), 0) = 0 THEN
        RETURN plain;
    END IF;
    -- Feedback from the corpus itself: words that the best sections share, one section of each document, lest one
    -- document tells its own names. The filters do not hold here: what a thing is called is learnt everywhere.
    pool.granularities := ARRAY['section'];
    SELECT array_agg(content_hash) INTO first FROM (
        SELECT content_hash FROM (
            SELECT DISTINCT ON (document_id) content_hash, score FROM reference_rank(
                plain, pool, k => 10 * feedback_texts, context => 0, search_labels => false)
            JOIN reference_records USING (content_hash) WHERE granularity = 'section'
            ORDER BY document_id, score DESC, content_hash
        ) one_of_each GROUP BY content_hash ORDER BY max(score) DESC, content_hash LIMIT feedback_texts) best;
    IF first IS NULL THEN
        RETURN plain;
    END IF;
    WITH shared AS (
        SELECT u.lexeme, count(*)::double precision / cardinality(first) AS share
        FROM reference_texts t CROSS JOIN LATERAL unnest(t.content_tsv) u
        WHERE t.content_hash = ANY (first) GROUP BY 1
    ), telling AS (
        SELECT lexeme, share * ln(1 + (total - l.texts + 0.5) / (l.texts + 0.5)) AS weight
        FROM shared JOIN reference_lexemes l USING (lexeme) WHERE l.texts <= total
        ORDER BY weight DESC, lexeme LIMIT feedback_words
    ), own AS (
        SELECT * FROM unnest(plain.words, plain.weights) o (lexeme, weight)
    ), mixed AS (
        SELECT lexeme, (1 - feedback_weight) * coalesce(own.weight, 0) + feedback_weight * coalesce(
                   telling.weight * (SELECT sum(weight) FROM own) / (SELECT sum(weight) FROM telling), 0) AS weight
        FROM own FULL JOIN telling USING (lexeme)
    )
    SELECT array_agg(lexeme ORDER BY lexeme), array_agg(weight ORDER BY lexeme)
    INTO widened.words, widened.weights FROM mixed;
    widened.embedding := query_embedding;
    IF query_embedding IS NOT NULL AND (SELECT provider = 'local' FROM embedding_spaces WHERE state = 'active') THEN
        -- The local model knows a text only by its words, so its vectors gain by the same feedback.
        SELECT l2_normalize(l2_normalize(query_embedding) + l2_normalize(avg(v.embedding)))
        INTO widened.embedding FROM reference_vectors v WHERE v.content_hash = ANY (first);
    END IF;
    RETURN widened;
END $$;
COMMENT ON FUNCTION reference_question IS
    'A query as it is searched for: its words weighted by rarity, widened by feedback from the best sections (RM3-like, Lavrenko and Croft 2001; Rocchio 1971).';

CREATE FUNCTION search_reference(
    query_text      text,
    query_embedding vector,
    k               integer DEFAULT 10,
    sources         text[] DEFAULT NULL,
    categories      text[] DEFAULT NULL,
    granularities   text[] DEFAULT NULL,
    labels          text[] DEFAULT NULL,
    tenants         text[] DEFAULT NULL,
    documents       uuid[] DEFAULT NULL,
    vector_weight   double precision DEFAULT 1,
    text_weight     double precision DEFAULT 3,
    fusion_constant integer DEFAULT 10,
    context         double precision DEFAULT 0.5,
    search_labels   boolean DEFAULT true,
    feedback_texts  integer DEFAULT 10,
    candidates      integer DEFAULT 100,
    ef_search       integer DEFAULT NULL
) RETURNS TABLE (
    rank bigint, score double precision,
    vector_rank bigint, vector_score double precision, text_rank bigint, text_score double precision,
    content_hash bytea, content text, before text, after text, records jsonb
) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    filters reference_filters;
    phrase  tsquery := (
        SELECT string_agg('(' || p.query::text || ')', ' & ')::tsquery FROM (
            SELECT phraseto_tsquery('pg_catalog.english', m[1]) AS query
            FROM regexp_matches(query_text, '"([^"]+)"', 'g') m) p WHERE numnode(p.query) > 0);
BEGIN
    k := coalesce(k, 10);
    vector_weight := coalesce(vector_weight, 1);
    text_weight := coalesce(text_weight, 3);
    fusion_constant := coalesce(fusion_constant, 10);
    context := coalesce(context, 0.5);
    search_labels := coalesce(search_labels, true);
    feedback_texts := coalesce(feedback_texts, 10);
    candidates := coalesce(candidates, 100);
    IF least(vector_weight, text_weight, fusion_constant, context, feedback_texts, k) < 0
        OR greatest(vector_weight, text_weight, context) >= 'Infinity' OR greatest(k, candidates, feedback_texts) > 100000 THEN
        RAISE EXCEPTION 'search_reference: weights and numbers must be finite and not negative, and ask for at most 100000 texts'
            USING ERRCODE = 'invalid_parameter_value';
    ELSIF vector_norm(query_embedding) = 0 THEN
        RAISE EXCEPTION 'search_reference: query_embedding has no direction, all its values are 0'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    filters := ROW (
        reference_lower(sources),
        reference_lower(categories),
        reference_lower(granularities),
        reference_lower(labels),
        CASE WHEN tenants IS NULL THEN documents ELSE (
            SELECT coalesce(array_agg(d.id), '{}') FROM reference_documents d
            WHERE d.tenant_id = ANY (tenants) AND (documents IS NULL OR d.id = ANY (documents))) END,
        CASE WHEN phrase IS NOT NULL THEN (
            SELECT coalesce(array_agg(content_hash), '{}') FROM reference_texts WHERE content_tsv @@ phrase) END);
    RETURN QUERY
    WITH ranked AS MATERIALIZED (
        SELECT row_number() OVER () AS rank, f.* FROM reference_rank(
            reference_question(query_text, query_embedding, feedback_texts), filters, k, vector_weight, text_weight,
            fusion_constant, context, search_labels, candidates, ef_search, reference_question(query_text, NULL, 0)) f
    )
    SELECT f.rank, f.score, f.vector_rank, f.vector_score, f.text_rank, f.text_score, f.content_hash, t.content,
           one.before, one.after,
           all_of.records
    FROM ranked f JOIN reference_texts t USING (content_hash) CROSS JOIN LATERAL (
        SELECT jsonb_agg(jsonb_build_object(
                   'id', r.id, 'source', r.source, 'source_id', r.source_id, 'document_id', r.document_id,
                   'document', d.title, 'granularity', r.granularity, 'section_path', r.section_path,
                   'category', r.category, 'hypothesis_id', r.hypothesis_id, 'nli_label', r.nli_label,
                   'char_start', r.char_start, 'char_end', r.char_end) ORDER BY r.source, r.source_id) AS records,
               (array_agg(r.id ORDER BY r.source, r.source_id))[1] AS first
        FROM reference_records r JOIN reference_documents d ON d.id = r.document_id
        WHERE r.content_hash = f.content_hash
          AND reference_passes(r.source, r.category, r.granularity, r.nli_label, r.document_id, r.content_hash, filters)
    ) all_of CROSS JOIN LATERAL (
        SELECT nullif(left(u.around, u.ahead), '') AS before, nullif(right(u.around, -u.ahead - u.own), '') AS after
        FROM (
            -- Taken out of the document at once: it has to be unpacked for each piece.
            SELECT substr(d.raw_text, r.char_start + 1 - least(200, r.char_start),
                          least(200, r.char_start) + r.char_end - r.char_start + 200) AS around,
                   least(200, r.char_start) AS ahead, r.char_end - r.char_start AS own
            FROM reference_records r JOIN reference_documents d ON d.id = r.document_id WHERE r.id = all_of.first
        ) u
    ) one ORDER BY f.rank;
END $$;
COMMENT ON FUNCTION search_reference IS
    'Hybrid search over the active space. Give only query_text or only query_embedding to search by one of them. What stands in double quotes must occur as a phrase. A text that several records have is one hit that lists them; before and after are up to 200 characters around it. vector_score is the cosine plus a share of its section''s, so up to 1 + context; text_score is BM25 with such a share.';
