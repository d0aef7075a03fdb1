-- The operator's row is everybody's to read: its bank code makes the IBANs, its id finds the
-- platform's own ledger accounts.
CREATE POLICY operator ON accounts_organisation FOR SELECT TO bezant_app USING (kind = 'operator');

-- Organisations are opened and renamed; nothing of them ever disappears.
REVOKE DELETE ON accounts_organisation, accounts_party, accounts_paymentaccount FROM bezant_app;

-- The numbers of the IBANs that this operator issues.
CREATE SEQUENCE accounts_iban_number MINVALUE 100001 MAXVALUE 999999999 CACHE 1;
