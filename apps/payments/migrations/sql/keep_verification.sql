-- What the payer was told of the payee and confirmed, and how soon and by which rail they wished it, never changes.
CREATE TRIGGER keep_verification BEFORE UPDATE ON payments_payment FOR EACH ROW
    WHEN (OLD.verification_id IS DISTINCT FROM NEW.verification_id OR OLD.payee_result <> NEW.payee_result
          OR OLD.speed <> NEW.speed OR OLD.rail_fixed <> NEW.rail_fixed)
    EXECUTE FUNCTION payments_keep_instruction();
