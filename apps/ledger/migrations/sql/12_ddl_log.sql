-- What was done to the tables of the books themselves. An event trigger writes it, which only
-- a superuser can make: `manage.py watch_ledger_schema` does, once, after the migrations.
CREATE TABLE ledger.ddl_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    command text NOT NULL,
    object text NOT NULL,
    role text NOT NULL,
    client text,
    statement text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
SELECT ledger.guard('ledger.ddl_log');
GRANT SELECT ON ledger.ddl_log TO bezant_app, bezant_reader, bezant_sealer;
