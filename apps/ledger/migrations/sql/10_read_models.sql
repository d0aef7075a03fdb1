-- Read models follow the log from a place that is stored together with what they wrote.
--
-- Numbers of the log are drawn in one order and committed in another, so "after the last
-- one I saw" would lose rows. A follower therefore reads up to a settled number only: it
-- notes the latest number drawn and then takes a transaction id of its own. Whoever drew a
-- number until then had an id before (the functions write first and draw later), so once
-- every older id is finished (the snapshot's horizon has reached ours) all numbers up to the
-- noted one are in the log or never will be.

CREATE TABLE ledger.follower (
    name text PRIMARY KEY,
    seq bigint NOT NULL DEFAULT 0,
    settled_seq bigint NOT NULL DEFAULT 0,
    -- A number that is settled once the horizon reaches the id.
    pending_seq bigint,
    pending_xid xid8,
    rows_read bigint NOT NULL DEFAULT 0,
    moved_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);
INSERT INTO ledger.follower (name) VALUES ('read_models'), ('sealer');

-- Every row of the log by its number; kind 1 is a journal, 2 an event of an account.
CREATE VIEW ledger.log AS
SELECT seq, xid, recorded_at, 1::smallint AS kind FROM ledger.journal
UNION ALL
SELECT seq, xid, recorded_at, 2::smallint FROM ledger.account_event;

-- Takes a follower forward over at most p_limit rows, and returns the window it passed:
-- numbers after from_seq up to and with to_seq. rows_found is NULL while another process
-- holds the follower. Only a transaction that has no id yet may settle further numbers.
CREATE FUNCTION ledger.advance(p_name text, p_limit int, OUT from_seq bigint, OUT to_seq bigint, OUT rows_found int)
LANGUAGE plpgsql SET search_path = ledger, pg_catalog, pg_temp AS $$
DECLARE
    fresh CONSTANT boolean := pg_current_xact_id_if_assigned() IS NULL;
    latest bigint;
    horizon xid8;
    f follower;
BEGIN
    SELECT CASE WHEN s.is_called THEN s.last_value ELSE 0 END INTO latest FROM log_seq s;
    SELECT * INTO f FROM follower t WHERE t.name = p_name;
    from_seq := f.seq; to_seq := f.seq; rows_found := 0;
    IF latest = f.seq THEN RETURN; END IF;
    SELECT * INTO f FROM follower t WHERE t.name = p_name FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN rows_found := NULL; RETURN; END IF;
    horizon := pg_snapshot_xmin(pg_current_snapshot());
    IF fresh THEN
        -- Ids restart in a restored database: a pending one from before would never be reached.
        IF f.pending_xid > pg_current_xact_id() THEN f.pending_xid := NULL; END IF;
        IF f.pending_xid <= horizon THEN
            f.settled_seq := greatest(f.settled_seq, f.pending_seq); f.pending_xid := NULL;
        END IF;
        IF horizon = pg_current_xact_id() THEN
            f.settled_seq := latest; f.pending_xid := NULL;
        ELSIF f.pending_xid IS NULL THEN
            f.pending_xid := pg_current_xact_id(); f.pending_seq := latest;
        END IF;
    END IF;
    from_seq := f.seq;
    SELECT count(*), max(w.seq) INTO rows_found, to_seq
      FROM (SELECT l.seq FROM log l WHERE l.seq > f.seq AND l.seq <= f.settled_seq ORDER BY l.seq LIMIT p_limit) w;
    -- Numbers that were drawn and never written are passed over as well.
    IF rows_found < p_limit THEN to_seq := f.settled_seq; END IF;
    UPDATE follower t SET seq = to_seq, settled_seq = f.settled_seq, pending_seq = f.pending_seq, pending_xid = f.pending_xid,
                          rows_read = t.rows_read + rows_found, moved_at = clock_timestamp()
     WHERE t.name = p_name;
END $$;

-- Debits and credits of an account by effective day: a back-dated journal touches one bucket.
CREATE TABLE ledger.balance_day (
    account_id bigint NOT NULL,
    effective_date date NOT NULL,
    organisation_id uuid NOT NULL,
    debit bigint NOT NULL,
    credit bigint NOT NULL,
    entries bigint NOT NULL,
    PRIMARY KEY (account_id, effective_date)
) WITH (fillfactor = 70);

-- What stands on an account and on everything below it in the chart.
CREATE TABLE ledger.rollup (
    account_id bigint PRIMARY KEY,
    organisation_id uuid NOT NULL,
    posted bigint NOT NULL,
    entries bigint NOT NULL
) WITH (fillfactor = 50);

-- Since when an account has not been zero: the age of a residue.
CREATE TABLE ledger.residue (
    account_id bigint PRIMARY KEY,
    organisation_id uuid NOT NULL,
    posted bigint NOT NULL,
    version bigint NOT NULL,
    since timestamptz,
    since_seq bigint
) WITH (fillfactor = 50);

-- A threshold somebody wants to hear of when a balance crosses it.
CREATE TABLE ledger.monitor (
    id uuid PRIMARY KEY,
    organisation_id uuid NOT NULL,
    account_id bigint NOT NULL REFERENCES ledger.account (id),
    direction text NOT NULL CHECK (direction IN ('below', 'above')),
    threshold bigint NOT NULL,
    crossed boolean NOT NULL DEFAULT false,
    version bigint NOT NULL DEFAULT 0,
    removed boolean NOT NULL DEFAULT false
);
CREATE INDEX monitor_account ON ledger.monitor (account_id) WHERE NOT removed;

SELECT ledger.isolate(t,
    '(SELECT bezant_sees_all()) OR organisation_id = (SELECT bezant_current_organisation())')
FROM unnest(ARRAY['ledger.balance_day', 'ledger.rollup', 'ledger.residue', 'ledger.monitor']::regclass[]) t;
GRANT SELECT ON ledger.follower, ledger.log TO bezant_app, bezant_reader, bezant_sealer;

-- The entries of a window, two for each posting.
CREATE FUNCTION ledger.window_entries(p_from bigint, p_to bigint)
RETURNS TABLE (account_id bigint, version bigint, amount bigint, after bigint, seq bigint, recorded_at timestamptz, effective_date date)
LANGUAGE sql STABLE SET search_path = ledger, pg_catalog, pg_temp AS $$
    SELECT s.account_id, s.version, s.amount, s.after, p.seq, p.recorded_at, j.effective_date
      FROM journal j
      JOIN posting p ON p.seq = j.seq
     CROSS JOIN LATERAL (VALUES (p.debit_id, p.debit_version, -p.amount, p.debit_after),
                                (p.credit_id, p.credit_version, p.amount, p.credit_after)) s(account_id, version, amount, after)
     WHERE j.seq > p_from AND j.seq <= p_to AND p.seq > p_from AND p.seq <= p_to
$$;

-- One step of the read models: day buckets, rollups, residues and monitors, all from the same
-- window and with its place. Returns how many rows of the log were read (NULL: another
-- follower is at it) and the monitors crossed, for the caller to tell of in this transaction.
CREATE FUNCTION ledger.follow(p_limit int DEFAULT 5000, OUT rows_found int, OUT crossings jsonb)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    w record;
BEGIN
    SELECT * INTO w FROM advance('read_models', p_limit);
    rows_found := w.rows_found;
    IF rows_found IS NULL OR rows_found = 0 THEN RETURN; END IF;
    IF to_regclass('pg_temp.window_entry') IS NULL THEN
        CREATE TEMP TABLE window_entry (
            account_id bigint, version bigint, amount bigint, after bigint, seq bigint, recorded_at timestamptz, effective_date date
        ) ON COMMIT DELETE ROWS;
    END IF;
    DELETE FROM window_entry;
    INSERT INTO window_entry SELECT * FROM window_entries(w.from_seq, w.to_seq);

    INSERT INTO balance_day AS t (account_id, effective_date, organisation_id, debit, credit, entries)
    SELECT e.account_id, e.effective_date, a.organisation_id, sum(CASE WHEN e.amount < 0 THEN -e.amount ELSE 0 END),
           sum(CASE WHEN e.amount > 0 THEN e.amount ELSE 0 END), count(*)
      FROM window_entry e JOIN account a ON a.id = e.account_id
     GROUP BY e.account_id, e.effective_date, a.organisation_id
    ON CONFLICT (account_id, effective_date) DO UPDATE
       SET debit = t.debit + excluded.debit, credit = t.credit + excluded.credit, entries = t.entries + excluded.entries;

    INSERT INTO rollup AS t (account_id, organisation_id, posted, entries)
    SELECT above.id, a.organisation_id, sum(e.amount), sum(e.n)
      FROM (SELECT account_id, sum(amount) AS amount, count(*) AS n FROM window_entry GROUP BY account_id) e
      JOIN account a ON a.id = e.account_id CROSS JOIN LATERAL unnest(a.path) above(id)
     GROUP BY above.id, a.organisation_id
    ON CONFLICT (account_id) DO UPDATE SET posted = t.posted + excluded.posted, entries = t.entries + excluded.entries;

    INSERT INTO residue AS t (account_id, organisation_id, posted, version, since, since_seq)
    SELECT last.account_id, a.organisation_id, last.after, last.version, start.recorded_at, start.seq
      FROM (SELECT DISTINCT ON (account_id) * FROM window_entry ORDER BY account_id, version DESC) last
      JOIN account a ON a.id = last.account_id
      LEFT JOIN (SELECT DISTINCT ON (account_id) * FROM window_entry WHERE after = amount
                  ORDER BY account_id, version DESC) start ON start.account_id = last.account_id AND last.after <> 0
    ON CONFLICT (account_id) DO UPDATE
       SET posted = excluded.posted, version = excluded.version,
           since = CASE WHEN excluded.posted = 0 THEN NULL ELSE coalesce(excluded.since, t.since) END,
           since_seq = CASE WHEN excluded.posted = 0 THEN NULL ELSE coalesce(excluded.since_seq, t.since_seq) END
     WHERE excluded.version > t.version;

    WITH step AS (
        SELECT m.id, m.organisation_id, m.account_id, m.direction, m.threshold, e.after, e.seq, e.version,
               CASE m.direction WHEN 'below' THEN e.after < m.threshold ELSE e.after > m.threshold END AS beyond,
               m.crossed
          FROM window_entry e JOIN monitor m ON m.account_id = e.account_id AND NOT m.removed AND e.version > m.version
    ), change AS (
        SELECT *, lag(beyond, 1, crossed) OVER (PARTITION BY id ORDER BY version) AS before,
               row_number() OVER (PARTITION BY id ORDER BY version DESC) AS back FROM step
    ), settled AS (
        UPDATE monitor m SET crossed = c.beyond, version = c.version FROM change c WHERE c.id = m.id AND c.back = 1
    )
    SELECT jsonb_agg(jsonb_build_object('monitor_id', id, 'organisation_id', organisation_id, 'account_id', account_id,
               'direction', direction, 'threshold_minor', threshold, 'posted_minor', after, 'seq', seq) ORDER BY seq)
      INTO crossings FROM change WHERE beyond AND NOT before;
END $$;

CREATE FUNCTION ledger.set_monitor(
    p_id uuid, p_organisation uuid, p_account bigint, p_direction text, p_threshold bigint
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_catalog, pg_temp AS $$
BEGIN
    PERFORM require_scope(p_organisation);
    IF NOT EXISTS (SELECT 1 FROM account WHERE id = p_account AND organisation_id = p_organisation) THEN RETURN false; END IF;
    INSERT INTO monitor (id, organisation_id, account_id, direction, threshold, version, crossed)
    SELECT p_id, p_organisation, p_account, p_direction, p_threshold, b.version,
           CASE p_direction WHEN 'below' THEN b.posted < p_threshold ELSE b.posted > p_threshold END
      FROM balance b WHERE b.account_id = p_account;
    RETURN true;
END $$;

CREATE FUNCTION ledger.remove_monitor(p_id uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_catalog, pg_temp AS $$
BEGIN
    UPDATE monitor SET removed = true WHERE id = p_id AND NOT removed
       AND (public.bezant_sees_all() OR organisation_id = public.bezant_current_organisation());
    RETURN FOUND;
END $$;

-- The balance of everything effective through a day: buckets, and the log beyond their place.
-- NULL for an account outside the scope.
CREATE FUNCTION ledger.balance_effective(p_account bigint, p_day date) RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ledger, pg_catalog, pg_temp AS $$
DECLARE
    f follower;
    total numeric;
BEGIN
    IF NOT sees_account(p_account) THEN RETURN NULL; END IF;
    SELECT * INTO f FROM follower WHERE name = 'read_models';
    SELECT coalesce(sum(credit - debit), 0) INTO total FROM balance_day WHERE account_id = p_account AND effective_date <= p_day;
    -- The log beyond the follower's place is short, but the planner cannot know: OFFSET 0 keeps it to the
    -- numbers' own index, instead of reading the account's whole history by the account's.
    RETURN total + coalesce((
        SELECT sum(CASE WHEN p.credit_id = p_account THEN p.amount ELSE -p.amount END)
          FROM (SELECT seq, debit_id, credit_id, amount FROM posting WHERE seq > f.seq ORDER BY seq OFFSET 0) p
         WHERE (p.debit_id = p_account OR p.credit_id = p_account)
           AND (SELECT j.effective_date FROM journal j WHERE j.seq = p.seq) <= p_day), 0);
END $$;

-- Releases holds that have expired, some at a time, each in the order of locks. Returns how many.
CREATE FUNCTION ledger.expire_due(p_at timestamptz, p_limit int DEFAULT 500) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_catalog, pg_temp AS $$
DECLARE
    ids bigint[];
    moment timestamptz;
BEGIN
    SELECT array_agg(DISTINCT account_id ORDER BY account_id) INTO ids
      FROM (SELECT account_id FROM hold WHERE amount - captured - released > 0 AND expires_at <= p_at
             ORDER BY expires_at LIMIT p_limit) due;
    IF ids IS NULL THEN RETURN 0; END IF;
    SELECT greatest(max(b.recorded_at), clock_timestamp()) INTO moment
      FROM (SELECT * FROM balance WHERE account_id = ANY(ids) ORDER BY account_id FOR NO KEY UPDATE) b;
    RETURN expire_holds(p_at, moment, ids, '{}');
END $$;

-- Replays the log up to the follower's place into scratch tables and compares, in the snapshot of the
-- calling statement: run it in a REPEATABLE READ transaction and the platform may go on.
CREATE FUNCTION ledger.rebuild(OUT report jsonb)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_catalog, pg_temp AS $$
DECLARE
    f follower;
    began timestamptz := clock_timestamp();
    events bigint;
BEGIN
    SELECT * INTO f FROM follower WHERE name = 'read_models';
    CREATE TEMP TABLE scratch_entry ON COMMIT DROP AS
    SELECT s.account_id, s.version, s.amount, s.after, p.seq, p.recorded_at, j.effective_date, j.seq <= f.seq AS followed
      FROM journal j JOIN posting p ON p.seq = j.seq
     CROSS JOIN LATERAL (VALUES (p.debit_id, p.debit_version, -p.amount, p.debit_after),
                                (p.credit_id, p.credit_version, p.amount, p.credit_after)) s(account_id, version, amount, after);
    SELECT count(*) INTO events FROM journal;
    CREATE TEMP TABLE scratch_day ON COMMIT DROP AS
    SELECT account_id, effective_date, sum(CASE WHEN amount < 0 THEN -amount ELSE 0 END)::bigint AS debit,
           sum(CASE WHEN amount > 0 THEN amount ELSE 0 END)::bigint AS credit, count(*) AS entries
      FROM scratch_entry WHERE followed GROUP BY 1, 2;
    CREATE TEMP TABLE scratch_rollup ON COMMIT DROP AS
    SELECT above.id AS account_id, sum(e.amount)::bigint AS posted, sum(e.n)::bigint AS entries
      FROM (SELECT account_id, sum(amount) AS amount, count(*) AS n FROM scratch_entry WHERE followed GROUP BY 1) e
      JOIN account a ON a.id = e.account_id CROSS JOIN LATERAL unnest(a.path) above(id) GROUP BY 1;
    CREATE TEMP TABLE scratch_balance ON COMMIT DROP AS
    SELECT account_id, sum(amount)::bigint AS posted, count(*) AS version FROM scratch_entry GROUP BY 1;
    CREATE TEMP TABLE scratch_held ON COMMIT DROP AS
    SELECT hold_account_id AS account_id, sum(hold_delta)::bigint AS held FROM journal WHERE hold_id IS NOT NULL GROUP BY 1;
    CREATE TEMP TABLE scratch_residue ON COMMIT DROP AS
    SELECT DISTINCT ON (account_id) account_id, after AS posted FROM scratch_entry WHERE followed ORDER BY account_id, version DESC;
    WITH carried AS (
        SELECT account_id, sum(posted) AS posted, sum(entries) AS version FROM archived_balance GROUP BY 1
    ), difference AS (
        SELECT 'balance' AS model, jsonb_build_object('account', b.account_id, 'stored', b.posted, 'replayed', coalesce(s.posted, 0) + coalesce(k.posted, 0)) AS example
          FROM balance b LEFT JOIN scratch_balance s USING (account_id) LEFT JOIN carried k USING (account_id)
         WHERE (b.posted, b.version) <> (coalesce(s.posted, 0) + coalesce(k.posted, 0), coalesce(s.version, 0) + coalesce(k.version, 0))
        UNION ALL
        SELECT 'held', jsonb_build_object('account', b.account_id, 'stored', b.held, 'replayed', coalesce(s.held, 0))
          FROM balance b LEFT JOIN scratch_held s USING (account_id)
         WHERE b.held <> coalesce(s.held, 0) AND NOT EXISTS (SELECT 1 FROM archive)
        UNION ALL
        SELECT 'balance_day', jsonb_build_object('account', coalesce(d.account_id, s.account_id), 'day', coalesce(d.effective_date, s.effective_date),
               'stored', d.credit - d.debit, 'replayed', s.credit - s.debit)
          FROM balance_day d FULL JOIN scratch_day s USING (account_id, effective_date)
         WHERE (d.debit, d.credit, d.entries) IS DISTINCT FROM (s.debit, s.credit, s.entries) AND NOT EXISTS (SELECT 1 FROM archive)
        UNION ALL
        SELECT 'rollup', jsonb_build_object('account', coalesce(r.account_id, s.account_id), 'stored', r.posted, 'replayed', s.posted)
          FROM rollup r FULL JOIN scratch_rollup s USING (account_id)
         WHERE (r.posted, r.entries) IS DISTINCT FROM (s.posted, s.entries) AND NOT EXISTS (SELECT 1 FROM archive)
        UNION ALL
        SELECT 'residue', jsonb_build_object('account', coalesce(r.account_id, s.account_id), 'stored', r.posted, 'replayed', s.posted)
          FROM residue r FULL JOIN scratch_residue s USING (account_id)
         WHERE r.posted IS DISTINCT FROM s.posted AND NOT EXISTS (SELECT 1 FROM archive)
    ), numbered AS (
        SELECT *, row_number() OVER (PARTITION BY model) AS place FROM difference
    )
    SELECT jsonb_build_object(
        'ok', NOT EXISTS (SELECT 1 FROM difference),
        'events', events,
        'seconds', round(extract(epoch FROM clock_timestamp() - began), 3),
        'rows', jsonb_build_object('balance', (SELECT count(*) FROM balance), 'balance_day', (SELECT count(*) FROM scratch_day),
                                   'rollup', (SELECT count(*) FROM scratch_rollup), 'residue', (SELECT count(*) FROM scratch_residue)),
        'differences', (SELECT coalesce(jsonb_object_agg(model, n), '{}') FROM (SELECT model, count(*) AS n FROM difference GROUP BY 1) x),
        'examples', (SELECT coalesce(jsonb_agg(jsonb_build_object('model', model) || example), '[]') FROM numbered WHERE place <= 5))
      INTO report;
    DROP TABLE scratch_entry, scratch_day, scratch_rollup, scratch_balance, scratch_held, scratch_residue;
END $$;

-- Makes the read models anew from the log. Readers see the old rows until it commits.
CREATE FUNCTION ledger.replace_read_models() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_catalog, pg_temp AS $$
DECLARE
    rows_read bigint := 0;
    step record;
BEGIN
    IF EXISTS (SELECT 1 FROM archive) THEN
        RAISE EXCEPTION 'part of the log is archived; attach it before the read models are made anew'
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    PERFORM 1 FROM follower WHERE name = 'read_models' FOR UPDATE;
    DELETE FROM balance_day; DELETE FROM rollup; DELETE FROM residue;
    UPDATE follower SET seq = 0, rows_read = 0 WHERE name = 'read_models';
    LOOP
        SELECT * INTO step FROM follow(50000);
        EXIT WHEN coalesce(step.rows_found, 0) = 0;
        rows_read := rows_read + step.rows_found;
    END LOOP;
    RETURN rows_read;
END $$;

-- Clearing accounts that are not zero, oldest first: the first thing to look at in the morning.
CREATE FUNCTION ledger.residues(p_clearing_only boolean DEFAULT true)
RETURNS TABLE (account_id bigint, organisation_id uuid, code text, name text, currency text, posted bigint,
               since timestamptz, since_seq bigint)
LANGUAGE sql STABLE SET search_path = ledger, pg_catalog, pg_temp AS $$
    SELECT r.account_id, r.organisation_id, a.code, a.name, a.currency, r.posted, r.since, r.since_seq
      FROM residue r JOIN account a ON a.id = r.account_id
     WHERE r.posted <> 0 AND (a.clearing OR NOT p_clearing_only)
     ORDER BY r.since, r.account_id
$$;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA ledger FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.follow, ledger.set_monitor, ledger.remove_monitor, ledger.balance_effective,
    ledger.expire_due, ledger.rebuild, ledger.replace_read_models, ledger.residues TO bezant_app;
