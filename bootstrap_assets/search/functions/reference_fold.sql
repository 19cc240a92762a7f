CREATE OR REPLACE FUNCTION reference_fold(hashes bytea[], k integer)
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
            WHERE a.content_hash = hashes[l.leader] AND b.content_hash = hashes[place] AND reference_is_visible(a.tenant_id)
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
