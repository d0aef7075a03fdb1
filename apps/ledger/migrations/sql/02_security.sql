-- Who may do what. The application reads and calls functions. No role, the owner
-- included, can change or remove a row of the log while these triggers stand.

CREATE FUNCTION ledger.refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'ledger.%: rows of the log cannot be changed or removed (%)', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'insufficient_privilege';
END $$;

-- Statement triggers of a partitioned table do not guard a partition that is addressed
-- by its own name, so every partition gets its own.
CREATE FUNCTION ledger.guard(p_table regclass) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON %s '
                   'FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change()', p_table);
END $$;

-- TRUNCATE and DELETE have no business on projections that authorise, either.
CREATE FUNCTION ledger.guard_removal(p_table regclass) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER irremovable BEFORE DELETE OR TRUNCATE ON %s '
                   'FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change()', p_table);
END $$;

SELECT ledger.guard('ledger.journal'), ledger.guard('ledger.posting'),
       ledger.guard('ledger.idempotency'), ledger.guard('ledger.account_event'),
       ledger.guard('ledger.account'), ledger.guard('ledger.archive'), ledger.guard('ledger.archived_balance');
SELECT ledger.guard_removal('ledger.balance'), ledger.guard_removal('ledger.hold'),
       ledger.guard_removal('ledger.reversed'), ledger.guard_removal('ledger.period');

-- Rows of one organisation are seen under its scope only; the owner (which the functions
-- run as), the reader and the sealer see all. Unset scope: no rows.
CREATE FUNCTION ledger.isolate(p_table regclass, p_visible text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', p_table);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', p_table);
    EXECUTE format('CREATE POLICY owner_all ON %s TO bezant_owner USING (true) WITH CHECK (true)', p_table);
    EXECUTE format('CREATE POLICY reader_all ON %s FOR SELECT TO bezant_reader, bezant_sealer USING (true)', p_table);
    EXECUTE format('CREATE POLICY app_scope ON %s FOR SELECT TO bezant_app USING (%s)', p_table, p_visible);
    EXECUTE format('GRANT SELECT ON %s TO bezant_app, bezant_reader, bezant_sealer', p_table);
END $$;

GRANT USAGE ON SCHEMA ledger TO bezant_app, bezant_reader, bezant_sealer;
REVOKE CREATE ON SCHEMA ledger FROM PUBLIC;

-- The name of a shared account is no secret, its balance is.
SELECT ledger.isolate('ledger.account',
    '(SELECT bezant_sees_all()) OR shared OR organisation_id = (SELECT bezant_current_organisation())');
SELECT ledger.isolate(t,
    '(SELECT bezant_sees_all()) OR organisation_id = (SELECT bezant_current_organisation())')
FROM unnest(ARRAY['ledger.balance', 'ledger.journal', 'ledger.posting', 'ledger.hold',
                  'ledger.reversed', 'ledger.account_event', 'ledger.period']::regclass[]) t;
-- Idempotency keys carry no organisation and are nobody's to read.
GRANT SELECT ON ledger.archive, ledger.archived_balance TO bezant_app, bezant_reader, bezant_sealer;
GRANT SELECT ON ledger.idempotency TO bezant_reader, bezant_sealer;
GRANT USAGE, SELECT ON SEQUENCE ledger.log_seq TO bezant_sealer, bezant_reader;

-- Refuses a call on behalf of an organisation outside the caller's scope.
CREATE FUNCTION ledger.require_scope(p_organisation uuid) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT (coalesce(public.bezant_sees_all(), false)
            OR coalesce(p_organisation = public.bezant_current_organisation(), false)) THEN
        RAISE EXCEPTION 'organisation is outside the scope of the caller'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
END $$;
