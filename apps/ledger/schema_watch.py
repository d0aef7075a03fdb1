"""The event trigger that records DDL on the books. A superuser makes it; nobody else can drop it."""

from __future__ import annotations

# The function belongs to the superuser too: one that the tables' owner could replace would run with
# the rights of whoever changes the schema.
STATEMENTS = """
CREATE OR REPLACE FUNCTION public.bezant_log_ledger_ddl() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    changed record;
BEGIN
    IF to_regclass('ledger.ddl_log') IS NULL THEN RETURN; END IF;
    IF TG_EVENT = 'ddl_command_end' THEN
        FOR changed IN SELECT command_tag, object_identity, schema_name FROM pg_event_trigger_ddl_commands() LOOP
            IF changed.schema_name = 'ledger' OR changed.object_identity LIKE '% on ledger.%' THEN
                INSERT INTO ledger.ddl_log (command, object, role, client, statement)
                VALUES (changed.command_tag, changed.object_identity, session_user, inet_client_addr()::text,
                        left(current_query(), 2000));
            END IF;
        END LOOP;
    ELSE
        FOR changed IN SELECT object_type, object_identity, schema_name FROM pg_event_trigger_dropped_objects() WHERE original LOOP
            IF changed.schema_name = 'ledger' OR changed.object_identity LIKE '% on ledger.%' THEN
                INSERT INTO ledger.ddl_log (command, object, role, client, statement)
                VALUES ('DROP ' || upper(changed.object_type), changed.object_identity, session_user, inet_client_addr()::text,
                        left(current_query(), 2000));
            END IF;
        END LOOP;
    END IF;
END $$;
DROP EVENT TRIGGER IF EXISTS bezant_ledger_ddl;
CREATE EVENT TRIGGER bezant_ledger_ddl ON ddl_command_end EXECUTE FUNCTION public.bezant_log_ledger_ddl();
DROP EVENT TRIGGER IF EXISTS bezant_ledger_drops;
CREATE EVENT TRIGGER bezant_ledger_drops ON sql_drop EXECUTE FUNCTION public.bezant_log_ledger_ddl();
"""
