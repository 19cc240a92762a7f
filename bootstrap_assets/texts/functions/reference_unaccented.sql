CREATE OR REPLACE FUNCTION reference_unaccented(content text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE WHEN octet_length(content) = length(content) THEN content ELSE reference_separated(
    replace(replace(replace(replace(replace(replace(replace(replace(translate(
        normalize(regexp_replace(normalize(content, NFKD) COLLATE "C", '[\u0300-\u036f]', '', 'g'), NFC),
        'øØđĐðÐłŁıħĦŧŦ', 'oOdDdDlLihHtT'),
        'ß', 'ss'), 'ẞ', 'SS'), 'æ', 'ae'), 'Æ', 'AE'), 'œ', 'oe'), 'Œ', 'OE'), 'þ', 'th'), 'Þ', 'TH')) END;
COMMENT ON FUNCTION reference_unaccented IS
    'A text without accents, ligatures and other forms of the same letters (NFKD); what are letters of their own stay whole (NFC).';
