-- The scope of the transaction: an organisation's id, '*' for the whole platform, or nothing.
-- STABLE and plain SQL, so that policies evaluate them once per statement.
CREATE FUNCTION bezant_current_organisation() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT nullif(nullif(current_setting('bezant.organisation', true), ''), '*')::uuid
$$;

CREATE FUNCTION bezant_sees_all() RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce(current_setting('bezant.organisation', true), '') = '*'
$$;

CREATE FUNCTION bezant_refuse_change() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of %.% is not possible: the table is append-only',
        TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;

CREATE SEQUENCE core_outbox_seq CACHE 1;
