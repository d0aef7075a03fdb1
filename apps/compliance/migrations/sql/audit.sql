-- One field of a leaf: four bytes of length and the text; NULL is told apart from the empty text.
CREATE FUNCTION compliance_leaf_field(value text) RETURNS bytea
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN value IS NULL THEN '\xffffffff'::bytea
                ELSE int4send(octet_length(convert_to(value, 'UTF8'))) || convert_to(value, 'UTF8') END
$$;

-- Format 1 (apps/compliance/domain.py says the same in Python): every column in table order.
CREATE FUNCTION compliance_leaf_hash(e compliance_auditentry) RETURNS bytea
    LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT sha256('\x0001'::bytea
        || compliance_leaf_field(e.id::text) || compliance_leaf_field(e.xid::text)
        || compliance_leaf_field(e.organisation_id::text)
        || compliance_leaf_field(e.actor_kind) || compliance_leaf_field(e.actor_id)
        || compliance_leaf_field(e.action) || compliance_leaf_field(e.outcome)
        || compliance_leaf_field(e.reason)
        || compliance_leaf_field(e.object_type) || compliance_leaf_field(e.object_id)
        || compliance_leaf_field(e.command_id::text) || compliance_leaf_field(e.correlation_id)
        || compliance_leaf_field(e.data)
        || compliance_leaf_field((extract(epoch FROM e.at) * 1000000)::bigint::text)
        || compliance_leaf_field((extract(epoch FROM e.recorded_at) * 1000000)::bigint::text))
$$;

-- Whoever writes an entry can choose neither its hash, nor its time, nor its transaction.
CREATE FUNCTION compliance_seal_entry() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    NEW.xid := pg_current_xact_id();
    NEW.recorded_at := clock_timestamp();
    NEW.leaf_hash := compliance_leaf_hash(NEW);
    RETURN NEW;
END $$;

CREATE TRIGGER seal_entry BEFORE INSERT ON compliance_auditentry
    FOR EACH ROW EXECUTE FUNCTION compliance_seal_entry();
