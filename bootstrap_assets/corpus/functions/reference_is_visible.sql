CREATE OR REPLACE FUNCTION reference_is_visible(tenant_id text) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
    RETURN tenant_id IS NULL OR tenant_id = nullif(current_setting('bootstrap.tenant', true), '');
COMMENT ON FUNCTION reference_is_visible IS
    'Whether rows of a tenant are for this transaction: those of the reference corpus (NULL) always, others where bootstrap.tenant is its name.';
