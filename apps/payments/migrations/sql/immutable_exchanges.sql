-- Which quote a payment used, and what it cost, is part of what was instructed.
CREATE FUNCTION payments_keep_exchange() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the exchange of payment % cannot be changed', OLD.id
        USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER keep_exchange BEFORE UPDATE ON payments_payment FOR EACH ROW
    WHEN ((OLD.quote_id, OLD.source_minor, OLD.source_currency, OLD.exchange_rate, OLD.exchange_seq)
          IS DISTINCT FROM
          (NEW.quote_id, NEW.source_minor, NEW.source_currency, NEW.exchange_rate, NEW.exchange_seq))
    EXECUTE FUNCTION payments_keep_exchange();
