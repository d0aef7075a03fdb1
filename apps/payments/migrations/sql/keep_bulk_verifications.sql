-- What was found of a payee stays, and what was confirmed with an order stays confirmed.
CREATE TRIGGER keep_row BEFORE UPDATE OR DELETE ON payments_bulkverification
    FOR EACH ROW EXECUTE FUNCTION payments_keep_order();

CREATE TRIGGER keep_verification BEFORE UPDATE ON payments_bulkorder FOR EACH ROW
    WHEN (OLD.verifies_payees IS DISTINCT FROM NEW.verifies_payees
          OR (OLD.accepted_results <> '' AND OLD.accepted_results IS DISTINCT FROM NEW.accepted_results))
    EXECUTE FUNCTION payments_keep_order();
