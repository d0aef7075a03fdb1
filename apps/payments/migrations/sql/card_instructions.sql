-- What was asked of a processor never changes: only where it is, and what the processor says of it.
CREATE FUNCTION payments_keep_card_instruction() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR TG_OP = 'TRUNCATE' THEN
        RAISE EXCEPTION '% are never removed', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.id <> NEW.id OR OLD.organisation_id <> NEW.organisation_id OR OLD.payment_id <> NEW.payment_id
       OR OLD.provider <> NEW.provider OR OLD.amount_minor <> NEW.amount_minor OR OLD.currency <> NEW.currency
       OR OLD.created_at <> NEW.created_at OR NEW.version < OLD.version
       OR (OLD.external_id IS NOT NULL AND OLD.external_id IS DISTINCT FROM NEW.external_id) THEN
        RAISE EXCEPTION 'the instruction of % % cannot be changed', TG_TABLE_NAME, OLD.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER keep_instruction BEFORE UPDATE OR DELETE ON payments_attempt
    FOR EACH ROW EXECUTE FUNCTION payments_keep_card_instruction();
CREATE TRIGGER keep_rows BEFORE TRUNCATE ON payments_attempt
    FOR EACH STATEMENT EXECUTE FUNCTION payments_keep_card_instruction();
CREATE TRIGGER keep_instruction BEFORE UPDATE OR DELETE ON payments_operation
    FOR EACH ROW EXECUTE FUNCTION payments_keep_card_instruction();
CREATE TRIGGER keep_rows BEFORE TRUNCATE ON payments_operation
    FOR EACH STATEMENT EXECUTE FUNCTION payments_keep_card_instruction();
CREATE TRIGGER keep_instruction BEFORE UPDATE OR DELETE ON payments_dispute
    FOR EACH ROW EXECUTE FUNCTION payments_keep_card_instruction();
CREATE TRIGGER keep_rows BEFORE TRUNCATE ON payments_dispute
    FOR EACH STATEMENT EXECUTE FUNCTION payments_keep_card_instruction();
