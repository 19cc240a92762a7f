CREATE OR REPLACE FUNCTION reference_rank(
    question        reference_question,
    filters         reference_filters DEFAULT NULL,
    k               integer DEFAULT 10,
    vector_weight   double precision DEFAULT NULL,
    text_weight     double precision DEFAULT NULL,
    fusion_constant integer DEFAULT NULL,
    context         double precision DEFAULT NULL,
    search_labels   boolean DEFAULT true,
    candidates      integer DEFAULT 100,
    ef_search       integer DEFAULT NULL,
    as_asked        reference_question DEFAULT NULL,
    space           integer DEFAULT NULL,
    around          boolean DEFAULT false
) RETURNS TABLE (
    content_hash bytea, score double precision,
    vector_rank bigint, vector_score double precision, text_rank bigint, text_score double precision,
    probability double precision
) LANGUAGE plpgsql STABLE
SET hnsw.iterative_scan = relaxed_order SET hnsw.ef_search = 100 SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    all_below CONSTANT integer := 1000;
    searched reference_space := reference_space(space);
    wanted  integer := greatest(candidates, k);
    reach   double precision;  -- what a text would score that has every word without end, and whose section has them too
    words   text[] := (question).words;
    weights double precision[] := (question).weights;
    asked   vector := (question).embedding;
    -- Labels are matched with the query as it was asked, not as feedback widened it.
    label_words   text[] := coalesce((as_asked).words, (question).words);
    label_weights double precision[] := coalesce((as_asked).weights, (question).weights);
    labels  bigint[] := '{}';  -- those that have some of the words, with their scores
    label_scores double precision[] := '{}';
    few     bytea[];
    near    bytea[] := '{}';
    texts   bytea[] := '{}';
    topic   reference_label := (question).label;  -- what the query means, of what scorers know
    likely  bytea[] := '{}';
    -- A query that is only like its wording may mean another thing, so what its scorer says counts for less.
    trust   double precision := coalesce(((question).label).likeness, 0) ^ 4;
BEGIN
    vector_weight := coalesce(vector_weight, searched.vector_weight);
    text_weight := coalesce(text_weight, searched.text_weight);
    context := coalesce(context, searched.context);
    SELECT nullif(2.2 * sum(w), 0) * (1 + context) INTO reach FROM unnest(weights) w;
    PERFORM set_config('hnsw.ef_search', least(1000, coalesce(ef_search, searched.ef_search, 100))::text, true);
    IF search_labels AND cardinality(words) > 0 THEN
        SELECT array_agg(l.label_number), array_agg(l.score) INTO labels, label_scores
        FROM reference_label_scores(label_words, label_weights) l WHERE l.score > 0;
    END IF;
    IF NOT around OR coalesce((SELECT o.texts FROM reference_text_totals o), 0) <= 10 * all_below THEN
        few := reference_few_texts(filters, all_below);
    END IF;
    IF few IS NULL THEN  -- else they are so few that all are compared
        IF asked IS NOT NULL THEN
            near := reference_nearest(searched.vectors, asked, CASE WHEN NOT around THEN filters END, wanted);
            IF around THEN
                near := ARRAY(
                    SELECT DISTINCT coalesce(r.section_hash, r.content_hash)
                    FROM unnest(near) n (hash) JOIN reference_records r ON r.content_hash = n.hash
                    WHERE reference_is_visible(r.tenant_id));
            END IF;
        END IF;
        IF (topic).label IS NOT NULL THEN
            likely := reference_likely_texts(topic, filters, wanted);
        END IF;
        IF cardinality(words) > 0 THEN
            texts := reference_text_candidates(words, weights, filters, wanted);
            IF cardinality(labels) > 0 THEN
                texts := reference_labelled_texts(words, weights, texts, labels, label_scores, filters, wanted);
            END IF;
        END IF;
    END IF;
    -- Each of them by both measures, with a share of what the section around it scores: what a clause is about is
    -- often said in the sentences beside it.
    RETURN QUERY
    WITH places AS MATERIALIZED (
        SELECT r.content_hash, coalesce(r.section_hash, r.content_hash) AS section, max(l.score) AS label
        FROM reference_records r LEFT JOIN unnest(labels, label_scores) l (number, score) ON l.number = r.label_number
        WHERE r.content_hash = ANY (coalesce(few, near || texts || likely)) AND reference_passes(
            r.source, r.category, r.granularity, r.nli_label, r.document_id, r.tenant_id, filters)
        GROUP BY 1, 2
    ), all_of AS MATERIALIZED (
        SELECT array_agg(DISTINCT h.hash) AS hashes
        FROM places p CROSS JOIN LATERAL (VALUES (p.content_hash), (p.section)) h (hash)
    ), v AS MATERIALIZED (
        SELECT e.* FROM reference_vector_scores(searched.vectors, asked, (SELECT hashes FROM all_of)) e
        WHERE asked IS NOT NULL
    ), t AS MATERIALIZED (
        SELECT s.* FROM reference_text_scores(words, weights, (SELECT hashes FROM all_of)) s
        WHERE words IS NOT NULL
    ), likelihood AS MATERIALIZED (
        SELECT l.* FROM reference_likelihoods(topic, (SELECT array_agg(o.content_hash) FROM places o)) l WHERE (topic).label IS NOT NULL
    ), scored AS (
        SELECT p.content_hash, max(v.score + context * coalesce(vs.score, v.score)) / (1 + context) AS vector_score,
               -- A label adds to what the text lacks: never more than 1 together.
               max(1 - (1 - coalesce(p.label, 0) / reach) * (1 - (coalesce(t.score, 0) + context * coalesce(ts.score, 0)) / reach))
                   AS text_score,
               max(i.probability) AS probability
        FROM places p LEFT JOIN likelihood i USING (content_hash) LEFT JOIN v USING (content_hash) LEFT JOIN t USING (content_hash)
        LEFT JOIN v vs ON vs.content_hash = p.section LEFT JOIN t ts ON ts.content_hash = p.section
        GROUP BY p.content_hash
    ), ranked AS (
        SELECT s.content_hash, s.vector_score, nullif(s.text_score, 0) AS text_score, s.probability,
               rank() OVER (ORDER BY s.probability DESC NULLS LAST) AS probability_rank,
               row_number() OVER (ORDER BY s.vector_score DESC NULLS LAST, s.content_hash) AS vector_rank,
               row_number() OVER (ORDER BY s.text_score DESC, s.content_hash) AS text_rank
        FROM scored s WHERE s.vector_score IS NOT NULL OR s.text_score > 0 OR s.probability > 0
    )
    SELECT f.content_hash, least(1, greatest(0, f.match)), f.vector_rank, f.vector_score, f.text_rank, f.text_score, f.probability
    FROM (
        SELECT r.content_hash, r.vector_score, r.text_score, r.probability, r.probability_rank,
               CASE WHEN r.vector_score IS NOT NULL THEN r.vector_rank END AS vector_rank,
               CASE WHEN r.text_score IS NOT NULL THEN r.text_rank END AS text_rank,
               -- A scorer adds to what the match lacks, as a label does.
               m.match + (1 - m.match) * trust * coalesce(r.probability, 0) AS match
        FROM ranked r CROSS JOIN LATERAL (
            SELECT coalesce(CASE WHEN asked IS NULL THEN r.text_score WHEN words IS NULL THEN r.vector_score
                   ELSE (vector_weight * greatest(r.vector_score, 0) + text_weight * coalesce(r.text_score, 0))
                        / nullif(vector_weight + text_weight, 0) END, 0) AS match) m
    ) f
    ORDER BY CASE WHEN fusion_constant IS NULL OR asked IS NULL OR words IS NULL THEN f.match
                  ELSE coalesce(vector_weight / (fusion_constant + f.vector_rank), 0)
                     + coalesce(text_weight / (fusion_constant + f.text_rank), 0)
                     + CASE WHEN f.probability > 0 THEN trust * 4 * (vector_weight + text_weight) / (fusion_constant + f.probability_rank)
                            ELSE 0 END END DESC, f.content_hash
    LIMIT k;
END $$;
COMMENT ON FUNCTION reference_rank IS
    'The k best texts for a question, best first. score, 0 to 1, is the mean of vector_score (cosine) and text_score (BM25 as a share of what the words could reach), by their weights; of a question that means a category or hypothesis, probability, that its scorer gives, adds to what they lack. With around, the nearest are the sections around the nearest texts, which is quicker than to look for those. With fusion_constant the order, not the score, is by reciprocal rank fusion (Cormack et al. 2009).';
