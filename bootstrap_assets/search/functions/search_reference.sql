CREATE OR REPLACE FUNCTION search_reference(
    query_text      text,
    query_embedding vector,
    k               integer DEFAULT 10,
    sources         text[] DEFAULT NULL,
    categories      text[] DEFAULT NULL,
    granularities   text[] DEFAULT NULL,
    labels          text[] DEFAULT NULL,
    documents       uuid[] DEFAULT NULL,
    vector_weight   double precision DEFAULT NULL,
    text_weight     double precision DEFAULT NULL,
    fusion_constant integer DEFAULT NULL,
    context         double precision DEFAULT NULL,
    search_labels   boolean DEFAULT true,
    feedback_texts  integer DEFAULT 10,
    candidates      integer DEFAULT 100,
    ef_search       integer DEFAULT NULL,
    min_score       double precision DEFAULT NULL,
    fold            boolean DEFAULT true,
    space           integer DEFAULT NULL
) RETURNS TABLE (
    rank bigint, score double precision,
    vector_rank bigint, vector_score double precision, text_rank bigint, text_score double precision,
    content_hash bytea, content text, before text, after text, records jsonb,
    weak boolean, others jsonb,
    source text, title text, licence text, attribution text, url text, scorer jsonb
) LANGUAGE plpgsql STABLE SECURITY DEFINER SET plan_cache_mode = force_generic_plan SET jit = off AS $$
#variable_conflict use_column
DECLARE
    filters reference_filters;
    phrase  tsquery := (
        SELECT string_agg('(' || p.query::text || ')', ' & ')::tsquery FROM (
            SELECT reference_phrase(m[1]) AS query
            FROM regexp_matches(query_text, '["“”„«»]([^"“”„«»]+)["“”„«»]', 'g') m) p WHERE numnode(p.query) > 0);
    asked     reference_question;
    as_asked  reference_question;
    ranked    reference_ranked[] := '{}';
    leaders   integer[];  -- for each of them the one that it is shown with
    before_it integer;
BEGIN
    k := coalesce(k, 10);
    search_labels := coalesce(search_labels, true);
    feedback_texts := coalesce(feedback_texts, 10);
    candidates := coalesce(candidates, 100);
    fold := coalesce(fold, true);
    IF least(vector_weight, text_weight, fusion_constant, context, feedback_texts, k) < 0 OR min_score = 'NaN'
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
        documents,
        phrase);
    asked := reference_question(query_text, query_embedding, feedback_texts, space => space, search_labels => search_labels);
    as_asked := reference_question(query_text, NULL, 0, space => space);
    LOOP
        before_it := cardinality(ranked);
        SELECT coalesce(array_agg(ROW (f.*)::reference_ranked), '{}') INTO ranked FROM reference_rank(
            asked, filters, CASE WHEN NOT fold THEN k END, vector_weight, text_weight, fusion_constant, context,
            search_labels, greatest(candidates, k), ef_search, as_asked, space) f WHERE min_score IS NULL OR f.score >= min_score;
        EXIT WHEN NOT fold;
        SELECT array_agg(o.leader ORDER BY o.place) INTO leaders
        FROM reference_fold(ARRAY(SELECT r.content_hash FROM unnest(ranked) r), k) o;
        -- Where so many are folded that fewer than wanted are left, more are looked at, if there are more.
        EXIT WHEN (SELECT count(DISTINCT l) FROM unnest(leaders) l) >= k OR cardinality(ranked) < greatest(candidates, k)
            OR cardinality(ranked) <= before_it OR candidates > 10000;
        candidates := 4 * greatest(candidates, k, 1);
    END LOOP;
    RETURN QUERY
    WITH hit AS MATERIALIZED (
        SELECT dense_rank() OVER (ORDER BY l.leader) AS rank, r.place = l.leader AS leads, r.*
        FROM unnest(ranked) WITH ORDINALITY
             r (content_hash, score, vector_rank, vector_score, text_rank, text_score, probability, place)
        CROSS JOIN LATERAL (SELECT CASE WHEN fold THEN leaders[r.place] ELSE r.place END AS leader) l
        WHERE l.leader IS NOT NULL
    ), telling AS MATERIALIZED (
        SELECT f.content_hash, all_of.records, all_of.first FROM hit f CROSS JOIN LATERAL (
            SELECT jsonb_agg(jsonb_build_object(
                       'id', r.id, 'source', r.source, 'source_id', r.source_id, 'document_id', r.document_id,
                       'document', d.title, 'tenant_id', r.tenant_id, 'granularity', r.granularity, 'section_path', r.section_path,
                       'category', r.category, 'hypothesis_id', r.hypothesis_id, 'nli_label', r.nli_label,
                       'char_start', r.char_start, 'char_end', r.char_end,
                       'invented', d.metadata @> '{"invented": true}') ORDER BY r.source, r.source_id) AS records,
                   (array_agg(r.id ORDER BY r.source, r.source_id))[1] AS first
            FROM reference_records r JOIN reference_documents d ON d.id = r.document_id
            WHERE r.content_hash = f.content_hash
              AND reference_passes(r.source, r.category, r.granularity, r.nli_label, r.document_id, r.tenant_id, filters)
        ) all_of
    )
    SELECT f.rank, f.score, f.vector_rank, f.vector_score, f.text_rank, f.text_score, f.content_hash, t.content,
           one.before, one.after, told.records,
           f.score < 0.25 AND coalesce(f.vector_score, 0) < 0.5,
           coalesce((SELECT jsonb_agg(record || jsonb_build_object('score', o.score) ORDER BY o.place, number)
                     FROM hit o JOIN telling b USING (content_hash)
                     CROSS JOIN LATERAL jsonb_array_elements(b.records) WITH ORDINALITY e (record, number)
                     WHERE o.rank = f.rank AND NOT o.leads), '[]'),
           one.source, one.title, one.licence, one.attribution, one.url,
           CASE WHEN f.probability > 0 THEN jsonb_build_object(
               'source', ((asked).label).source, 'category', ((asked).label).category, 'hypothesis_id', ((asked).label).hypothesis_id,
               'likeness', round(((asked).label).likeness::numeric, 4), 'probability', round(f.probability::numeric, 4)) END
    FROM hit f JOIN reference_texts t USING (content_hash) JOIN telling told USING (content_hash) CROSS JOIN LATERAL (
        SELECT nullif(left(u.around, u.ahead), '') AS before, nullif(right(u.around, -u.ahead - u.own), '') AS after,
               u.source, u.title, u.licence, u.attribution, u.url
        FROM (
            -- Taken out of the document at once: it has to be unpacked for each piece.
            SELECT substr(d.raw_text, r.char_start + 1 - least(200, r.char_start),
                          least(200, r.char_start) + r.char_end - r.char_start + 200) AS around,
                   least(200, r.char_start) AS ahead, r.char_end - r.char_start AS own,
                   d.source, d.title, d.licence, d.attribution, d.url
            FROM reference_records r JOIN reference_documents d ON d.id = r.document_id WHERE r.id = told.first
        ) u
    ) one WHERE f.leads ORDER BY f.rank;
END $$;
COMMENT ON FUNCTION search_reference IS
    'Hybrid search over the active space, or over the one whose id is given as space. It finds the reference corpus, and the documents of the tenant that the transaction names (SET LOCAL bootstrap.tenant); it runs with the rights of its owner, and shows nothing else. Weights and context are the space''s own where they are not given. Give only query_text or only query_embedding to search by one of them. What stands in double quotes must occur as a phrase. score is 0 to 1 and compares across queries: the mean, by vector_weight and text_weight, of vector_score (the cosine, of a text and by the share context of its section) and text_score (BM25 as a share of what the query''s words could reach). weak: few of the words, and not near. min_score leaves out what scores less. A text that several records have is one hit that lists them, each with whether it is invented (the sample); with fold, the same passage in another size and nearly the same words are one hit too, which lists them in others; fold => false gives each by itself. before and after are up to 200 characters around it. source, title, licence, attribution and url are those of the document of the first of its records. scorer: of a query that means a category or hypothesis that a scorer knows, which, how like its wording the query is (likeness), and how probable it is that the text has it; what that is worth is part of the score; search_labels => false leaves it out. With fusion_constant hits are in order of reciprocal ranks instead of score.';

-- Whatever search path the caller has, and whatever stands first on it: our schema and the extension's. What users
-- made in them cannot hide PostgreSQL's own, and temporary tables come last. The functions inside follow the path
-- of who calls them, which is this one in a search: an evaluation has its own tables found by them (evaluation/shadow.py).
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION search_reference SET search_path = pg_catalog, %I, %I, pg_temp', current_schema(), (
        SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'vector'));
END $$;
