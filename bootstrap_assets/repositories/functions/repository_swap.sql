-- What is new of a repository stands in temporary tables of the caller's: only the rows that differ are written, so
-- that readers see the old index or the new one, and ids, and what hangs on them, stay.
CREATE OR REPLACE FUNCTION repository_swap(
    the_repository text, the_address text, the_ref text, the_commit text, the_version integer, the_tenant text,
    the_base text
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('bootstrap repository ' || the_repository, 0));
    IF EXISTS (SELECT FROM repository_snapshots s
               WHERE s.repository = the_repository AND s.commit_id = the_commit AND s.version = the_version
                 AND (s.address, s.ref, s.tenant_id) IS NOT DISTINCT FROM (the_address, the_ref, the_tenant)) THEN
        RETURN false;
    END IF;
    -- What is staged may be the difference to a commit's index: it has to be there still.
    IF the_base <> '' AND NOT EXISTS (SELECT FROM repository_snapshots s WHERE s.repository = the_repository
                                        AND s.commit_id = the_base AND s.version = the_version) THEN
        RAISE 'the index of % is not that of % any more', the_repository, the_base USING ERRCODE = 'serialization_failure';
    END IF;
    INSERT INTO repository_snapshots AS s (repository, address, ref, commit_id, version, tenant_id)
    VALUES (the_repository, the_address, the_ref, the_commit, the_version, the_tenant)
    ON CONFLICT (repository) DO UPDATE SET address = EXCLUDED.address, ref = EXCLUDED.ref,
        commit_id = EXCLUDED.commit_id, version = EXCLUDED.version, tenant_id = EXCLUDED.tenant_id, indexed_at = now();
    UPDATE pg_temp.stage_repository_files n SET is_changed = false
    FROM repository_files f
    WHERE f.repository = the_repository AND f.path = n.path AND f.references_digest = n.references_digest;
    DELETE FROM repository_files f
    WHERE f.repository = the_repository
      AND NOT EXISTS (SELECT FROM pg_temp.stage_repository_files n WHERE n.path = f.path);
    INSERT INTO repository_files AS f
        (repository, path, oid, size, language, reason, lines, cycle, findings, references_digest, reach)
    SELECT the_repository, path, oid, size, language, reason, lines, cycle, findings, references_digest, reach
    FROM pg_temp.stage_repository_files
    ON CONFLICT (repository, path) DO UPDATE SET oid = EXCLUDED.oid, size = EXCLUDED.size,
        language = EXCLUDED.language, reason = EXCLUDED.reason, lines = EXCLUDED.lines, cycle = EXCLUDED.cycle,
        findings = EXCLUDED.findings, references_digest = EXCLUDED.references_digest,
        reach = EXCLUDED.reach
    WHERE (f.oid, f.size, f.language, f.reason, f.lines, f.cycle, f.findings, f.references_digest, f.reach) IS DISTINCT FROM
        (EXCLUDED.oid, EXCLUDED.size, EXCLUDED.language, EXCLUDED.reason, EXCLUDED.lines, EXCLUDED.cycle,
         EXCLUDED.findings, EXCLUDED.references_digest, EXCLUDED.reach);
    DELETE FROM repository_symbols o USING pg_temp.stage_repository_files f
    WHERE o.repository = the_repository AND o.path = f.path AND f.is_moved
      AND NOT EXISTS (SELECT FROM pg_temp.stage_repository_symbols n WHERE n.id = o.id);
    INSERT INTO repository_symbols AS o (id, repository, path, kind, qualified_name, ordinal, name, signature,
        docstring, line, end_line, visibility)
    SELECT id, the_repository, path, kind, qualified_name, ordinal, name, signature, docstring, line, end_line, visibility
    FROM pg_temp.stage_repository_symbols
    ON CONFLICT (id) DO UPDATE SET signature = EXCLUDED.signature, docstring = EXCLUDED.docstring,
        line = EXCLUDED.line, end_line = EXCLUDED.end_line, visibility = EXCLUDED.visibility
    WHERE (o.signature, o.docstring, o.line, o.end_line, o.visibility) IS DISTINCT FROM
        (EXCLUDED.signature, EXCLUDED.docstring, EXCLUDED.line, EXCLUDED.end_line, EXCLUDED.visibility);
    DELETE FROM repository_references r USING pg_temp.stage_repository_files n
    WHERE r.repository = the_repository AND r.path = n.path AND n.is_changed;
    INSERT INTO repository_references (repository, path, line, col, name, kind, scope, to_path, to_name, to_line,
        package, how, confidence)
    SELECT the_repository, r.path, r.line, r.col, r.name, r.kind, r.scope, r.to_path, r.to_name, r.to_line, r.package,
        r.how, r.confidence
    FROM pg_temp.stage_repository_references r JOIN pg_temp.stage_repository_files n ON n.path = r.path
    WHERE n.is_changed;
    DELETE FROM repository_dependencies d
    WHERE d.repository = the_repository AND NOT EXISTS (
        SELECT FROM pg_temp.stage_repository_dependencies n
        WHERE (n.from_path, n.to_path, n.package) = (d.from_path, d.to_path, d.package));
    INSERT INTO repository_dependencies (repository, from_path, to_path, package)
    SELECT the_repository, from_path, to_path, package FROM pg_temp.stage_repository_dependencies
    ON CONFLICT DO NOTHING;
    RETURN true;
END $$;
COMMENT ON FUNCTION repository_swap IS
    'Put what the temporary tables of this transaction hold in the place of a repository''s index; false where it is that commit''s already.';

-- Whatever search path the caller has: the tables are ours.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION repository_swap SET search_path = pg_catalog, %I, pg_temp', current_schema());
END $$;
