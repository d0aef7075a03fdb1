-- The first and the last round trip of every command.

-- Opens a command: sets the scope, takes the key's lock and finds the answer given before, if any.
-- `state` is new, in_flight, answered or conflict.
CREATE FUNCTION core_begin_command(
    p_scope text, p_command_id uuid, p_request_hash bytea,
    OUT state text, OUT outcome text, OUT answer text
) LANGUAGE plpgsql AS $$
DECLARE
    stored core_storedanswer;
BEGIN
    PERFORM set_config('bezant.organisation', p_scope, true);
    IF NOT pg_try_advisory_xact_lock(('x' || left(md5(p_command_id::text), 16))::bit(64)::bigint) THEN
        state := 'in_flight';
        RETURN;
    END IF;
    SELECT * INTO stored FROM core_storedanswer s
        WHERE s.command_id = p_command_id AND s.expires_at > clock_timestamp();
    IF NOT FOUND THEN
        state := 'new';
    ELSIF stored.request_hash <> p_request_hash THEN
        state := 'conflict';
    ELSE
        state := 'answered';
        outcome := stored.outcome;
        answer := stored.answer;
    END IF;
END $$;

-- Closes a command: its events and its stored answer (none when p_request_hash is null).
CREATE FUNCTION core_finish_command(
    p_organisation uuid, p_command_id uuid, p_request_hash bytea, p_outcome text, p_answer text,
    p_keep interval, p_correlation_id text, p_at timestamptz, p_events jsonb
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF jsonb_array_length(p_events) > 0 THEN
        INSERT INTO core_outboxevent (id, organisation_id, name, version, object_type, object_id,
                                      payload, correlation_id, occurred_at)
        SELECT (e->>'id')::uuid, (e->>'organisation_id')::uuid, e->>'name', (e->>'version')::smallint,
               e->>'object_type', e->>'object_id', e->'payload', p_correlation_id, p_at
        FROM jsonb_array_elements(p_events) AS e;
    END IF;
    IF p_request_hash IS NOT NULL THEN
        INSERT INTO core_storedanswer AS kept (command_id, organisation_id, request_hash, outcome,
                                               answer, recorded_at, expires_at)
        VALUES (p_command_id, p_organisation, p_request_hash, p_outcome, p_answer,
                clock_timestamp(), clock_timestamp() + p_keep)
        ON CONFLICT (command_id) DO UPDATE  -- only ever an expired answer: a live one was told again
            SET request_hash = excluded.request_hash, outcome = excluded.outcome,
                answer = excluded.answer, recorded_at = excluded.recorded_at,
                expires_at = excluded.expires_at
            WHERE kept.expires_at <= clock_timestamp();
    END IF;
END $$;
