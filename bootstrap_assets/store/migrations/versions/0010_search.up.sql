-- Words as people write them, scores that mean something, functions that work under any search path.
--
-- The words of texts and labels are normalised for the index alone: what is stored, and every offset into it, stays.
-- Rewriting them takes about as long as indexing them took, in one transaction. Readers go on with the old words
-- until it commits, and wait for nothing: no table is locked against them (ALTER … DROP and ADD COLUMN would).

-- The extension's library is loaded by the first use of its type: before, its parameters are unknown to the server, and a
-- role that is no superuser may not give a function values for them.
SELECT '[1]'::vector;

CREATE FUNCTION reference_separated(content text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN regexp_replace(regexp_replace(content COLLATE "C", '\m([A-Za-z])\.(?=[A-Za-z]\M)', '\1', 'g'),
    '[\u0001-\u002d/:-@[-`{-\u00a9\u00ab\u00ac\u00ae-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u00d7\u00f7'
    '\u02b9-\u02df\u037e\u0387\u055a-\u055f\u0589\u060c\u061b\u061f\u066a-\u066d\u06d4\u0964\u0965'
    '\u2000-\u200a\u2010-\u2029\u202f-\u205f\u2070-\u207f\u20a0-\u20cf\u2120\u2122\u2150-\u215f\u2190-\u24ff'
    '\u2500-\u2bff\u2e00-\u2e7f\u3000-\u3004\u3008-\u3020\u3030\ue000-\uf8ff\ufe30-\ufe4f\ufff9-\uffff'
    '\U0001f000-\U0001faff]|\.(?![0-9])|(?<![0-9])\.', ' ', 'g');
COMMENT ON FUNCTION reference_separated IS
    'A text with a space for all that is no part of a word. A point stays inside a number, and goes from U.S.; code points are named, so that no locale matters.';

CREATE FUNCTION reference_unaccented(content text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE WHEN octet_length(content) = length(content) THEN content ELSE reference_separated(
    replace(replace(replace(replace(replace(replace(replace(replace(translate(
        normalize(regexp_replace(normalize(content, NFKD) COLLATE "C", '[\u0300-\u036f]', '', 'g'), NFC),
        'øØđĐðÐłŁıħĦŧŦ', 'oOdDdDlLihHtT'),
        'ß', 'ss'), 'ẞ', 'SS'), 'æ', 'ae'), 'Æ', 'AE'), 'œ', 'oe'), 'Œ', 'OE'), 'þ', 'th'), 'Þ', 'TH')) END;
COMMENT ON FUNCTION reference_unaccented IS
    'A text without accents, ligatures and other forms of the same letters (NFKD); what are letters of their own stay whole (NFC).';

CREATE FUNCTION reference_plain(content text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE WHEN octet_length(content) = length(content) THEN reference_separated(content)
    ELSE reference_unaccented(reference_separated(regexp_replace(content COLLATE "C",
        '\u00ad[ \t]*\r?\n[ \t]*|[\u00ad\u034f\u061c\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]',
        '', 'g'))) END;
COMMENT ON FUNCTION reference_plain IS
    'A text as its words are looked for: separators are spaces; accents, ligatures, soft hyphens and invisible characters are gone. The same for texts, labels, queries and phrases.';

-- A tsvector holds at most 1 MB. 200,000 characters always fit; the passages of a longer document cover the rest.
CREATE OR REPLACE FUNCTION reference_tsvector(content text) RETURNS tsvector
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN to_tsvector('pg_catalog.english'::regconfig, left(reference_plain(left(content, 200000)), 200000));

CREATE FUNCTION reference_phrase(content text) RETURNS tsquery LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN phraseto_tsquery('pg_catalog.english'::regconfig, reference_plain(left(content, 200000)));
COMMENT ON FUNCTION reference_phrase IS 'A phrase as it is looked for in content_tsv.';

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
UPDATE reference_text_totals SET counted_of = 'the words before migration 0010';

CREATE OR REPLACE FUNCTION reference_corpus_version() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN (SELECT count(*) || ' ' || coalesce(extract(epoch FROM max(created_at))::text, '') FROM reference_texts);

CREATE OR REPLACE FUNCTION reference_text_scores(words text[], weights double precision[], hashes bytea[])
RETURNS TABLE (content_hash bytea, score double precision) LANGUAGE sql STABLE PARALLEL SAFE AS $$
    -- BM25 with k1 = 1.2 and b = 0.75 (Robertson and Zaragoza 2009); a length is the estimate of tokens. The number
    -- of times that a word occurs is read off ts_rank, which for a single word of weight 1 is the sum of 1/j² for j
    -- up to that number, divided by its limit (calc_rank_or in PostgreSQL's tsrank.c): what is missing to 1 is about
    -- 1/(number + 1/2), so rounding gives the number. Unnesting the tsvector instead takes longer, and so does not
    -- decompressing it before (that is what the empty one is for): it would be done again for each word. The hashes
    -- stand in a query of their own: this function is inlined, and what computes them would be called for each row.
    WITH asked AS MATERIALIZED (
        SELECT reference_word(a.word) AS word, a.weight FROM unnest(words, weights) a (word, weight)
    ), mean AS MATERIALIZED (SELECT coalesce(max(mean_tokens), 100) AS tokens FROM reference_text_totals)
    SELECT t.content_hash, s.score
    FROM (
        SELECT content_hash, tokens, content_tsv || ''::tsvector AS content_tsv FROM reference_texts
        WHERE content_hash = ANY ((SELECT hashes)::bytea[]) OFFSET 0
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
    -- times the share of the query's weight that the label holds: one word in common is no answer to six. Labels are
    -- few and records many, so each label is scored once.
    WITH asked AS MATERIALIZED (
        SELECT reference_word(a.word) AS word, a.weight FROM unnest(words, weights) a (word, weight)
    ), any_of AS MATERIALIZED (
        SELECT string_agg(word::text, ' | ')::tsquery AS words, sum(weight) AS weight FROM asked
    ), labelled AS MATERIALIZED (
        SELECT DISTINCT r.content_hash, r.label_tsv FROM any_of JOIN reference_records r ON r.label_tsv @@ any_of.words
        WHERE reference_passes(r.source, r.category, r.granularity, r.nli_label, r.document_id, r.content_hash, filters)
    ), label AS MATERIALIZED (
        SELECT d.label_tsv,
               (SELECT 2 * sum(a.weight) ^ 2 / any_of.weight FROM asked a WHERE d.label_tsv @@ a.word) AS score
        FROM any_of CROSS JOIN (SELECT DISTINCT label_tsv FROM labelled) d
    )
    SELECT labelled.content_hash, max(label.score) FROM labelled JOIN label USING (label_tsv)
    GROUP BY labelled.content_hash
$$;

CREATE OR REPLACE FUNCTION reference_text_candidates(
    words text[], weights double precision[], filters reference_filters, candidates integer
) RETURNS bytea[] LANGUAGE plpgsql STABLE PARALLEL SAFE SET plan_cache_mode = force_custom_plan AS $$
    -- Texts with one of the words that tell most: rarest first, until their texts are many times what is wanted. A
    -- word that every other text has finds nothing that the others do not, and would have the whole corpus ranked.
    -- Where even the rarest is in more texts than that, the ones with all of these words are taken first, then the
    -- shorter, whose words weigh more. Long texts, whose sections are there too, rank behind those by their length;
    -- reading them is most of the work. The filters are known to the planner, which looks their arrays up by a hash.
DECLARE
    most   CONSTANT integer := 20 * candidates;
    any_of tsquery;
    all_of tsquery;
BEGIN
    SELECT string_agg(reference_word(word)::text, ' | ')::tsquery, string_agg(reference_word(word)::text, ' & ')::tsquery
    INTO any_of, all_of FROM (
        SELECT a.word, coalesce(l.texts, 0) AS texts,
               sum(coalesce(l.texts, 0)) OVER (ORDER BY coalesce(l.texts, 0), a.word) AS together
        FROM unnest(words, weights) a (word, weight) LEFT JOIN reference_lexemes l ON l.lexeme = a.word
        WHERE a.weight > 0
    ) asked WHERE together <= most OR together = texts;
    RETURN (SELECT coalesce(array_agg(c.content_hash), '{}') FROM (
        SELECT t.content_hash FROM reference_texts t
        WHERE t.content_tsv @@ any_of AND (t.tokens <= 4000 OR (filters).granularities && '{document,template}')
          AND EXISTS (
            SELECT FROM reference_records r WHERE r.content_hash = t.content_hash
              AND reference_passes(r.source, r.category, r.granularity, r.nli_label, r.document_id, r.content_hash, filters))
        ORDER BY t.content_tsv @@ all_of DESC, t.tokens, t.content_hash LIMIT most) c);
END $$;

CREATE OR REPLACE FUNCTION reference_rank(
    question        reference_question,
    filters         reference_filters DEFAULT NULL,
    k               integer DEFAULT 10,
    vector_weight   double precision DEFAULT 1,
    text_weight     double precision DEFAULT 3,
    fusion_constant integer DEFAULT NULL,
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
    reach   double precision;  -- what a text would score that has every word without end, and whose section has them too
    words   text[] := (question).words;
    weights double precision[] := (question).weights;
    asked   vector := (question).embedding;
    -- Labels are matched with the query as it was asked, not as feedback widened it.
    label_words   text[] := coalesce((as_asked).words, (question).words);
    label_weights double precision[] := coalesce((as_asked).weights, (question).weights);
    few     bytea[];
    near    bytea[] := '{}';
    texts   bytea[] := '{}';
    found   bytea[];
BEGIN
    SELECT nullif(2.2 * sum(w), 0) * (1 + context) INTO reach FROM unnest(weights) w;
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
            found := reference_text_candidates(words, weights, filters, wanted);
            SELECT array_agg(t.content_hash) INTO texts FROM (
                SELECT b.content_hash FROM (
                    SELECT s.content_hash, s.score FROM reference_text_scores(words, weights, found) s
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
        SELECT s.* FROM reference_text_scores(words, weights, (SELECT hashes FROM all_of)) s
        WHERE words IS NOT NULL
    ), l AS MATERIALIZED (
        SELECT s.* FROM reference_label_scores(label_words, label_weights, filters) s WHERE search_labels AND words IS NOT NULL
    ), scored AS (
        SELECT p.content_hash, max(v.score + context * coalesce(vs.score, v.score)) / (1 + context) AS vector_score,
               -- A label adds to what the text lacks: never more than 1 together.
               max(1 - (1 - coalesce(l.score, 0) / reach) * (1 - (coalesce(t.score, 0) + context * coalesce(ts.score, 0)) / reach))
                   AS text_score
        FROM places p LEFT JOIN v USING (content_hash) LEFT JOIN t USING (content_hash) LEFT JOIN l USING (content_hash)
        LEFT JOIN v vs ON vs.content_hash = p.section LEFT JOIN t ts ON ts.content_hash = p.section
        GROUP BY p.content_hash
    ), ranked AS (
        SELECT s.content_hash, s.vector_score, nullif(s.text_score, 0) AS text_score,
               row_number() OVER (ORDER BY s.vector_score DESC NULLS LAST, s.content_hash) AS vector_rank,
               row_number() OVER (ORDER BY s.text_score DESC, s.content_hash) AS text_rank
        FROM scored s WHERE s.vector_score IS NOT NULL OR s.text_score > 0
    )
    SELECT f.content_hash, least(1, greatest(0, f.match)), f.vector_rank, f.vector_score, f.text_rank, f.text_score
    FROM (
        SELECT r.content_hash, r.vector_score, r.text_score,
               CASE WHEN r.vector_score IS NOT NULL THEN r.vector_rank END AS vector_rank,
               CASE WHEN r.text_score IS NOT NULL THEN r.text_rank END AS text_rank,
               CASE WHEN asked IS NULL THEN r.text_score WHEN words IS NULL THEN r.vector_score
                    ELSE coalesce((vector_weight * greatest(r.vector_score, 0) + text_weight * coalesce(r.text_score, 0))
                                  / nullif(vector_weight + text_weight, 0), 0) END AS match
        FROM ranked r
    ) f
    ORDER BY CASE WHEN fusion_constant IS NULL OR asked IS NULL OR words IS NULL THEN f.match
                  ELSE coalesce(vector_weight / (fusion_constant + f.vector_rank), 0)
                     + coalesce(text_weight / (fusion_constant + f.text_rank), 0) END DESC, f.content_hash
    LIMIT k;
END $$;
COMMENT ON FUNCTION reference_rank IS
    'The k best texts for a question, best first. score, 0 to 1, is the mean of vector_score (cosine) and text_score (BM25 as a share of what the words could reach), by their weights. With fusion_constant the order, not the score, is by reciprocal rank fusion (Cormack et al. 2009).';

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
    trust  double precision;
    widened reference_question;
BEGIN
    IF query_text IS NOT NULL THEN
        SELECT coalesce(array_agg(n.lexeme ORDER BY n.lexeme), '{}'), coalesce(array_agg(
                   ln(1 + (greatest(total, n.texts) - n.texts + 0.5) / (n.texts + 0.5)) ORDER BY n.lexeme), '{}')
        INTO plain.words, plain.weights
        FROM (  -- a page that was pasted is searched for by its rarest words
            SELECT lexeme, coalesce(l.texts, 0) AS texts FROM unnest(reference_tsvector(query_text))
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
    -- The less of the query these sections hold, the less they are believed: what nothing is about learns nothing.
    SELECT least(1, 2 * avg((
               SELECT coalesce(sum(p.weight), 0) FROM unnest(plain.words, plain.weights) p (word, weight)
               WHERE t.content_tsv @@ reference_word(p.word)) / (SELECT sum(w) FROM unnest(plain.weights) w)))
    INTO trust FROM reference_texts t WHERE t.content_hash = ANY (first);
    feedback_weight := feedback_weight * trust;
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
        SELECT l2_normalize(l2_normalize(query_embedding) + l2_normalize(avg(v.embedding))
                            * array_fill(trust::real, ARRAY[vector_dims(query_embedding)])::vector)
        INTO widened.embedding FROM reference_vectors v WHERE v.content_hash = ANY (first);
    END IF;
    RETURN widened;
END $$;
COMMENT ON FUNCTION reference_question IS
    'A query as it is searched for: its words weighted by rarity, widened by feedback from the best sections (RM3-like, Lavrenko and Croft 2001; Rocchio 1971).';

DROP FUNCTION search_reference;

CREATE TYPE reference_ranked AS (
    content_hash bytea, score double precision,
    vector_rank bigint, vector_score double precision, text_rank bigint, text_score double precision
);
COMMENT ON TYPE reference_ranked IS 'A row of reference_rank.';

CREATE FUNCTION reference_fold(hashes bytea[], k integer)
RETURNS TABLE (place integer, leader integer) LANGUAGE plpgsql STABLE AS $$
    -- For each of the texts, best first, the better one that it says nothing new to, or itself; until k are by themselves.
    -- Nothing new: a passage that lies within the better one, or around it, in the same document (a section of many
    -- pages does not stand for each of its sentences, only for its half); or four in five of the words of both are the same.
DECLARE
    leaders integer[] := '{}';
BEGIN
    FOR place IN 1 .. coalesce(cardinality(hashes), 0) LOOP
        leader := NULL;
        SELECT l.leader INTO leader FROM unnest(leaders) l (leader)
        WHERE EXISTS (
            SELECT FROM reference_records a JOIN reference_records b ON b.document_id = a.document_id CROSS JOIN LATERAL (
                SELECT least(a.char_end, b.char_end) - greatest(a.char_start, b.char_start) AS shared,
                       a.char_end - a.char_start AS better, b.char_end - b.char_start AS own
            ) c
            WHERE a.content_hash = hashes[l.leader] AND b.content_hash = hashes[place]
              AND c.shared >= 0.8 * least(c.better, c.own) AND (c.better <= greatest(2000, 2 * c.own))
        ) OR EXISTS (
            SELECT FROM reference_texts a CROSS JOIN reference_texts b
            WHERE a.content_hash = hashes[l.leader] AND b.content_hash = hashes[place]
              AND least(length(a.content_tsv), length(b.content_tsv))
                  >= greatest(12, 0.8 * greatest(length(a.content_tsv), length(b.content_tsv)))
              AND (SELECT count(*) FROM unnest(tsvector_to_array(a.content_tsv)) x JOIN unnest(tsvector_to_array(b.content_tsv)) y ON x = y)
                  >= 0.8 / 1.8 * (length(a.content_tsv) + length(b.content_tsv))
        ) ORDER BY l.leader LIMIT 1;
        IF leader IS NULL THEN
            EXIT WHEN cardinality(leaders) >= k;
            leader := place;
            leaders := leaders || place;
        END IF;
        RETURN NEXT;
    END LOOP;
END $$;
COMMENT ON FUNCTION reference_fold IS 'Which hits are one: the same passage in another size, and nearly the same words.';

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
    fusion_constant integer DEFAULT NULL,
    context         double precision DEFAULT 0.5,
    search_labels   boolean DEFAULT true,
    feedback_texts  integer DEFAULT 10,
    candidates      integer DEFAULT 100,
    ef_search       integer DEFAULT NULL,
    min_score       double precision DEFAULT NULL,
    fold            boolean DEFAULT true
) RETURNS TABLE (
    rank bigint, score double precision,
    vector_rank bigint, vector_score double precision, text_rank bigint, text_score double precision,
    content_hash bytea, content text, before text, after text, records jsonb,
    weak boolean, others jsonb
) LANGUAGE plpgsql STABLE SET plan_cache_mode = force_custom_plan AS $$
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
    vector_weight := coalesce(vector_weight, 1);
    text_weight := coalesce(text_weight, 3);
    context := coalesce(context, 0.5);
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
        CASE WHEN tenants IS NULL THEN documents ELSE (
            SELECT coalesce(array_agg(d.id), '{}') FROM reference_documents d
            WHERE d.tenant_id = ANY (tenants) AND (documents IS NULL OR d.id = ANY (documents))) END,
        CASE WHEN phrase IS NOT NULL THEN (
            SELECT coalesce(array_agg(content_hash), '{}') FROM reference_texts WHERE content_tsv @@ phrase) END);
    asked := reference_question(query_text, query_embedding, feedback_texts);
    as_asked := reference_question(query_text, NULL, 0);
    LOOP
        before_it := cardinality(ranked);
        SELECT coalesce(array_agg(ROW (f.*)::reference_ranked), '{}') INTO ranked FROM reference_rank(
            asked, filters, CASE WHEN NOT fold THEN k END, vector_weight, text_weight, fusion_constant, context,
            search_labels, greatest(candidates, k), ef_search, as_asked) f WHERE min_score IS NULL OR f.score >= min_score;
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
             r (content_hash, score, vector_rank, vector_score, text_rank, text_score, place)
        CROSS JOIN LATERAL (SELECT CASE WHEN fold THEN leaders[r.place] ELSE r.place END AS leader) l
        WHERE l.leader IS NOT NULL
    ), telling AS MATERIALIZED (
        SELECT f.content_hash, all_of.records, all_of.first FROM hit f CROSS JOIN LATERAL (
            SELECT jsonb_agg(jsonb_build_object(
                       'id', r.id, 'source', r.source, 'source_id', r.source_id, 'document_id', r.document_id,
                       'document', d.title, 'granularity', r.granularity, 'section_path', r.section_path,
                       'category', r.category, 'hypothesis_id', r.hypothesis_id, 'nli_label', r.nli_label,
                       'char_start', r.char_start, 'char_end', r.char_end,
                       'invented', d.metadata @> '{"invented": true}') ORDER BY r.source, r.source_id) AS records,
                   (array_agg(r.id ORDER BY r.source, r.source_id))[1] AS first
            FROM reference_records r JOIN reference_documents d ON d.id = r.document_id
            WHERE r.content_hash = f.content_hash
              AND reference_passes(r.source, r.category, r.granularity, r.nli_label, r.document_id, r.content_hash, filters)
        ) all_of
    )
    SELECT f.rank, f.score, f.vector_rank, f.vector_score, f.text_rank, f.text_score, f.content_hash, t.content,
           one.before, one.after, told.records,
           f.score < 0.25 AND coalesce(f.vector_score, 0) < 0.5,
           coalesce((SELECT jsonb_agg(record || jsonb_build_object('score', o.score) ORDER BY o.place, number)
                     FROM hit o JOIN telling b USING (content_hash)
                     CROSS JOIN LATERAL jsonb_array_elements(b.records) WITH ORDINALITY e (record, number)
                     WHERE o.rank = f.rank AND NOT o.leads), '[]')
    FROM hit f JOIN reference_texts t USING (content_hash) JOIN telling told USING (content_hash) CROSS JOIN LATERAL (
        SELECT nullif(left(u.around, u.ahead), '') AS before, nullif(right(u.around, -u.ahead - u.own), '') AS after
        FROM (
            -- Taken out of the document at once: it has to be unpacked for each piece.
            SELECT substr(d.raw_text, r.char_start + 1 - least(200, r.char_start),
                          least(200, r.char_start) + r.char_end - r.char_start + 200) AS around,
                   least(200, r.char_start) AS ahead, r.char_end - r.char_start AS own
            FROM reference_records r JOIN reference_documents d ON d.id = r.document_id WHERE r.id = told.first
        ) u
    ) one WHERE f.leads ORDER BY f.rank;
END $$;
COMMENT ON FUNCTION search_reference IS
    'Hybrid search over the active space. Give only query_text or only query_embedding to search by one of them. What stands in double quotes must occur as a phrase. score is 0 to 1 and compares across queries: the mean, by vector_weight and text_weight, of vector_score (the cosine, of a text and by the share context of its section) and text_score (BM25 as a share of what the query''s words could reach). weak: few of the words, and not near. min_score leaves out what scores less. A text that several records have is one hit that lists them, each with whether it is invented (the sample); with fold, the same passage in another size and nearly the same words are one hit too, which lists them in others; fold => false gives each by itself. before and after are up to 200 characters around it. With fusion_constant hits are in order of reciprocal ranks instead of score.';

-- Whatever search path the caller has, and whatever stands first on it: our schema and the extension's. What users
-- made in them cannot hide PostgreSQL's own, and temporary tables come last. The functions inside follow the path
-- of who calls them, which is this one in a search: an evaluation has its own tables found by them (search/shadow.py).
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION search_reference SET search_path = pg_catalog, %I, %I, pg_temp', current_schema(), (
        SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'vector'));
END $$;
