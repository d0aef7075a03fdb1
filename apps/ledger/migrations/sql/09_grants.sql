-- PostgreSQL lets everybody execute a new function; in this schema only what was granted
-- by name to a role of ours may be called.
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA ledger FROM PUBLIC;
