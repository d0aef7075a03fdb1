-- Old, sealed partitions leave the database with their proofs: what they brought to each
-- account stays, so that balances still fold, and their leaves stay, so that roots still
-- verify. The detached tables keep their triggers; dropping them is a database administrator's
-- decision, once the file has been verified and stored.

-- The oldest attached partition that is wholly sealed and followed, if there is one.
CREATE FUNCTION ledger.archivable(OUT from_seq bigint, OUT to_seq bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_catalog, pg_temp AS $$
    SELECT r.from_seq, r.to_seq FROM partition_range r
     WHERE r.table_name = 'posting' AND r.to_seq - 1 <= (SELECT min(f.seq) FROM follower f)
     ORDER BY r.from_seq LIMIT 1
$$;

-- Records an archive and detaches the partitions of journal and posting it holds.
CREATE FUNCTION ledger.detach_archived(
    p_from bigint, p_to bigint, p_first_leaf bigint, p_leaves bigint, p_root bytea, p_file text, p_sha256 bytea, p_actor text
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_catalog, pg_temp AS $$
DECLARE
    ready record;
    part record;
BEGIN
    SELECT * INTO ready FROM archivable();
    IF (ready.from_seq, ready.to_seq) IS DISTINCT FROM (p_from, p_to) THEN
        RAISE EXCEPTION 'only the oldest partition that is sealed and followed can be archived'
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    IF p_leaves <> (SELECT count(*) FROM seal_leaf WHERE seq >= p_from AND seq < p_to) THEN
        RAISE EXCEPTION 'the archive does not hold every leaf of the partition' USING ERRCODE = 'data_exception';
    END IF;
    INSERT INTO archive (from_seq, to_seq, first_leaf, leaves, root, file_name, file_sha256, archived_at, actor)
    VALUES (p_from, p_to, p_first_leaf, p_leaves, p_root, p_file, p_sha256, clock_timestamp(), p_actor);
    INSERT INTO archived_balance (from_seq, account_id, posted, entries, last_recorded_at)
    SELECT p_from, e.account_id, sum(e.amount), count(*), max(e.recorded_at)
      FROM window_entries(p_from - 1, p_to - 1) e GROUP BY e.account_id;
    FOR part IN SELECT * FROM partition_range WHERE from_seq = p_from LOOP
        EXECUTE format('ALTER TABLE ledger.%I DETACH PARTITION ledger.%I', part.table_name, part.partition_name);
    END LOOP;
END $$;

-- As before, but leaves whose rows were archived are proven by their file instead.
CREATE OR REPLACE FUNCTION ledger.verify_leaves(p_first bigint, p_last bigint)
RETURNS TABLE (leaf_index bigint, seq bigint, fault text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ledger, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    low bigint; high bigint;
BEGIN
    -- Leaves are in the order of numbers, so a run of leaves is a range of numbers.
    SELECT coalesce((SELECT s.seq FROM seal_leaf s WHERE s.leaf_index < p_first ORDER BY s.leaf_index DESC LIMIT 1), 0),
           (SELECT s.seq FROM seal_leaf s WHERE s.leaf_index <= p_last ORDER BY s.leaf_index DESC LIMIT 1) INTO low, high;
    RETURN QUERY
    SELECT s.leaf_index, coalesce(s.seq, d.seq),
           CASE WHEN s.seq IS NULL THEN 'unsealed' WHEN d.seq IS NULL THEN 'missing' ELSE 'changed' END
      FROM (SELECT * FROM seal_leaf s WHERE s.leaf_index BETWEEN p_first AND p_last) s
      FULL JOIN leaf_data(low, high) d ON d.seq = s.seq
     WHERE (s.hash IS DISTINCT FROM sha256('\x00'::bytea || d.data) OR s.kind IS DISTINCT FROM d.kind)
       AND NOT (d.seq IS NULL AND s.kind = 1
                AND EXISTS (SELECT 1 FROM archive a WHERE s.seq >= a.from_seq AND s.seq < a.to_seq))
    UNION ALL
    SELECT NULL, p.seq, 'unsealed' FROM posting p LEFT JOIN journal j ON j.seq = p.seq
     WHERE p.seq > low AND p.seq <= high AND j.seq IS NULL;
END $$;

-- As before; from an archive it knows the balance at its end. NULL with version -1: the
-- moment lies inside an archive.
CREATE OR REPLACE FUNCTION ledger.balance_recorded(p_account bigint, p_at timestamptz, OUT posted bigint, OUT version bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ledger, pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    IF NOT sees_account(p_account) THEN RETURN; END IF;
    SELECT e.after, e.version INTO posted, version FROM (
        (SELECT debit_after AS after, debit_version AS version FROM posting
          WHERE debit_id = p_account AND recorded_at <= p_at ORDER BY recorded_at DESC, debit_version DESC LIMIT 1)
        UNION ALL
        (SELECT credit_after, credit_version FROM posting
          WHERE credit_id = p_account AND recorded_at <= p_at ORDER BY recorded_at DESC, credit_version DESC LIMIT 1)
    ) e ORDER BY e.version DESC LIMIT 1;
    IF version IS NULL THEN
        SELECT coalesce(sum(posted), 0), coalesce(sum(entries), 0) INTO posted, version
          FROM archived_balance WHERE account_id = p_account AND last_recorded_at <= p_at;
        IF EXISTS (SELECT 1 FROM archived_balance WHERE account_id = p_account AND last_recorded_at > p_at) THEN
            posted := NULL; version := -1;
        END IF;
    END IF;
END $$;

REVOKE EXECUTE ON FUNCTION ledger.archivable, ledger.detach_archived FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.archivable, ledger.detach_archived TO bezant_sealer;
