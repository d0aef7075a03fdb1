-- Reads that need more of the log than row-level security shows: a shared account is
-- touched by journals of many organisations, and its owner may see its whole history.

CREATE FUNCTION ledger.sees_account(p_account bigint) RETURNS boolean
LANGUAGE sql STABLE SET search_path = ledger, pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT 1 FROM balance WHERE account_id = p_account
                   AND (public.bezant_sees_all() OR organisation_id = public.bezant_current_organisation()))
$$;

-- The balance as it stood at a moment: the latest entry recorded until then; NULL for
-- an account outside the scope.
CREATE FUNCTION ledger.balance_recorded(p_account bigint, p_at timestamptz, OUT posted bigint, OUT version bigint)
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
    posted := coalesce(posted, 0); version := coalesce(version, 0);
END $$;

-- A page of entries of an account (none of one outside the scope), in order of their versions, after (or before) a place.
CREATE FUNCTION ledger.entries(p_account bigint, p_time timestamptz, p_version bigint, p_backwards boolean, p_limit int)
RETURNS TABLE (seq bigint, line smallint, version bigint, amount bigint, after bigint, counter_id bigint,
               recorded_at timestamptz, kind varchar, effective_date date, actor varchar, reference varchar,
               metadata jsonb, reverses_seq bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ledger, pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    IF NOT sees_account(p_account) THEN RETURN; END IF;
    IF p_limit NOT BETWEEN 1 AND 1000 THEN
        RAISE EXCEPTION 'a page has 1 to 1000 entries' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF p_backwards THEN
        RETURN QUERY
        SELECT e.seq, e.line, e.version, e.amount, e.after, e.counter, e.recorded_at, j.kind, j.effective_date, j.actor,
               j.reference, j.metadata, j.reverses_seq
          FROM (SELECT * FROM (
                (SELECT seq, line, debit_version AS version, -amount AS amount, debit_after AS after, credit_id AS counter, recorded_at
                   FROM posting WHERE debit_id = p_account AND (recorded_at, debit_version) < (coalesce(p_time, 'infinity'), coalesce(p_version, 0))
                  ORDER BY recorded_at DESC, debit_version DESC LIMIT p_limit)
                UNION ALL
                (SELECT seq, line, credit_version, amount, credit_after, debit_id, recorded_at
                   FROM posting WHERE credit_id = p_account AND (recorded_at, credit_version) < (coalesce(p_time, 'infinity'), coalesce(p_version, 0))
                  ORDER BY recorded_at DESC, credit_version DESC LIMIT p_limit)) u ORDER BY u.version DESC LIMIT p_limit) e
          JOIN journal j ON j.seq = e.seq ORDER BY e.version DESC;
    ELSE
        RETURN QUERY
        SELECT e.seq, e.line, e.version, e.amount, e.after, e.counter, e.recorded_at, j.kind, j.effective_date, j.actor,
               j.reference, j.metadata, j.reverses_seq
          FROM (SELECT * FROM (
                (SELECT seq, line, debit_version AS version, -amount AS amount, debit_after AS after, credit_id AS counter, recorded_at
                   FROM posting WHERE debit_id = p_account AND (recorded_at, debit_version) > (coalesce(p_time, '-infinity'), coalesce(p_version, 0))
                  ORDER BY recorded_at, debit_version LIMIT p_limit)
                UNION ALL
                (SELECT seq, line, credit_version, amount, credit_after, debit_id, recorded_at
                   FROM posting WHERE credit_id = p_account AND (recorded_at, credit_version) > (coalesce(p_time, '-infinity'), coalesce(p_version, 0))
                  ORDER BY recorded_at, credit_version LIMIT p_limit)) u ORDER BY u.version LIMIT p_limit) e
          JOIN journal j ON j.seq = e.seq ORDER BY e.version;
    END IF;
END $$;
GRANT EXECUTE ON FUNCTION ledger.balance_recorded, ledger.entries TO bezant_app;
