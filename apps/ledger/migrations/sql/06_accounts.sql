-- Opening and changing accounts. Each change is an event of the log as well as a new
-- state of the row. All of them refuse a caller outside the account's organisation.

-- Opens an account, or returns the one that already has the code if it says the same.
CREATE FUNCTION ledger.open_account(
    p_organisation uuid, p_code text, p_name text, p_kind text, p_currency text, p_actor text,
    p_floor bigint DEFAULT NULL, p_ceiling bigint DEFAULT NULL, p_parent text DEFAULT NULL,
    p_shared boolean DEFAULT false, p_clearing boolean DEFAULT false,
    OUT account_id bigint, OUT outcome text
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_catalog, pg_temp AS $$
DECLARE
    found_account account;
    parent account;
    recorded timestamptz := clock_timestamp();
BEGIN
    PERFORM require_scope(p_organisation);
    IF p_parent IS NOT NULL THEN
        SELECT * INTO parent FROM account WHERE organisation_id = p_organisation AND code = p_parent;
        IF NOT FOUND THEN outcome := 'unknown_parent'; RETURN; END IF;
        IF parent.kind <> p_kind OR cardinality(parent.path) >= 16 THEN outcome := 'bad_parent'; RETURN; END IF;
    END IF;
    account_id := nextval(pg_get_serial_sequence('ledger.account', 'id'));
    INSERT INTO account (id, organisation_id, code, name, kind, currency, parent_id, path, shared, clearing, opened_at)
    OVERRIDING SYSTEM VALUE
    VALUES (account_id, p_organisation, p_code, p_name, p_kind, p_currency, parent.id, coalesce(parent.path, '{}') || account_id,
            p_shared, p_clearing, recorded)
    ON CONFLICT (organisation_id, code) DO NOTHING;
    IF NOT FOUND THEN
        SELECT * INTO found_account FROM account WHERE organisation_id = p_organisation AND code = p_code;
        account_id := found_account.id;
        outcome := CASE WHEN found_account.kind = p_kind AND found_account.currency = p_currency
                             AND found_account.shared = p_shared AND found_account.parent_id IS NOT DISTINCT FROM parent.id
                        THEN 'exists' ELSE 'differs' END;
        RETURN;
    END IF;
    INSERT INTO balance (account_id, organisation_id, shared, currency, floor, ceiling, recorded_at, closed_through)
    VALUES (account_id, p_organisation, p_shared, p_currency, p_floor, p_ceiling, recorded,
            coalesce((SELECT closed_through FROM period WHERE organisation_id = p_organisation), '-infinity'));
    PERFORM write_account_event(p_organisation, account_id, 'opened', p_actor, jsonb_build_object(
        'code', p_code, 'name', p_name, 'kind', p_kind, 'currency', p_currency, 'parent_id', parent.id,
        'shared', p_shared, 'clearing', p_clearing, 'floor', p_floor, 'ceiling', p_ceiling));
    outcome := 'opened';
END $$;

CREATE FUNCTION ledger.write_account_event(
    p_organisation uuid, p_account bigint, p_kind text, p_actor text, p_facts jsonb
) RETURNS void
LANGUAGE sql SET search_path = ledger, pg_catalog, pg_temp AS $$
    INSERT INTO account_event (seq, organisation_id, account_id, kind, recorded_at, actor, facts)
    VALUES (nextval('log_seq'), p_organisation, p_account, p_kind, clock_timestamp(), p_actor, p_facts)
$$;

-- Changes limits (both at once), freezes, unfreezes or closes an account. The outcome is
-- `done`, or the reason why not; the constraints of the balance row have the last word.
CREATE FUNCTION ledger.change_account(
    p_account bigint, p_change text, p_actor text, p_floor bigint DEFAULT NULL, p_ceiling bigint DEFAULT NULL,
    OUT outcome text, OUT posted bigint, OUT held bigint
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    b balance;
BEGIN
    SELECT * INTO b FROM balance WHERE account_id = p_account FOR NO KEY UPDATE;
    IF NOT FOUND OR NOT coalesce(public.bezant_sees_all() OR b.organisation_id = public.bezant_current_organisation(), false) THEN
        outcome := 'unknown_account'; RETURN;
    END IF;
    posted := b.posted; held := b.held;
    outcome := CASE
        WHEN b.closed THEN 'account_closed'
        WHEN p_change = 'limited' AND b.posted - b.held < p_floor THEN 'below_floor'
        WHEN p_change = 'limited' AND b.posted > p_ceiling THEN 'above_ceiling'
        WHEN p_change = 'frozen' AND b.frozen_version IS NOT NULL THEN 'exists'
        WHEN p_change = 'unfrozen' AND b.frozen_version IS NULL THEN 'exists'
        WHEN p_change = 'closed' AND (b.posted <> 0 OR b.held <> 0) THEN 'not_empty'
        WHEN p_change NOT IN ('limited', 'frozen', 'unfrozen', 'closed') THEN 'bad_change'
        ELSE 'done' END;
    IF outcome <> 'done' THEN RETURN; END IF;
    UPDATE balance SET
        floor = CASE WHEN p_change = 'limited' THEN p_floor ELSE floor END,
        ceiling = CASE WHEN p_change = 'limited' THEN p_ceiling ELSE ceiling END,
        frozen_version = CASE p_change WHEN 'frozen' THEN version WHEN 'unfrozen' THEN NULL ELSE frozen_version END,
        closed = p_change = 'closed'
    WHERE account_id = p_account;
    PERFORM write_account_event(b.organisation_id, p_account, p_change, p_actor,
        CASE WHEN p_change = 'limited' THEN jsonb_build_object('floor', p_floor, 'ceiling', p_ceiling)
             ELSE jsonb_build_object('version', b.version) END);
END $$;

-- Closes a period: no effective date up to and including the day may be written any more
-- on the organisation's accounts. It takes every balance row, so nothing slips past it.
CREATE FUNCTION ledger.close_period(p_organisation uuid, p_through date, p_actor text) RETURNS date
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_catalog, pg_temp AS $$
DECLARE
    before date;
BEGIN
    PERFORM require_scope(p_organisation);
    PERFORM pg_advisory_xact_lock(hashtextextended(p_organisation::text, 78));
    SELECT closed_through INTO before FROM period WHERE organisation_id = p_organisation;
    IF before >= p_through THEN RETURN before; END IF;
    PERFORM 1 FROM balance WHERE organisation_id = p_organisation ORDER BY account_id FOR NO KEY UPDATE;
    UPDATE balance SET closed_through = p_through WHERE organisation_id = p_organisation;
    INSERT INTO period (organisation_id, closed_through) VALUES (p_organisation, p_through)
    ON CONFLICT (organisation_id) DO UPDATE SET closed_through = excluded.closed_through;
    PERFORM write_account_event(p_organisation, NULL, 'period_closed', p_actor,
                                jsonb_build_object('closed_through', p_through));
    RETURN p_through;
END $$;

GRANT EXECUTE ON FUNCTION ledger.open_account, ledger.change_account, ledger.close_period TO bezant_app;
