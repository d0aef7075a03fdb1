-- Proofs over the whole book, each a query that finds what must not exist. They read one
-- snapshot, need nothing but SELECT, and name the first offenders. A row: name, number of
-- violations, up to five examples.
CREATE FUNCTION ledger.proofs() RETURNS TABLE (name text, violations bigint, examples jsonb)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_catalog, pg_temp AS $$
WITH entry AS MATERIALIZED (
    SELECT debit_id AS account_id, debit_version AS version, -amount AS amount, debit_after AS after, seq, recorded_at FROM posting
    UNION ALL
    SELECT credit_id, credit_version, amount, credit_after, seq, recorded_at FROM posting
), chain AS (
    SELECT account_id, version, amount, after, seq, recorded_at,
           lag(version) OVER w AS version_before, lag(after) OVER w AS after_before, lag(recorded_at) OVER w AS recorded_before
      FROM entry WINDOW w AS (PARTITION BY account_id ORDER BY version)
), fold AS (
    SELECT account_id, sum(amount) AS posted, count(*) AS version FROM entry GROUP BY account_id
), opening AS (
    SELECT account_id, sum(posted) AS posted, sum(entries) AS version, max(last_recorded_at) AS recorded_at
      FROM archived_balance GROUP BY account_id
), held AS (
    SELECT hold_account_id AS account_id, sum(hold_delta) AS held FROM journal WHERE hold_id IS NOT NULL GROUP BY 1
), hold_fold AS (
    SELECT j.hold_id AS id,
           sum(j.hold_delta) FILTER (WHERE j.action IN (2, 3)) AS amount,
           -coalesce(sum(j.hold_delta) FILTER (WHERE j.action > 3), 0) AS gone,
           coalesce(sum(c.captured) FILTER (WHERE j.action = 4), 0) AS captured
      FROM journal j
      LEFT JOIN LATERAL (SELECT sum(p.amount) AS captured FROM posting p WHERE p.seq = j.seq) c ON j.action = 4
     WHERE j.hold_id IS NOT NULL GROUP BY 1
), violation AS (
    SELECT 'zero_sum' AS name, jsonb_build_object('currency', currency, 'sum', sum(posted)) AS example
      FROM balance GROUP BY currency HAVING sum(posted) <> 0
    UNION ALL
    SELECT 'balance_equals_fold', jsonb_build_object('account', b.account_id, 'posted', b.posted,
           'fold', coalesce(f.posted, 0) + coalesce(o.posted, 0), 'version', b.version,
           'entries', coalesce(f.version, 0) + coalesce(o.version, 0))
      FROM balance b LEFT JOIN fold f USING (account_id) LEFT JOIN opening o USING (account_id)
     WHERE b.posted <> coalesce(f.posted, 0) + coalesce(o.posted, 0) OR b.version <> coalesce(f.version, 0) + coalesce(o.version, 0)
    UNION ALL
    SELECT 'version_chain', jsonb_build_object('account', c.account_id, 'version', c.version, 'seq', c.seq)
      FROM chain c LEFT JOIN opening o USING (account_id)
     WHERE c.version <> coalesce(c.version_before, o.version, 0) + 1
        OR c.after <> coalesce(c.after_before, o.posted, 0) + c.amount
    UNION ALL
    SELECT 'recorded_in_order', jsonb_build_object('account', c.account_id, 'version', c.version, 'seq', c.seq)
      FROM chain c WHERE c.recorded_at < c.recorded_before
    UNION ALL
    SELECT 'limits', jsonb_build_object('account', account_id)
      FROM balance WHERE held < 0 OR posted - held < floor OR posted > ceiling OR version <> frozen_version
                      OR (closed AND (posted <> 0 OR held <> 0))
    UNION ALL
    SELECT 'held_equals_open_holds', jsonb_build_object('account', b.account_id, 'held', b.held, 'open', coalesce(h.open, 0))
      FROM balance b LEFT JOIN (SELECT account_id, sum(remaining) AS open FROM hold GROUP BY 1) h USING (account_id)
     WHERE b.held <> coalesce(h.open, 0)
    UNION ALL
    SELECT 'held_equals_fold', jsonb_build_object('account', b.account_id, 'held', b.held, 'fold', coalesce(h.held, 0))
      FROM balance b LEFT JOIN held h USING (account_id)
     WHERE b.held <> coalesce(h.held, 0) AND NOT EXISTS (SELECT 1 FROM archive)
    UNION ALL
    SELECT 'hold_equals_fold', jsonb_build_object('hold', coalesce(h.id, f.id))
      FROM hold h FULL JOIN hold_fold f USING (id)
     WHERE (h.amount, h.captured, h.captured + h.released) IS DISTINCT FROM (f.amount, f.captured, f.gone)
       AND NOT EXISTS (SELECT 1 FROM archive)
    UNION ALL
    SELECT 'posting_has_journal', jsonb_build_object('seq', p.seq, 'line', p.line)
      FROM posting p LEFT JOIN journal j USING (seq) WHERE j.seq IS NULL OR j.organisation_id <> p.organisation_id
    UNION ALL
    SELECT 'journal_is_whole', jsonb_build_object('seq', j.seq, 'action', j.action)
      FROM journal j LEFT JOIN (SELECT seq, count(*) AS lines, max(line) AS top, min(line) AS bottom FROM posting GROUP BY seq) p USING (seq)
     WHERE j.action NOT BETWEEN 1 AND 7
        OR (j.action IN (1, 4, 7)) <> (p.seq IS NOT NULL)
        OR coalesce(p.lines <> p.top OR p.bottom <> 1, false)
        OR (j.action BETWEEN 2 AND 6) <> (j.hold_id IS NOT NULL AND j.hold_account_id IS NOT NULL AND j.hold_delta IS NOT NULL)
        OR (j.action = 7) <> (j.reverses_seq IS NOT NULL)
    UNION ALL
    SELECT 'accounts_exist_and_agree', jsonb_build_object('seq', p.seq, 'line', p.line)
      FROM posting p LEFT JOIN account d ON d.id = p.debit_id LEFT JOIN account c ON c.id = p.credit_id
     WHERE d.id IS NULL OR c.id IS NULL OR d.currency <> p.currency OR c.currency <> p.currency
        OR NOT (d.shared OR d.organisation_id = p.organisation_id) OR NOT (c.shared OR c.organisation_id = p.organisation_id)
    UNION ALL
    SELECT 'account_has_balance', jsonb_build_object('account', a.id)
      FROM account a LEFT JOIN balance b ON b.account_id = a.id
     WHERE b.account_id IS NULL OR (a.organisation_id, a.currency, a.shared) <> (b.organisation_id, b.currency, b.shared)
    UNION ALL
    SELECT 'account_has_event', jsonb_build_object('account', a.id)
      FROM account a WHERE NOT EXISTS (
          SELECT 1 FROM account_event e WHERE e.account_id = a.id AND e.kind = 'opened'
             AND e.organisation_id = a.organisation_id AND e.facts->>'code' = a.code AND e.facts->>'kind' = a.kind
             AND e.facts->>'currency' = a.currency)
    UNION ALL
    SELECT 'keys_match_journals', jsonb_build_object('key', coalesce(i.key, j.key), 'seq', coalesce(i.seq, j.seq))
      FROM journal j FULL JOIN idempotency i ON i.key = j.key
     WHERE i.seq IS DISTINCT FROM j.seq
       AND NOT EXISTS (SELECT 1 FROM archive a WHERE coalesce(i.seq, j.seq) >= a.from_seq AND coalesce(i.seq, j.seq) < a.to_seq)
    UNION ALL
    SELECT 'reversed_within_original', jsonb_build_object('seq', coalesce(r.seq, f.seq), 'line', coalesce(r.line, f.line))
      FROM reversed r FULL JOIN (
          SELECT j.reverses_seq AS seq, p.reverses_line AS line, sum(p.amount) AS reversed
            FROM journal j JOIN posting p ON p.seq = j.seq WHERE j.action = 7 GROUP BY 1, 2) f
        ON f.seq = r.seq AND f.line = r.line
     WHERE (r.reversed IS DISTINCT FROM f.reversed OR r.reversed > r.amount) AND NOT EXISTS (SELECT 1 FROM archive)
    UNION ALL
    SELECT 'immutability_stands', jsonb_build_object('table', c.relname)
      FROM pg_class c
     WHERE c.relnamespace = 'ledger'::regnamespace AND c.relkind IN ('r', 'p')
       AND (c.relname ~ '^(journal|posting)(_[0-9]+)?$' OR c.relname IN ('idempotency', 'account_event', 'account'))
       AND NOT EXISTS (SELECT 1 FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname = 'immutable' AND t.tgenabled IN ('O', 'A'))
    UNION ALL
    SELECT 'constraints_stand', jsonb_build_object('constraint', w.name)
      FROM unnest(ARRAY['balance_limits', 'hold_not_exceeded', 'reversed_within_original', 'posting_two_sided']) w(name)
     WHERE NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conname = w.name AND k.convalidated
                        AND k.connamespace = 'ledger'::regnamespace)
    UNION ALL
    SELECT 'isolation_stands', jsonb_build_object('table', c.relname)
      FROM pg_class c WHERE c.oid = ANY (ARRAY['account', 'balance', 'journal', 'posting', 'hold', 'reversed', 'account_event', 'period']::regclass[])
       AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
)
SELECT n.name, count(v.name), coalesce(jsonb_agg(v.example) FILTER (WHERE v.place <= 5), '[]')
  FROM unnest(ARRAY['zero_sum', 'balance_equals_fold', 'version_chain', 'recorded_in_order', 'limits', 'held_equals_open_holds',
                    'held_equals_fold', 'hold_equals_fold', 'posting_has_journal', 'journal_is_whole', 'accounts_exist_and_agree',
                    'account_has_balance', 'account_has_event', 'keys_match_journals', 'reversed_within_original',
                    'immutability_stands', 'constraints_stand', 'isolation_stands']) WITH ORDINALITY n(name, place)
  LEFT JOIN (SELECT name, example, row_number() OVER (PARTITION BY name) AS place FROM violation) v ON v.name = n.name
 GROUP BY n.name, n.place ORDER BY n.place
$$;
GRANT EXECUTE ON FUNCTION ledger.proofs() TO bezant_app, bezant_sealer, bezant_reader;
