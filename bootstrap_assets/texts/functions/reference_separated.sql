CREATE OR REPLACE FUNCTION reference_separated(content text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN regexp_replace(regexp_replace(content COLLATE "C", '\m([A-Za-z])\.(?=[A-Za-z]\M)', '\1', 'g'),
    '[\u0001-\u002d/:-@[-`{-\u00a9\u00ab\u00ac\u00ae-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u00d7\u00f7'
    '\u02b9-\u02df\u037e\u0387\u055a-\u055f\u0589\u060c\u061b\u061f\u066a-\u066d\u06d4\u0964\u0965'
    '\u2000-\u200a\u2010-\u2029\u202f-\u205f\u2070-\u207f\u20a0-\u20cf\u2120\u2122\u2150-\u215f\u2190-\u24ff'
    '\u2500-\u2bff\u2e00-\u2e7f\u3000-\u3004\u3008-\u3020\u3030\ue000-\uf8ff\ufe30-\ufe4f\ufff9-\uffff'
    '\U0001f000-\U0001faff]|\.(?![0-9])|(?<![0-9])\.', ' ', 'g');
COMMENT ON FUNCTION reference_separated IS
    'A text with a space for all that is no part of a word. A point stays inside a number, and goes from U.S.; code points are named, so that no locale matters.';
