-- What a bulk order was read from never changes either.
DROP TRIGGER keep_instruction ON payments_bulkorder;
CREATE TRIGGER keep_instruction BEFORE UPDATE ON payments_bulkorder FOR EACH ROW
    WHEN ((OLD.id, OLD.organisation_id, OLD.account_id, OLD.payment_count, OLD.total_minor, OLD.currency,
           OLD.source_sha256, OLD.ordered_by, OLD.created_at)
          IS DISTINCT FROM
          (NEW.id, NEW.organisation_id, NEW.account_id, NEW.payment_count, NEW.total_minor, NEW.currency,
           NEW.source_sha256, NEW.ordered_by, NEW.created_at) OR NEW.version < OLD.version)
    EXECUTE FUNCTION payments_keep_order();
