-- Partitions of the log are made ahead: a posting must never wait for one, nor miss it.

CREATE FUNCTION ledger.make_partitions(p_rows bigint DEFAULT 10000000, p_ahead int DEFAULT 3)
RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_catalog, pg_temp AS $$
DECLARE
    made int := 0;
    parent text;
    position bigint;
    reach bigint;
    child text;
BEGIN
    IF p_rows < 1000 OR p_ahead NOT BETWEEN 1 AND 20 THEN
        RAISE EXCEPTION 'a partition holds at least 1000 numbers, and 1 to 20 are made ahead'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('ledger.make_partitions'));
    SELECT last_value INTO position FROM log_seq;
    FOREACH parent IN ARRAY ARRAY['journal', 'posting'] LOOP
        LOOP
            SELECT coalesce(max(to_seq), 1) INTO reach FROM partition_range WHERE table_name = parent;
            EXIT WHEN reach > position + p_rows * p_ahead;
            child := format('%s_%s', parent, reach);
            EXECUTE format('CREATE TABLE ledger.%I PARTITION OF ledger.%I FOR VALUES FROM (%s) TO (%s)',
                           child, parent, reach, reach + p_rows);
            -- Insert-only tables need freezing and index-only visibility, not dead-row vacuum.
            EXECUTE format('ALTER TABLE ledger.%I SET (fillfactor = 100, autovacuum_vacuum_insert_scale_factor = 0.05, '
                           'autovacuum_freeze_min_age = 0)', child);
            PERFORM guard(format('ledger.%I', child)::regclass);
            made := made + 1;
        END LOOP;
    END LOOP;
    RETURN made;
END $$;

-- The attached partitions and the numbers they cover, read from the catalogue itself.
CREATE VIEW ledger.partition_range AS
SELECT p.relname AS table_name,
       c.relname AS partition_name,
       (regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \(''?(\d+)''?\)'))[1]::bigint AS from_seq,
       (regexp_match(pg_get_expr(c.relpartbound, c.oid), 'TO \(''?(\d+)''?\)'))[1]::bigint AS to_seq
FROM pg_inherits i
JOIN pg_class c ON c.oid = i.inhrelid
JOIN pg_class p ON p.oid = i.inhparent
WHERE p.relnamespace = 'ledger'::regnamespace AND p.relname IN ('journal', 'posting');
GRANT SELECT ON ledger.partition_range TO bezant_app, bezant_reader, bezant_sealer;

SELECT ledger.make_partitions();
GRANT EXECUTE ON FUNCTION ledger.make_partitions(bigint, int) TO bezant_app, bezant_sealer;
