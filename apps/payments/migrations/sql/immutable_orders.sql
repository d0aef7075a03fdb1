-- What an order says never changes either, nor which order a payment belongs to.
CREATE FUNCTION payments_keep_order() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the order % cannot be changed or removed', OLD.id USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER keep_order BEFORE UPDATE ON payments_payment FOR EACH ROW
    WHEN ((OLD.bulk_order_id IS NOT NULL AND OLD.bulk_order_id IS DISTINCT FROM NEW.bulk_order_id)
          OR (OLD.standing_order_id IS NOT NULL
              AND OLD.standing_order_id IS DISTINCT FROM NEW.standing_order_id))
    EXECUTE FUNCTION payments_keep_order();

CREATE TRIGGER keep_instruction BEFORE UPDATE ON payments_bulkorder FOR EACH ROW
    WHEN ((OLD.id, OLD.organisation_id, OLD.account_id, OLD.payment_count, OLD.total_minor, OLD.currency,
           OLD.ordered_by, OLD.created_at)
          IS DISTINCT FROM
          (NEW.id, NEW.organisation_id, NEW.account_id, NEW.payment_count, NEW.total_minor, NEW.currency,
           NEW.ordered_by, NEW.created_at) OR NEW.version < OLD.version)
    EXECUTE FUNCTION payments_keep_order();
CREATE TRIGGER keep_row BEFORE DELETE ON payments_bulkorder
    FOR EACH ROW EXECUTE FUNCTION payments_keep_order();

CREATE TRIGGER keep_instruction BEFORE UPDATE ON payments_standingorder FOR EACH ROW
    WHEN ((OLD.id, OLD.organisation_id, OLD.kind, OLD.account_id, OLD.other_account_id, OLD.counterparty_id,
           OLD.amount_minor, OLD.currency, OLD.frequency, OLD.first_on, OLD.last_on, OLD.run_count_max,
           OLD.end_of_month, OLD.day_rule, OLD.ordered_by, OLD.created_at)
          IS DISTINCT FROM
          (NEW.id, NEW.organisation_id, NEW.kind, NEW.account_id, NEW.other_account_id, NEW.counterparty_id,
           NEW.amount_minor, NEW.currency, NEW.frequency, NEW.first_on, NEW.last_on, NEW.run_count_max,
           NEW.end_of_month, NEW.day_rule, NEW.ordered_by, NEW.created_at) OR NEW.version < OLD.version)
    EXECUTE FUNCTION payments_keep_order();
CREATE TRIGGER keep_row BEFORE DELETE ON payments_standingorder
    FOR EACH ROW EXECUTE FUNCTION payments_keep_order();
