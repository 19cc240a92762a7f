CREATE OR REPLACE FUNCTION reference_pile(tenant_id text, tokens integer, is_section boolean) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce(tenant_id, '') || CASE WHEN tokens > 4000 THEN '/long' WHEN is_section THEN '/section' ELSE '' END;
COMMENT ON FUNCTION reference_pile IS
    'Whose texts are listed together: a tenant''s, or (NULL) those of the reference corpus. Sections are apart, for feedback reads them alone; long texts too, for their sections are there and rank before them.';
