-- What a collection says of its mandate is what was ordered: the same batch is always the same bytes.
CREATE FUNCTION payments_keep_collection() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR TG_OP = 'TRUNCATE' THEN
        RAISE EXCEPTION 'collections are never removed' USING ERRCODE = 'restrict_violation';
    END IF;
    RAISE EXCEPTION 'the order of collection % cannot be changed', OLD.id
        USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER keep_collection BEFORE UPDATE ON payments_collection FOR EACH ROW
    WHEN (ROW(OLD.id, OLD.organisation_id, OLD.mandate_id, OLD.scheme, OLD.sequence_type, OLD.reference,
              OLD.signed_on, OLD.creditor_id, OLD.creditor_name, OLD.original_reference,
              OLD.original_creditor_id, OLD.account_changed, OLD.collection_date)
          IS DISTINCT FROM
          ROW(NEW.id, NEW.organisation_id, NEW.mandate_id, NEW.scheme, NEW.sequence_type, NEW.reference,
              NEW.signed_on, NEW.creditor_id, NEW.creditor_name, NEW.original_reference,
              NEW.original_creditor_id, NEW.account_changed, NEW.collection_date)
          -- Nor which group of which file it went with, once it did.
          OR (OLD.group_reference <> '' AND ROW(OLD.group_reference, OLD.presented_for)
              IS DISTINCT FROM ROW(NEW.group_reference, NEW.presented_for)))
    EXECUTE FUNCTION payments_keep_collection();

CREATE TRIGGER keep_row BEFORE DELETE ON payments_collection
    FOR EACH ROW EXECUTE FUNCTION payments_keep_collection();
CREATE TRIGGER keep_rows BEFORE TRUNCATE ON payments_collection
    FOR EACH STATEMENT EXECUTE FUNCTION payments_keep_collection();
