-- Stores a verified request and its events in one round trip. A repeated event finds its place taken;
-- one that comes with another content is kept as it was first, and named as 'changed'.
-- The rows go in by event id, so that two requests with the same events wait instead of deadlocking.
CREATE FUNCTION webhooks_receive(
    p_organisation uuid, p_source uuid, p_request uuid, p_received_at timestamptz, p_provider text,
    p_headers jsonb, p_body bytea, p_key_id text, p_correlation_id text, p_events jsonb
) RETURNS TABLE (event_id text, outcome text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    stored text[];
BEGIN
    WITH told AS (
        SELECT * FROM jsonb_to_recordset(p_events) AS e(
            id uuid, event_id text, event_type text, object_key text, occurred_at timestamptz,
            payload jsonb, digest text)
    ), added AS (
        INSERT INTO webhooks_inboxevent AS i (
            id, organisation_id, source_id, request_id, provider, event_id, event_type, object_key,
            occurred_at, received_at, payload, payload_sha256, correlation_id, status, attempts, next_at,
            reason, fingerprint)
        SELECT t.id, p_organisation, p_source, p_request, p_provider, t.event_id, t.event_type,
               t.object_key, t.occurred_at, p_received_at, t.payload, decode(t.digest, 'hex'),
               p_correlation_id, 'received', 0, p_received_at, '', ''
        FROM told t ORDER BY t.event_id
        ON CONFLICT (source_id, event_id) DO NOTHING
        RETURNING i.event_id
    )
    SELECT coalesce(array_agg(a.event_id), '{}') INTO stored FROM added a;

    IF cardinality(stored) > 0 THEN
        INSERT INTO webhooks_inboundrequest (
            id, organisation_id, source_id, received_at, headers, body, body_sha256, key_id, correlation_id)
        VALUES (p_request, p_organisation, p_source, p_received_at, p_headers, p_body, sha256(p_body),
                p_key_id, p_correlation_id);
    END IF;

    RETURN QUERY
        SELECT t.event_id,
               CASE WHEN t.event_id = ANY (stored) THEN 'stored'
                    WHEN i.payload_sha256 = decode(t.digest, 'hex') THEN 'repeated'
                    ELSE 'changed' END
        FROM jsonb_to_recordset(p_events) AS t(event_id text, digest text)
        LEFT JOIN webhooks_inboxevent i ON i.source_id = p_source AND i.event_id = t.event_id;
END $$;

-- Takes a lease on up to p_limit events that are due. An event whose lease ran out is one that a
-- process may have died of, so it is taken alone: it cannot take innocent ones down with it again.
CREATE FUNCTION webhooks_claim_inbox(p_limit int, p_lease interval)
RETURNS TABLE (
    id uuid, organisation_id uuid, lease_token uuid, attempts int, provider text, received_at timestamptz,
    correlation_id text)
LANGUAGE sql AS $$
    WITH suspect AS (
        SELECT i.id FROM webhooks_inboxevent i
        WHERE i.status IN ('received', 'processing', 'waiting', 'retry')
          AND i.status = 'processing' AND i.next_at <= clock_timestamp()
        ORDER BY i.next_at, i.id LIMIT 1 FOR UPDATE SKIP LOCKED
    ), due AS (
        SELECT i.id FROM webhooks_inboxevent i
        WHERE i.status IN ('received', 'processing', 'waiting', 'retry')
          AND i.status <> 'processing' AND i.next_at <= clock_timestamp()
          AND NOT EXISTS (SELECT FROM suspect)
        ORDER BY i.next_at, i.id LIMIT p_limit FOR UPDATE SKIP LOCKED
    )
    UPDATE webhooks_inboxevent i
    SET status = 'processing', lease_token = gen_random_uuid(), attempts = i.attempts + 1,
        next_at = clock_timestamp() + p_lease
    WHERE i.id IN (SELECT id FROM suspect UNION ALL SELECT id FROM due)
    RETURNING i.id, i.organisation_id, i.lease_token, i.attempts::int, i.provider, i.received_at,
              i.correlation_id
$$;
