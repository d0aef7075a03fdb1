-- A UUIDv7 (RFC 9562, 5.7) whose time is a day and whose other bits are a digest of what it names:
-- the same content gives the same key, in whatever order things arrive.
CREATE FUNCTION reconciliation_id(p_day date, p_content text) RETURNS uuid
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT (
        lpad(to_hex((p_day - DATE '1970-01-01')::bigint * 86400000), 12, '0') || '7'
        || substr(h, 1, 3) || substr('89ab', 1 + ('x' || substr(h, 4, 1))::bit(4)::int % 4, 1)
        || substr(h, 5, 15)
    )::uuid
    FROM (SELECT encode(sha256(convert_to(p_content, 'UTF8')), 'hex') AS h) AS digest
$$;

-- Matches and breaks join rows of several organisations. Only the platform's own processes may write
-- them; what one organisation could write here might refer to another's expectation.
CREATE POLICY platform_writes ON reconciliation_matchitem AS RESTRICTIVE FOR INSERT TO bezant_app
    WITH CHECK ((SELECT bezant_sees_all()));
CREATE POLICY platform_writes ON reconciliation_break AS RESTRICTIVE FOR INSERT TO bezant_app
    WITH CHECK ((SELECT bezant_sees_all()));
CREATE POLICY platform_changes ON reconciliation_break AS RESTRICTIVE FOR UPDATE TO bezant_app
    USING (true) WITH CHECK ((SELECT bezant_sees_all()));

ALTER TABLE reconciliation_matchitem
    ADD CONSTRAINT reconciliation_item_expectation FOREIGN KEY (expectation_organisation_id, expectation_id)
        REFERENCES reconciliation_expectation (organisation_id, id);
ALTER TABLE reconciliation_break
    ADD CONSTRAINT reconciliation_break_expectation FOREIGN KEY (expectation_organisation_id, expectation_id)
        REFERENCES reconciliation_expectation (organisation_id, id);

-- A run reads and writes whole partitions of these: statistics must keep up with it.
ALTER TABLE reconciliation_statementline SET (autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE reconciliation_expectation SET (autovacuum_analyze_scale_factor = 0.02);
