-- A key is what it was made as: only its wrapping may change (rotation), and it may be destroyed, once.
CREATE FUNCTION core_guard_subject_key() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'UPDATE' THEN
        RAISE EXCEPTION '% of % is not possible: a key is destroyed, its row stays', TG_OP, TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.destroyed_at IS NOT NULL THEN
        RAISE EXCEPTION 'a destroyed key cannot be changed' USING ERRCODE = 'restrict_violation';
    END IF;
    IF (NEW.id, NEW.organisation_id, NEW.subject_id, NEW.key_id, NEW.check_value, NEW.created_at)
       IS DISTINCT FROM
       (OLD.id, OLD.organisation_id, OLD.subject_id, OLD.key_id, OLD.check_value, OLD.created_at) THEN
        RAISE EXCEPTION 'whose key this is cannot be changed' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER guard_rows BEFORE UPDATE OR DELETE ON core_subjectkey
    FOR EACH ROW EXECUTE FUNCTION core_guard_subject_key();
CREATE TRIGGER guard_table BEFORE TRUNCATE ON core_subjectkey
    FOR EACH STATEMENT EXECUTE FUNCTION core_guard_subject_key();
REVOKE DELETE, TRUNCATE ON core_subjectkey FROM bezant_app;

-- Signatures must stay verifiable: a signing key's public half never changes and its row never goes.
CREATE FUNCTION core_guard_signing_key() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'UPDATE'
       OR (NEW.id, NEW.purpose, NEW.version, NEW.public_key, NEW.created_at)
          IS DISTINCT FROM (OLD.id, OLD.purpose, OLD.version, OLD.public_key, OLD.created_at) THEN
        RAISE EXCEPTION '% of % is not possible: signatures must stay verifiable', TG_OP, TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER guard_rows BEFORE UPDATE OR DELETE ON core_signingkey
    FOR EACH ROW EXECUTE FUNCTION core_guard_signing_key();
CREATE TRIGGER guard_table BEFORE TRUNCATE ON core_signingkey
    FOR EACH STATEMENT EXECUTE FUNCTION core_guard_signing_key();
REVOKE DELETE, TRUNCATE ON core_signingkey FROM bezant_app;
-- The sealer signs its checkpoints itself; reports never need a key.
GRANT SELECT, INSERT ON core_signingkey TO bezant_sealer;
REVOKE SELECT ON core_signingkey, core_subjectkey FROM bezant_reader;
