\i search/functions/reference_text_candidates.sql
