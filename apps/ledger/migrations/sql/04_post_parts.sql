-- The rarer parts of the posting function. None is granted to anybody: the posting
-- function calls them as their owner.

-- Tells whether a known key comes with the payload it was first used for: 1 exists,
-- 2 key_conflict, 3 key_archived (its partition has been detached). What the caller left to
-- the hold (its accounts, its amount) is not compared.
CREATE FUNCTION ledger.replay(
    p_seq bigint, p_action smallint, p_organisation uuid, p_kind text, p_effective date, p_reference text,
    p_metadata jsonb, p_rate numeric, p_reverses bigint, p_hold bigint, p_hold_account bigint, p_hold_amount bigint,
    p_debit bigint[], p_credit bigint[], p_amount bigint[], p_currency text[]
) RETURNS smallint
LANGUAGE plpgsql STABLE SET search_path = ledger, pg_catalog, pg_temp AS $$
DECLARE
    j journal;
    same boolean;
BEGIN
    SELECT * INTO j FROM journal WHERE seq = p_seq;
    IF NOT FOUND THEN RETURN 3; END IF;
    same := ROW(j.action, j.organisation_id, j.kind, j.effective_date, j.reference, j.metadata, j.rate, j.reverses_seq)
            IS NOT DISTINCT FROM
            ROW(p_action, p_organisation, p_kind, p_effective, p_reference, p_metadata, p_rate, p_reverses)
        AND coalesce(p_hold = j.hold_id, true) AND coalesce(p_hold_account = j.hold_account_id, true)
        AND (p_action NOT IN (2, 3, 5) OR coalesce(p_hold_amount = abs(j.hold_delta), true));
    SELECT same AND coalesce(bool_and(
               coalesce(u.debit = p.debit_id, p_action = 4) AND coalesce(u.credit = p.credit_id, p_action = 4)
               AND u.amount IS NOT DISTINCT FROM p.amount AND u.currency IS NOT DISTINCT FROM p.currency), true)
      INTO same
      FROM unnest(p_debit, p_credit, p_amount, p_currency) WITH ORDINALITY u(debit, credit, amount, currency, place)
      FULL JOIN (SELECT * FROM posting WHERE seq = p_seq) p ON p.line = u.place;
    RETURN CASE WHEN same THEN 1 ELSE 2 END;
END $$;

-- The lines of the journals to be reversed, with what is still open of each.
CREATE FUNCTION ledger.originals(p_seqs bigint[])
RETURNS TABLE (seq bigint, line smallint, debit_id bigint, credit_id bigint, open_minor bigint,
               organisation_id uuid, reversal boolean)
LANGUAGE sql STABLE SET search_path = ledger, pg_catalog, pg_temp AS $$
    SELECT p.seq, p.line, p.debit_id, p.credit_id, p.amount - coalesce(r.reversed, 0), p.organisation_id, j.action = 7
      FROM posting p
      JOIN journal j ON j.seq = p.seq AND j.seq = ANY(p_seqs)
      LEFT JOIN reversed r ON r.seq = p.seq AND r.line = p.line AND r.seq = ANY(p_seqs)
     WHERE p.seq = ANY(p_seqs)
     ORDER BY p.seq, p.line
$$;

-- What the locked accounts hold apart from expired holds. Holds that the call names count:
-- what becomes of them is the call's own business.
CREATE FUNCTION ledger.held_unexpired(p_at timestamptz, p_ids bigint[], p_held bigint[], p_except bigint[])
RETURNS bigint[]
LANGUAGE sql STABLE SET search_path = ledger, pg_catalog, pg_temp AS $$
    SELECT array_agg(u.held - coalesce((
               SELECT sum(h.remaining) FROM hold h
                WHERE h.account_id = u.id AND h.amount - h.captured - h.released > 0 AND h.expires_at <= p_at
                  AND h.id <> ALL(p_except)), 0)::bigint ORDER BY u.id)
      FROM unnest(p_ids, p_held) u(id, held)
$$;

-- Releases the expired holds of the locked accounts, each by a journal of its own. Returns how many.
CREATE FUNCTION ledger.expire_holds(p_at timestamptz, p_now timestamptz, p_ids bigint[], p_except bigint[]) RETURNS int
LANGUAGE plpgsql SET search_path = ledger, pg_catalog, pg_temp AS $$
DECLARE
    gone hold;
    number bigint;
    used uuid;
    released_count int := 0;
BEGIN
    FOR gone IN
        SELECT * FROM hold
         WHERE account_id = ANY(p_ids) AND amount - captured - released > 0 AND expires_at <= p_at
           AND id <> ALL(p_except) ORDER BY id
    LOOP
        number := nextval('log_seq');
        used := gen_random_uuid();
        INSERT INTO idempotency (key, seq) VALUES (used, number);
        INSERT INTO journal (seq, organisation_id, key, action, kind, effective_date, recorded_at, actor, reference,
                             hold_id, hold_account_id, hold_delta)
        VALUES (number, gone.organisation_id, used, 6, 'ledger.hold_expired', (p_at AT TIME ZONE 'UTC')::date, p_now,
                'system:ledger', gone.reference, gone.id, gone.account_id, -gone.remaining);
        UPDATE hold SET released = released + gone.remaining WHERE id = gone.id;
        UPDATE balance SET held = held - gone.remaining, recorded_at = p_now WHERE account_id = gone.account_id;
        released_count := released_count + 1;
    END LOOP;
    RETURN released_count;
END $$;

-- Brings the hold rows to what the accepted items of the call made of them.
CREATE FUNCTION ledger.write_holds(
    p_codes smallint[], p_seqs bigint[], p_action smallint[], p_organisation uuid[], p_account bigint[],
    p_counter bigint[], p_expires timestamptz[], p_reference text[], p_hold bigint[], p_delta bigint[],
    p_lines int[], p_amount bigint[]
) RETURNS void
LANGUAGE plpgsql SET search_path = ledger, pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO hold (id, organisation_id, account_id, counter_id, currency, amount, expires_at, reference)
    SELECT u.seq, u.org, u.account, u.counter, b.currency, u.delta, u.expires, u.reference
      FROM unnest(p_codes, p_seqs, p_action, p_organisation, p_account, p_counter, p_expires, p_reference, p_delta)
           u(code, seq, action, org, account, counter, expires, reference, delta)
      JOIN balance b ON b.account_id = u.account AND b.account_id = ANY(p_account)
     WHERE u.code = 0 AND u.action = 2;

    UPDATE hold t
       SET amount = t.amount + c.increased, captured = t.captured + c.captured, released = t.released + c.released,
           expires_at = coalesce(c.expires, t.expires_at)
      FROM (SELECT u.hold,
                   sum(CASE WHEN u.action = 3 THEN u.delta ELSE 0 END) AS increased,
                   sum(CASE WHEN u.action = 4 THEN taken.amount ELSE 0 END) AS captured,
                   sum(CASE WHEN u.action = 4 THEN -u.delta - taken.amount
                            WHEN u.action IN (5, 6) THEN -u.delta ELSE 0 END) AS released,
                   max(CASE WHEN u.action = 3 THEN u.expires END) AS expires
              FROM (SELECT *, sum(w.lines) OVER (ORDER BY w.place) - w.lines + 1 AS start
                      FROM unnest(p_codes, p_action, p_hold, p_delta, p_expires, p_lines) WITH ORDINALITY
                           w(code, action, hold, delta, expires, lines, place)) u
              CROSS JOIN LATERAL (SELECT coalesce(sum(x), 0)::bigint AS amount
                                    FROM unnest(p_amount[u.start:u.start + u.lines - 1]) x) taken
             WHERE u.code = 0 AND u.action BETWEEN 3 AND 6
             GROUP BY u.hold) c
     WHERE t.id = c.hold AND t.id = ANY(p_hold);
END $$;

-- Counts what has been reversed of each original line.
CREATE FUNCTION ledger.write_reversed(
    p_line_reverses smallint[], p_amount bigint[], p_original int[], p_original_seq bigint[]
) RETURNS void
LANGUAGE plpgsql SET search_path = ledger, pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO reversed AS t (seq, line, organisation_id, amount, reversed)
    SELECT p.seq, p.line, p.organisation_id, p.amount, sum(u.amount)
      FROM unnest(p_line_reverses, p_amount, p_original) u(line, amount, original)
      JOIN posting p ON p.seq = p_original_seq[u.original] AND p.line = u.line AND p.seq = ANY(p_original_seq)
     WHERE u.original IS NOT NULL
     GROUP BY p.seq, p.line, p.organisation_id, p.amount
    ON CONFLICT (seq, line) DO UPDATE SET reversed = t.reversed + excluded.reversed;
END $$;

-- The names of the result codes, for people who read SQL.
CREATE FUNCTION ledger.code_name(p_code smallint) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT (ARRAY['posted', 'exists', 'key_conflict', 'key_archived', 'linked_failed', 'batch_too_large', 'not_allowed',
        'bad_journal', 'metadata_too_large', 'bad_amount', 'amount_out_of_range', 'same_account', 'unknown_account',
        'account_closed', 'account_frozen', 'currency_mismatch', 'period_closed', 'insufficient_funds',
        'ceiling_exceeded', 'condition_failed', 'unknown_hold', 'hold_closed', 'hold_expired', 'hold_exceeded',
        'hold_not_expired', 'unknown_journal', 'reversal_exceeded', 'not_reversible'])[p_code + 1]
$$;
GRANT EXECUTE ON FUNCTION ledger.code_name(smallint) TO bezant_app, bezant_reader, bezant_sealer;
