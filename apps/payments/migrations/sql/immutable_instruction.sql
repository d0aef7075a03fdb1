-- What was instructed never changes: only where the payment is, and what that brings with it.
CREATE FUNCTION payments_keep_instruction() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR TG_OP = 'TRUNCATE' THEN
        RAISE EXCEPTION 'payments are never removed' USING ERRCODE = 'restrict_violation';
    END IF;
    RAISE EXCEPTION 'the instruction of payment % cannot be changed', OLD.id
        USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER keep_instruction BEFORE UPDATE ON payments_payment FOR EACH ROW
    WHEN (OLD.id <> NEW.id OR OLD.organisation_id <> NEW.organisation_id OR OLD.kind <> NEW.kind
          OR OLD.amount_minor <> NEW.amount_minor OR OLD.currency <> NEW.currency
          OR OLD.account_id <> NEW.account_id
          OR OLD.other_account_id IS DISTINCT FROM NEW.other_account_id
          OR OLD.counterparty_id IS DISTINCT FROM NEW.counterparty_id
          OR OLD.parent_id IS DISTINCT FROM NEW.parent_id
          OR OLD.end_to_end_id <> NEW.end_to_end_id OR OLD.ordered_by <> NEW.ordered_by
          OR OLD.created_at <> NEW.created_at OR NEW.version < OLD.version)
    EXECUTE FUNCTION payments_keep_instruction();

CREATE TRIGGER keep_row BEFORE DELETE ON payments_payment
    FOR EACH ROW EXECUTE FUNCTION payments_keep_instruction();
CREATE TRIGGER keep_rows BEFORE TRUNCATE ON payments_payment
    FOR EACH STATEMENT EXECUTE FUNCTION payments_keep_instruction();
