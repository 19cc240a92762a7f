CREATE OR REPLACE FUNCTION reference_plain(content text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE WHEN octet_length(content) = length(content) THEN reference_separated(content)
    ELSE reference_unaccented(reference_separated(regexp_replace(content COLLATE "C",
        '\u00ad[ \t]*\r?\n[ \t]*|[\u00ad\u034f\u061c\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]',
        '', 'g'))) END;
COMMENT ON FUNCTION reference_plain IS
    'A text as its words are looked for: separators are spaces; accents, ligatures, soft hyphens and invisible characters are gone. The same for texts, labels, queries and phrases.';
