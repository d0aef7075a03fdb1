CREATE SEQUENCE webhooks_queue_no CACHE 1;

CREATE TABLE webhooks_delivery (
    id uuid NOT NULL,
    organisation_id uuid NOT NULL,
    endpoint_id uuid NOT NULL,
    event_id uuid NOT NULL,
    event_name varchar(100) NOT NULL,
    object_id varchar(64) NOT NULL,
    correlation_id varchar(64) NOT NULL,
    status varchar(10) NOT NULL DEFAULT 'pending'
        CHECK (status IN ('pending', 'delivered', 'dead', 'discarded')),
    attempts int NOT NULL DEFAULT 0,
    latest_status_code int,
    latest_error varchar(60) NOT NULL DEFAULT '',
    reason varchar(300) NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    finished_at timestamptz,
    PRIMARY KEY (id, created_at)
) PARTITION BY RANGE (created_at);
-- An organisation's deliveries, newest first; those of one endpoint; those of one event.
CREATE INDEX webhooks_delivery_org ON webhooks_delivery (organisation_id, id);
CREATE INDEX webhooks_delivery_endpoint ON webhooks_delivery (endpoint_id, id);
CREATE INDEX webhooks_delivery_event ON webhooks_delivery (event_id);
-- The timeline of one object.
CREATE INDEX webhooks_delivery_object ON webhooks_delivery (object_id);
-- The list of dead letters.
CREATE INDEX webhooks_delivery_dead ON webhooks_delivery (id) WHERE status = 'dead';

CREATE TABLE webhooks_attempt (
    id uuid NOT NULL,
    organisation_id uuid NOT NULL,
    delivery_id uuid NOT NULL,
    endpoint_id uuid NOT NULL,
    number int NOT NULL,
    started_at timestamptz NOT NULL,
    took_ms int NOT NULL,
    status_code int,
    error varchar(60) NOT NULL,
    address varchar(45) NOT NULL,
    response_body text NOT NULL,
    PRIMARY KEY (id, started_at)
) PARTITION BY RANGE (started_at);
-- The attempts of one delivery.
CREATE INDEX webhooks_attempt_delivery ON webhooks_attempt (delivery_id);

-- What no day's partition holds (a clock gone wrong, a day that was not prepared) is not lost.
CREATE TABLE webhooks_delivery_other PARTITION OF webhooks_delivery DEFAULT;
CREATE TABLE webhooks_attempt_other PARTITION OF webhooks_attempt DEFAULT;

-- Prepares partitions for days to come. Policies stand on the parents alone, so the application may
-- reach the partitions only through them. Runs as the owner, since making tables is the owner's.
CREATE FUNCTION webhooks_make_partitions(p_from date, p_days int) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    parent text;
    part text;
    day date;
    made int := 0;
BEGIN
    IF p_days < 1 OR p_days > 400 THEN
        RAISE EXCEPTION 'from 1 to 400 days, not %', p_days;
    END IF;
    FOREACH parent IN ARRAY ARRAY['webhooks_delivery', 'webhooks_attempt'] LOOP
        FOR day IN SELECT p_from + n FROM generate_series(0, p_days - 1) AS n LOOP
            part := parent || '_' || to_char(day, 'YYYYMMDD');
            CONTINUE WHEN to_regclass(part) IS NOT NULL;
            BEGIN
                EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
                               part, parent, day::text || ' 00:00+00', (day + 1)::text || ' 00:00+00');
                EXECUTE format('REVOKE ALL ON %I FROM bezant_app, bezant_reader', part);
                made := made + 1;
            EXCEPTION WHEN check_violation OR duplicate_table THEN
                NULL;  -- rows of that day lie in the default partition already, and stay there
            END;
        END LOOP;
    END LOOP;
    RETURN made;
END $$;

-- Drops whole days of history. Never the latest week, whoever asks.
CREATE FUNCTION webhooks_drop_partitions(p_before date) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    part text;
    dropped int := 0;
BEGIN
    FOR part IN
        SELECT c.relname FROM pg_inherits i
        JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent
        WHERE p.relname IN ('webhooks_delivery', 'webhooks_attempt') AND c.relname ~ '_[0-9]{8}$'
          AND to_date(right(c.relname, 8), 'YYYYMMDD') < least(p_before, current_date - 7)
    LOOP
        EXECUTE format('DROP TABLE %I', part);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END $$;

REVOKE ALL ON FUNCTION webhooks_make_partitions(date, int), webhooks_drop_partitions(date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION webhooks_make_partitions(date, int), webhooks_drop_partitions(date) TO bezant_app;
REVOKE ALL ON webhooks_delivery_other, webhooks_attempt_other FROM bezant_app, bezant_reader;

-- The queue's rows live for seconds and are updated twice: leave room on the page for their new versions.
ALTER TABLE webhooks_queue SET (
    fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500,
    autovacuum_vacuum_cost_delay = 0);
ALTER TABLE webhooks_endpointhealth SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE webhooks_inboxevent SET (fillfactor = 85);

-- Serialises what has to be in order: the events of one object at one endpoint.
CREATE FUNCTION webhooks_lock_order(p_endpoint uuid, p_key text) RETURNS void LANGUAGE sql AS $$
    SELECT pg_advisory_xact_lock(hashtextextended('webhooks order ' || p_endpoint || ' ' || p_key, 0))
$$;

-- Puts an event into the history and the queue of each active endpoint that wants it (of one, if
-- p_only names it). Done twice, it changes nothing: a delivery's id is made of event and endpoint. In the
-- queue of an ordered endpoint only the first unfinished event of an object is due; the others wait for it,
-- at infinity. One statement is the whole transaction: it sets its scope itself.
CREATE FUNCTION webhooks_fan_out(
    p_organisation uuid, p_event uuid, p_event_name text, p_object_id text, p_correlation_id text,
    p_recorded_at timestamptz, p_only uuid DEFAULT NULL
) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    place record;
    delivery uuid;
    mark text;
    key text;
    blocked boolean;
    made int := 0;
BEGIN
    PERFORM set_config('bezant.organisation', p_organisation::text, true);
    FOR place IN
        SELECT e.id, e.ordered FROM webhooks_endpoint e
        WHERE e.organisation_id = p_organisation AND e.state = 'active'
          AND CASE WHEN p_only IS NOT NULL THEN e.id = p_only
                   ELSE EXISTS (
                       SELECT FROM jsonb_array_elements_text(e.event_filters) AS f(entry)
                       WHERE f.entry = p_event_name
                          OR NOT starts_with(p_event_name, 'webhooks.')
                             AND (f.entry = '*'
                                  OR right(f.entry, 2) = '.*' AND starts_with(p_event_name, left(f.entry, -1))))
              END
        ORDER BY e.id
    LOOP
        -- A UUIDv7 of the event's time, whose other digits follow from event and endpoint.
        mark := encode(sha256(convert_to(p_event || ' ' || place.id, 'UTF8')), 'hex');
        delivery := (lpad(to_hex(floor(extract(epoch FROM p_recorded_at) * 1000)::bigint), 12, '0')
                     || '7' || substr(mark, 1, 3) || '8' || substr(mark, 4, 15))::uuid;
        INSERT INTO webhooks_delivery (id, organisation_id, endpoint_id, event_id, event_name, object_id,
                                       correlation_id, created_at)
        VALUES (delivery, p_organisation, place.id, p_event, p_event_name, p_object_id, p_correlation_id,
                p_recorded_at)
        ON CONFLICT DO NOTHING;
        CONTINUE WHEN NOT FOUND;
        key := CASE WHEN place.ordered THEN p_object_id ELSE '' END;
        blocked := false;
        IF key <> '' THEN
            PERFORM webhooks_lock_order(place.id, key);
            blocked := EXISTS (SELECT FROM webhooks_queue q
                               WHERE q.endpoint_id = place.id AND q.ordering_key = key);
        END IF;
        INSERT INTO webhooks_queue (id, organisation_id, endpoint_id, event_id, created_at, queue_no,
                                    ordering_key, attempts, next_at)
        VALUES (delivery, p_organisation, place.id, p_event, p_recorded_at, nextval('webhooks_queue_no'),
                key, 0, CASE WHEN blocked THEN 'infinity' ELSE clock_timestamp() END);
        made := made + 1;
    END LOOP;
    RETURN made;
END $$;

-- Takes a lease on deliveries that are due, going round the endpoints from the one after p_after, with
-- no more of each than it may have in flight. An endpoint whose breaker is open is passed over without
-- touching its rows; when the pause is over, one row goes out as a probe.
CREATE FUNCTION webhooks_claim_deliveries(p_limit int, p_after uuid, p_lease interval, p_endpoints_max int)
RETURNS TABLE (
    id uuid, organisation_id uuid, endpoint_id uuid, event_id uuid, created_at timestamptz, attempts int,
    lease_token uuid)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    this uuid := p_after;
    wrapped boolean := false;
    remaining int := p_limit;
    seen int := 0;
    taken int;
    room int;
    place record;
    moment timestamptz := clock_timestamp();
BEGIN
    WHILE remaining > 0 AND seen < p_endpoints_max LOOP
        SELECT q.endpoint_id INTO place FROM webhooks_queue q
            WHERE q.endpoint_id > this ORDER BY q.endpoint_id LIMIT 1;
        IF NOT FOUND THEN
            EXIT WHEN wrapped;
            wrapped := true;
            this := '00000000-0000-0000-0000-000000000000';
            CONTINUE;
        END IF;
        EXIT WHEN wrapped AND place.endpoint_id > p_after;
        this := place.endpoint_id;
        seen := seen + 1;
        CONTINUE WHEN NOT EXISTS (SELECT FROM webhooks_queue q
                                  WHERE q.endpoint_id = this AND q.next_at <= moment);
        -- Two workers that count what is in flight at once would both find room for all of it.
        CONTINUE WHEN NOT pg_try_advisory_xact_lock(hashtextextended('webhooks claim ' || this, 0));
        SELECT e.state, e.max_in_flight, e.rate_per_s, h.pause_s, h.open_until,
               greatest(h.arrival_at, moment) AS arrival_at
            INTO place
            FROM webhooks_endpoint e LEFT JOIN webhooks_endpointhealth h ON h.endpoint_id = e.id
            WHERE e.id = this;
        room := remaining;
        IF FOUND AND place.state = 'active' THEN
            CONTINUE WHEN place.pause_s > 0 AND place.open_until > moment;
            room := CASE WHEN place.pause_s > 0 THEN 1 ELSE place.max_in_flight END
                    - (SELECT count(*) FROM webhooks_queue q WHERE q.endpoint_id = this
                       AND q.lease_token IS NOT NULL AND q.next_at > moment);
            IF place.rate_per_s IS NOT NULL THEN
                room := least(room, floor(extract(epoch FROM moment + interval '1 second' - place.arrival_at)
                                          * place.rate_per_s));
            END IF;
        END IF;
        CONTINUE WHEN room <= 0;
        RETURN QUERY
            WITH due AS (
                SELECT q.id FROM webhooks_queue q WHERE q.endpoint_id = this AND q.next_at <= moment
                ORDER BY q.next_at, q.queue_no LIMIT least(room, remaining) FOR UPDATE SKIP LOCKED
            )
            UPDATE webhooks_queue q
            SET lease_token = gen_random_uuid(), next_at = moment + p_lease, attempts = q.attempts + 1
            FROM due WHERE q.id = due.id
            RETURNING q.id, q.organisation_id, q.endpoint_id, q.event_id, q.created_at, q.attempts::int,
                      q.lease_token;
        GET DIAGNOSTICS taken = ROW_COUNT;
        remaining := remaining - taken;
        IF place.rate_per_s IS NOT NULL AND taken > 0 THEN
            UPDATE webhooks_endpointhealth h
            SET arrival_at = place.arrival_at + make_interval(secs => taken::float8 / place.rate_per_s)
            WHERE h.endpoint_id = this;
        END IF;
    END LOOP;
    -- Where the next round goes on, for the same transaction to read.
    PERFORM set_config('bezant.claimed_to', this::text, true);
END $$;

-- Writes a batch of results: attempts into the history, outcomes only where the lease is still ours.
-- p_results: [{id, created_at, lease, outcome: delivered|retry|dead, pause_s, error, reason, attempt: {…}|null}]
-- Returns how many outcomes counted.
CREATE FUNCTION webhooks_finish_deliveries(p_results jsonb) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    mine uuid[];
    place record;
BEGIN
    SELECT coalesce(array_agg(locked.id), '{}') INTO mine FROM (
        SELECT q.id FROM webhooks_queue q
        JOIN jsonb_to_recordset(p_results) AS r(id uuid, lease uuid) ON r.id = q.id AND r.lease = q.lease_token
        ORDER BY q.id FOR UPDATE OF q
    ) locked;

    WITH told AS (
        SELECT * FROM jsonb_to_recordset(p_results) AS r(
            id uuid, created_at timestamptz, outcome text, error text, reason text, attempt jsonb)
    ), counted AS (
        UPDATE webhooks_delivery d SET
            attempts = d.attempts + (t.attempt IS NOT NULL)::int,
            status = CASE WHEN NOT t.id = ANY (mine) THEN d.status
                          WHEN t.outcome = 'retry' THEN 'pending' ELSE t.outcome END,
            latest_status_code = coalesce((t.attempt->>'status_code')::int,
                                          CASE WHEN t.attempt IS NULL THEN d.latest_status_code END),
            latest_error = t.error,
            reason = CASE WHEN t.id = ANY (mine) THEN t.reason ELSE d.reason END,
            finished_at = CASE WHEN t.id = ANY (mine) AND t.outcome <> 'retry' THEN clock_timestamp()
                               ELSE d.finished_at END
        FROM told t WHERE d.id = t.id AND d.created_at = t.created_at
        RETURNING d.id, d.organisation_id, d.endpoint_id, d.attempts, t.attempt
    )
    INSERT INTO webhooks_attempt (id, organisation_id, delivery_id, endpoint_id, number, started_at,
                                  took_ms, status_code, error, address, response_body)
    SELECT (c.attempt->>'id')::uuid, c.organisation_id, c.id, c.endpoint_id, c.attempts,
           (c.attempt->>'started_at')::timestamptz, (c.attempt->>'took_ms')::int,
           (c.attempt->>'status_code')::int, c.attempt->>'error', c.attempt->>'address',
           c.attempt->>'response_body'
    FROM counted c WHERE c.attempt IS NOT NULL;

    UPDATE webhooks_queue q SET lease_token = NULL, next_at = clock_timestamp() + make_interval(secs => r.pause_s)
    FROM jsonb_to_recordset(p_results) AS r(id uuid, outcome text, pause_s float8)
    WHERE q.id = r.id AND q.id = ANY (mine) AND r.outcome = 'retry';

    FOR place IN
        SELECT DISTINCT q.endpoint_id, q.ordering_key FROM webhooks_queue q
        JOIN jsonb_to_recordset(p_results) AS r(id uuid, outcome text) ON r.id = q.id
        WHERE q.id = ANY (mine) AND r.outcome <> 'retry' AND q.ordering_key <> '' ORDER BY 1, 2
    LOOP
        PERFORM webhooks_lock_order(place.endpoint_id, place.ordering_key);
    END LOOP;

    WITH gone AS (
        DELETE FROM webhooks_queue q USING jsonb_to_recordset(p_results) AS r(id uuid, outcome text)
        WHERE q.id = r.id AND q.id = ANY (mine) AND r.outcome <> 'retry'
        RETURNING q.endpoint_id, q.ordering_key, q.queue_no
    )
    UPDATE webhooks_queue q SET next_at = clock_timestamp()
    FROM (SELECT DISTINCT endpoint_id, ordering_key FROM gone WHERE ordering_key <> '') g
    WHERE q.endpoint_id = g.endpoint_id AND q.ordering_key = g.ordering_key AND q.next_at = 'infinity'
      AND q.queue_no = (SELECT min(w.queue_no) FROM webhooks_queue w
                        WHERE w.endpoint_id = g.endpoint_id AND w.ordering_key = g.ordering_key
                          AND w.queue_no NOT IN (SELECT queue_no FROM gone));
    RETURN cardinality(mine);
END $$;

-- Puts a finished delivery back into the queue under its own id. False when it is there already.
CREATE FUNCTION webhooks_requeue(p_delivery uuid) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    kept webhooks_delivery;
    key text;
    blocked boolean := false;
BEGIN
    SELECT * INTO kept FROM webhooks_delivery d WHERE d.id = p_delivery FOR UPDATE;
    IF NOT FOUND OR EXISTS (SELECT FROM webhooks_queue q WHERE q.id = p_delivery) THEN
        RETURN false;
    END IF;
    SELECT CASE WHEN e.ordered THEN kept.object_id ELSE '' END INTO key
        FROM webhooks_endpoint e WHERE e.id = kept.endpoint_id;
    IF key <> '' THEN
        PERFORM webhooks_lock_order(kept.endpoint_id, key);
        blocked := EXISTS (SELECT FROM webhooks_queue q
                           WHERE q.endpoint_id = kept.endpoint_id AND q.ordering_key = key);
    END IF;
    UPDATE webhooks_delivery d SET status = 'pending', finished_at = NULL, reason = ''
        WHERE d.id = kept.id AND d.created_at = kept.created_at;
    INSERT INTO webhooks_queue (id, organisation_id, endpoint_id, event_id, created_at, queue_no,
                                ordering_key, attempts, next_at)
    VALUES (kept.id, kept.organisation_id, kept.endpoint_id, kept.event_id, kept.created_at,
            nextval('webhooks_queue_no'), key, 0,
            CASE WHEN blocked THEN 'infinity' ELSE clock_timestamp() END);
    RETURN true;
END $$;
