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
          AND ((filters).phrase IS NULL OR t.content_tsv @@ (filters).phrase)
          AND EXISTS (
            SELECT FROM reference_records r WHERE r.content_hash = t.content_hash
              AND reference_passes(r.source, r.category, r.granularity, r.nli_label, r.document_id, r.tenant_id, filters))
        ORDER BY t.content_tsv @@ all_of DESC, t.tokens, t.content_hash LIMIT most) c);
END $$;
COMMENT ON FUNCTION reference_text_candidates IS 'Texts that pass the filters and have one of the words that tell most, rarest first, to be ranked by reference_text_scores.';
