-- A request for a second person is decided once, and what was asked for never changes.
CREATE FUNCTION compliance_guard_approval() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'waiting' THEN
            RAISE EXCEPTION 'a request begins as waiting' USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF TG_OP <> 'UPDATE' THEN
        RAISE EXCEPTION '% of % is not possible: requests are part of the record', TG_OP, TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.state <> 'waiting' THEN
        RAISE EXCEPTION 'the request has been decided' USING ERRCODE = 'restrict_violation';
    END IF;
    IF (NEW.id, NEW.organisation_id, NEW.command_name, NEW.command_version, NEW.payload, NEW.payload_hash,
        NEW.target, NEW.maker_kind, NEW.maker_id, NEW.maker_organisation_id, NEW.made_at, NEW.expires_at)
       IS DISTINCT FROM
       (OLD.id, OLD.organisation_id, OLD.command_name, OLD.command_version, OLD.payload, OLD.payload_hash,
        OLD.target, OLD.maker_kind, OLD.maker_id, OLD.maker_organisation_id, OLD.made_at, OLD.expires_at) THEN
        RAISE EXCEPTION 'what was asked for cannot be changed' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER guard_rows BEFORE INSERT OR UPDATE OR DELETE ON compliance_approval
    FOR EACH ROW EXECUTE FUNCTION compliance_guard_approval();
CREATE TRIGGER guard_table BEFORE TRUNCATE ON compliance_approval
    FOR EACH STATEMENT EXECUTE FUNCTION compliance_guard_approval();
REVOKE DELETE, TRUNCATE ON compliance_approval FROM bezant_app;
