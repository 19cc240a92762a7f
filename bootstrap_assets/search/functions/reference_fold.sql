CREATE OR REPLACE FUNCTION reference_fold(hashes bytea[], k integer)
RETURNS TABLE (place integer, leader integer) LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan AS $$
    -- For each of the texts, best first, the better one that it says nothing new to, or itself; until k are by themselves.
    -- Nothing new: a passage that lies within the better one, or around it, in the same document (a section of many
    -- pages does not stand for each of its sentences, only for its half); or four in five of the words of both are the same.
    -- Which of them are alike is found out for so many at once. What two texts share is what is missing of their words
    -- when both are put together; two of very different lengths cannot share so much.
DECLARE
    leaders integer[] := '{}';
    alike   integer[];  -- of each pair the better and the other, one after the other
    through integer := 0;
BEGIN
    FOR place IN 1 .. coalesce(cardinality(hashes), 0) LOOP
        IF place > through THEN
            through := through + 2 * k + 10;
            alike := ARRAY(
                WITH listed AS MATERIALIZED (
                    SELECT h.place, h.hash FROM unnest(hashes[:through]) WITH ORDINALITY h (hash, place)
                ), passage AS MATERIALIZED (
                    SELECT l.place, r.document_id, r.char_start, r.char_end, r.char_end - r.char_start AS size
                    FROM listed l CROSS JOIN LATERAL (
                        SELECT r.document_id, r.char_start, r.char_end FROM reference_records r
                        WHERE r.content_hash = l.hash AND reference_is_visible(r.tenant_id) OFFSET 0) r
                ), said AS MATERIALIZED (
                    SELECT l.place, t.content_tsv AS words, length(t.content_tsv) AS size FROM listed l CROSS JOIN LATERAL (
                        SELECT t.content_tsv FROM reference_texts t WHERE t.content_hash = l.hash OFFSET 0) t
                    WHERE length(t.content_tsv) >= 12
                )
                SELECT unnest(ARRAY[p.better, p.other]) FROM (
                    SELECT a.place AS better, b.place AS other FROM passage a JOIN passage b
                    ON b.document_id = a.document_id AND b.place > a.place
                    WHERE least(a.char_end, b.char_end) - greatest(a.char_start, b.char_start) >= 0.8 * least(a.size, b.size)
                      AND a.size <= greatest(2000, 2 * b.size)
                    UNION
                    SELECT a.place, b.place FROM said a JOIN said b ON b.place > a.place AND b.size BETWEEN 0.8 * a.size AND a.size / 0.8
                    WHERE a.size + b.size - length(a.words || b.words) >= 0.8 / 1.8 * (a.size + b.size)
                ) p);
        END IF;
        leader := (SELECT min(alike[n]) FROM generate_series(1, cardinality(alike), 2) n
                   WHERE alike[n + 1] = place AND alike[n] = ANY (leaders));
        IF leader IS NULL THEN
            EXIT WHEN cardinality(leaders) >= k;
            leader := place;
            leaders := leaders || place;
        END IF;
        RETURN NEXT;
    END LOOP;
END $$;
COMMENT ON FUNCTION reference_fold IS 'Which hits are one: the same passage in another size, and nearly the same words.';
