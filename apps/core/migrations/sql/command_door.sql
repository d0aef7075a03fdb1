-- The first and the last round trip of commands: of one, or of many that go through the door together.

-- Opens commands: sets the scope, takes the lock of each key and finds the answer given before, if
-- any. A state is new, in_flight, answered or conflict.
CREATE FUNCTION core_begin_commands(
    p_scope text, p_command_ids uuid[], p_request_hashes bytea[],
    OUT states text[], OUT outcomes text[], OUT answers text[]
) LANGUAGE plpgsql AS $$
DECLARE
    stored core_storedanswer;
BEGIN
    PERFORM set_config('bezant.organisation', p_scope, true);
    FOR i IN 1..cardinality(p_command_ids) LOOP
        IF NOT pg_try_advisory_xact_lock(('x' || left(md5(p_command_ids[i]::text), 16))::bit(64)::bigint) THEN
            states[i] := 'in_flight';
            CONTINUE;
        END IF;
        SELECT * INTO stored FROM core_storedanswer s
            WHERE s.command_id = p_command_ids[i] AND s.expires_at > clock_timestamp();
        IF NOT FOUND THEN
            states[i] := 'new';
        ELSIF stored.request_hash <> p_request_hashes[i] THEN
            states[i] := 'conflict';
        ELSE
            states[i] := 'answered';
            outcomes[i] := stored.outcome;
            answers[i] := stored.answer;
        END IF;
    END LOOP;
END $$;

-- Closes commands: their events, and their stored answers (none where the request hash is null).
CREATE FUNCTION core_finish_commands(
    p_organisations uuid[], p_command_ids uuid[], p_request_hashes bytea[], p_outcomes text[],
    p_answers text[], p_keep interval, p_events jsonb
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF jsonb_array_length(p_events) > 0 THEN
        INSERT INTO core_outboxevent (id, organisation_id, name, version, object_type, object_id,
                                      payload, correlation_id, occurred_at)
        SELECT (e->>'id')::uuid, (e->>'organisation_id')::uuid, e->>'name', (e->>'version')::smallint,
               e->>'object_type', e->>'object_id', e->'payload', e->>'correlation_id',
               (e->>'occurred_at')::timestamptz
        FROM jsonb_array_elements(p_events) AS e;
    END IF;
    INSERT INTO core_storedanswer AS kept (command_id, organisation_id, request_hash, outcome, answer,
                                           recorded_at, expires_at)
    SELECT id, organisation, hash, outcome, answer, clock_timestamp(), clock_timestamp() + p_keep
    FROM unnest(p_command_ids, p_organisations, p_request_hashes, p_outcomes, p_answers)
        AS u (id, organisation, hash, outcome, answer)
    WHERE hash IS NOT NULL
    ON CONFLICT (command_id) DO UPDATE  -- only ever an expired answer: a live one was told again
        SET request_hash = excluded.request_hash, outcome = excluded.outcome,
            answer = excluded.answer, recorded_at = excluded.recorded_at, expires_at = excluded.expires_at
        WHERE kept.expires_at <= clock_timestamp();
END $$;
