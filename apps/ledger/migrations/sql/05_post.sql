-- The one door through which money moves. N = 1 is the same code.
--
-- Items (journals) come as arrays; their lines as further arrays, p_lines[i] of them for
-- item i, in order. Everything is decided in memory, under locks taken in account order,
-- and written by one statement per table. Every item gets a code; 0 and 1 are successes:
--
--   0 posted               1 exists (same key, same payload: the first result)
--   2 key_conflict         3 key_archived          4 linked_failed     5 batch_too_large
--   6 not_allowed          7 bad_journal           8 metadata_too_large
--   9 bad_amount          10 amount_out_of_range  11 same_account     12 unknown_account
--  13 account_closed      14 account_frozen       15 currency_mismatch
--  16 period_closed       17 insufficient_funds   18 ceiling_exceeded 19 condition_failed
--  20 unknown_hold        21 hold_closed          22 hold_expired     23 hold_exceeded
--  24 hold_not_expired    25 unknown_journal      26 reversal_exceeded 27 not_reversible
--
-- Actions: 1 post, 2 hold, 3 increase, 4 capture, 5 release, 6 expire, 7 reverse.
-- Actions 2, 3, 5 and 6 carry no lines. A capture's line may leave an account null: the
-- hold's own account and counter stand in. p_linked[i] ties item i to item i + 1: such a
-- chain succeeds or fails as a whole.
--
-- PL/pgSQL prepares every expression anew in each transaction, which costs more than
-- evaluating it: the way of a plain journal therefore has few and large expressions, and
-- all that is unusual stands behind one IF.
--
-- It runs as the owner of the tables, so it is itself the guard: an item must lie in the
-- caller's scope, and may touch only accounts of its organisation and shared ones.
CREATE FUNCTION ledger.post(
    p_at timestamptz, p_organisation uuid[], p_key uuid[], p_kind text[], p_effective date[],
    p_actor text[], p_reference text[], p_metadata jsonb[], p_lines int[],
    p_debit bigint[], p_credit bigint[], p_amount bigint[], p_currency text[],
    p_linked boolean[] DEFAULT NULL, p_rate numeric[] DEFAULT NULL,
    p_action smallint[] DEFAULT NULL, p_reverses bigint[] DEFAULT NULL, p_line_reverses smallint[] DEFAULT NULL,
    p_hold bigint[] DEFAULT NULL, p_hold_account bigint[] DEFAULT NULL, p_hold_counter bigint[] DEFAULT NULL,
    p_hold_amount bigint[] DEFAULT NULL, p_hold_currency text[] DEFAULT NULL, p_hold_expires timestamptz[] DEFAULT NULL, p_hold_final boolean[] DEFAULT NULL,
    p_check_item int[] DEFAULT NULL, p_check_account bigint[] DEFAULT NULL, p_check_version bigint[] DEFAULT NULL,
    p_check_min bigint[] DEFAULT NULL, p_check_max bigint[] DEFAULT NULL,
    OUT codes smallint[], OUT seqs bigint[], OUT facts jsonb
)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ledger, pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    money_max CONSTANT bigint := 4611686018427387903;
    n CONSTANT int := coalesce(cardinality(p_key), 0);
    m CONSTANT int := coalesce(cardinality(p_amount), 0);
    sees_all CONSTANT boolean := coalesce(public.bezant_sees_all(), false);
    scope CONSTANT uuid := CASE WHEN NOT sees_all THEN public.bezant_current_organisation() END;
    at_time timestamptz; now_at timestamptz;
    wanted bigint[] := p_debit || p_credit || p_check_account;
    -- The locked accounts, sorted by id; po, he and ve change as items are accepted.
    ids bigint[]; po bigint[]; he bigint[]; ve bigint[]; acc balance[]; held_max bigint;
    old_key uuid[]; old_seq bigint[]; first_of int[];
    -- The rows to be written; NULL where an item was refused or undone.
    heads journal[]; lines posting[];
    -- Holds named, sorted by id; per item: the hold, its account, the change of what is held.
    hid bigint[]; hacc bigint[]; hctr bigint[]; horg uuid[]; hrem bigint[]; hexp timestamptz[]; hcur text[];
    iself bigint[]; iacc bigint[]; idelta bigint[];
    -- Originals of reversals, sorted by (seq, line); per line: its place among them.
    oseq bigint[]; oline smallint[]; odebit bigint[]; ocredit bigint[]; oleft bigint[]; oorg uuid[]; orev boolean[]; oi int[];
    l int; k int; a int; b int; h int; o int; l_first int; l_next int := 1; check_at int := 1; g_first int := 1;
    c int; act smallint := 1; amt bigint; d bigint; e bigint; s bigint; fact jsonb; item_org uuid;
    chained boolean := false; broken boolean := false; accepted int := 0; written int;
BEGIN
    codes := array_fill(0::smallint, ARRAY[n]);
    seqs := array_fill(NULL::bigint, ARRAY[n]);
    IF n > 5000 OR m > 20000 THEN
        codes := array_fill(5::smallint, ARRAY[n]);
        facts := jsonb_build_object('1', jsonb_build_object('items_max', 5000, 'lines_max', 20000));
        RETURN;
    END IF;

    -- The accounts of a hold are fixed when it is placed, so they can be read before the locks.
    IF p_action IS NOT NULL THEN
        iself := seqs; iacc := seqs; idelta := seqs; oi := array_fill(NULL::int, ARRAY[m]);
        SELECT wanted || p_hold_account || p_hold_counter || array_agg(account_id) || array_agg(counter_id)
          INTO wanted FROM hold WHERE id = ANY(p_hold);
    END IF;

    -- Lock and read in one statement, in the order of ids, so that two calls cannot deadlock:
    -- LockRows gives the latest version of each row, in the order of the sub-select.
    SELECT array_agg(account_id), array_agg(posted), array_agg(held), array_agg(version), array_agg(balance_row),
           greatest(max(recorded_at), clock_timestamp()), max(held)
      INTO ids, po, he, ve, acc, now_at, held_max
      FROM (SELECT b.*, b AS balance_row FROM balance b WHERE account_id = ANY(wanted)
             ORDER BY account_id FOR NO KEY UPDATE) locked;

    -- A later statement than the one that waited: only its snapshot sees what the locks protect.
    SELECT array_agg(key), array_agg(seq) INTO old_key, old_seq
      FROM (SELECT key, seq FROM idempotency WHERE key = ANY(p_key) ORDER BY key) known;
    IF n > 1 THEN
        -- The first item with the same key; NULL where every key is there but once.
        SELECT CASE WHEN count(DISTINCT key) < n THEN array_agg(earliest ORDER BY place) END INTO first_of
          FROM (SELECT place, key, min(place) OVER (PARTITION BY key) AS earliest
                  FROM unnest(p_key) WITH ORDINALITY AS u(key, place)) f;
    END IF;
    IF held_max > 0 OR p_action IS NOT NULL THEN
        at_time := coalesce(p_at, clock_timestamp());
        SELECT array_agg(id), array_agg(account_id), array_agg(counter_id), array_agg(organisation_id),
               array_agg(remaining), array_agg(expires_at), array_agg(currency)
          INTO hid, hacc, hctr, horg, hrem, hexp, hcur
          FROM (SELECT * FROM hold WHERE id = ANY(p_hold) ORDER BY id) named;
        IF p_reverses IS NOT NULL THEN
            SELECT array_agg(seq), array_agg(line), array_agg(debit_id), array_agg(credit_id), array_agg(open_minor),
                   array_agg(organisation_id), array_agg(reversal)
              INTO oseq, oline, odebit, ocredit, oleft, oorg, orev FROM originals(p_reverses);
        END IF;
        -- An expired hold never counts; it is released when something is written at all.
        IF held_max > 0 THEN
            he := held_unexpired(at_time, ids, he, coalesce(array_remove(p_hold, NULL), '{}'));
        END IF;
    END IF;

    FOR i IN 1..n LOOP
        c := 0;
        item_org := p_organisation[i];
        l_first := l_next; l_next := l_next + coalesce(p_lines[i], 0);

        <<decide>>
        BEGIN
            -- Everything out of the ordinary about an item, its key or its place in the batch.
            IF p_action IS NOT NULL OR p_linked IS NOT NULL OR p_check_item IS NOT NULL OR p_metadata IS NOT NULL
               OR old_key IS NOT NULL OR first_of IS NOT NULL
               OR NOT coalesce(sees_all OR item_org = scope, false) OR p_key[i] IS NULL OR item_org IS NULL
               OR l_next > m + 1 OR l_next <= l_first OR l_next - l_first > 1000 THEN
                fact := NULL; amt := NULL; act := coalesce(p_action[i], 1::smallint);
                IF NOT chained THEN g_first := i; broken := false; END IF;
                chained := coalesce(p_linked[i], false);
                IF broken THEN c := 4; EXIT decide; END IF;
                IF item_org IS NULL OR NOT coalesce(sees_all OR item_org = scope, false) THEN c := 6; EXIT decide; END IF;
                IF l_next > m + 1 OR l_next < l_first OR l_next - l_first > 1000 OR p_key[i] IS NULL
                   OR (l_next = l_first) <> (act IN (2, 3, 5, 6)) OR (act = 7) <> (p_reverses[i] IS NOT NULL) THEN
                    c := 7; EXIT decide;
                END IF;
                IF octet_length(p_metadata[i]::text) > 16384 THEN
                    c := 8; fact := jsonb_build_object('bytes_max', 16384); EXIT decide;
                END IF;

                -- The key: known from before, or from an earlier item of this call.
                k := width_bucket(p_key[i], old_key);
                IF k > 0 AND old_key[k] = p_key[i] THEN
                    c := replay(old_seq[k], act, item_org, p_kind[i], p_effective[i], p_reference[i], p_metadata[i], p_rate[i],
                                p_reverses[i], p_hold[i], p_hold_account[i], p_hold_amount[i], p_debit[l_first:l_next - 1],
                                p_credit[l_first:l_next - 1], p_amount[l_first:l_next - 1], p_currency[l_first:l_next - 1]);
                    IF c = 1 OR c = 3 THEN seqs[i] := old_seq[k]; END IF;
                    EXIT decide;
                END IF;
                IF first_of[i] < i THEN
                    k := first_of[i];
                    h := 1 + coalesce((SELECT sum(x) FROM unnest(p_lines[:k - 1]) x), 0);
                    o := h + coalesce(p_lines[k], 0) - 1;
                    c := greatest(codes[k], 1);
                    IF ROW(act, item_org, p_kind[i], p_effective[i], p_reference[i], p_metadata[i], p_rate[i], p_reverses[i],
                           p_hold[i], p_hold_account[i], p_hold_amount[i], p_debit[l_first:l_next - 1],
                           p_credit[l_first:l_next - 1], p_amount[l_first:l_next - 1], p_currency[l_first:l_next - 1])
                       IS DISTINCT FROM
                       ROW(coalesce(p_action[k], 1::smallint), p_organisation[k], p_kind[k], p_effective[k], p_reference[k],
                           p_metadata[k], p_rate[k], p_reverses[k], p_hold[k], p_hold_account[k], p_hold_amount[k],
                           p_debit[h:o], p_credit[h:o], p_amount[h:o], p_currency[h:o]) THEN
                        c := 2;
                    END IF;
                    IF c = 1 THEN seqs[i] := seqs[k]; END IF;
                    EXIT decide;
                END IF;

                WHILE p_check_item[check_at] < i LOOP check_at := check_at + 1; END LOOP;
                WHILE p_check_item[check_at] = i LOOP
                    a := width_bucket(p_check_account[check_at], ids);
                    IF a IS NULL OR a = 0 OR ids[a] <> p_check_account[check_at] OR NOT (acc[a].shared OR acc[a].organisation_id = item_org) THEN
                        c := 12; fact := jsonb_build_object('account', p_check_account[check_at]);
                    ELSIF ve[a] <> p_check_version[check_at] OR po[a] - he[a] < p_check_min[check_at]
                          OR po[a] - he[a] > p_check_max[check_at] THEN
                        c := 19;
                    END IF;
                    check_at := check_at + 1;
                    EXIT decide WHEN c > 0;
                END LOOP;
            END IF;

            s := nextval('log_seq');
            d := NULL; e := NULL;
            IF act > 1 THEN
                IF act BETWEEN 2 AND 6 THEN
                    IF act = 2 THEN
                        iself[i] := s; iacc[i] := p_hold_account[i];
                        a := width_bucket(p_hold_account[i], ids); b := width_bucket(p_hold_counter[i], ids);
                        IF p_hold_account[i] = p_hold_counter[i] THEN c := 11; EXIT decide; END IF;
                        IF a IS NULL OR a = 0 OR ids[a] <> p_hold_account[i] OR NOT (acc[a].shared OR acc[a].organisation_id = item_org)
                           OR b IS NULL OR b = 0 OR ids[b] <> p_hold_counter[i] OR NOT (acc[b].shared OR acc[b].organisation_id = item_org) THEN
                            c := 12; EXIT decide;
                        END IF;
                        IF acc[a].currency <> acc[b].currency OR p_hold_currency[i] IS DISTINCT FROM acc[a].currency THEN
                            c := 15; fact := jsonb_build_object('debit', acc[a].currency, 'credit', acc[b].currency); EXIT decide;
                        END IF;
                        IF acc[b].closed THEN c := 13; EXIT decide; END IF;
                        IF p_hold_expires[i] <= at_time THEN c := 22; fact := jsonb_build_object('expires_at', p_hold_expires[i]); EXIT decide; END IF;
                    ELSE
                        h := width_bucket(p_hold[i], hid);
                        IF h IS NULL OR h = 0 OR hid[h] <> p_hold[i] OR horg[h] <> item_org THEN c := 20; EXIT decide; END IF;
                        iself[i] := hid[h]; iacc[i] := hacc[h]; a := width_bucket(hacc[h], ids);
                        IF hrem[h] = 0 THEN c := 21; EXIT decide; END IF;
                        IF p_hold_currency[i] <> hcur[h] THEN c := 15; fact := jsonb_build_object('debit', hcur[h]); EXIT decide; END IF;
                        IF hexp[h] <= at_time AND act IN (3, 4) THEN c := 22; fact := jsonb_build_object('expires_at', hexp[h]); EXIT decide; END IF;
                        IF act = 6 AND NOT coalesce(hexp[h] <= at_time, false) THEN c := 24; EXIT decide; END IF;
                    END IF;
                    IF act = 4 THEN
                        -- The captured sum is what the lines take from the hold's account.
                        amt := 0;
                        FOR l IN l_first..l_next - 1 LOOP
                            IF p_debit[l] <> hacc[h] THEN c := 7; EXIT decide; END IF;
                            IF p_amount[l] IS NULL OR p_amount[l] <= 0 THEN c := 9; EXIT decide; END IF;
                            IF p_amount[l] > hrem[h] - amt THEN c := 23; fact := jsonb_build_object('remaining', hrem[h]); EXIT decide; END IF;
                            amt := amt + p_amount[l];
                        END LOOP;
                        IF p_hold_final[i] THEN amt := hrem[h]; END IF;
                    ELSE
                        amt := CASE WHEN act = 6 THEN hrem[h] WHEN act = 5 THEN coalesce(p_hold_amount[i], hrem[h]) ELSE p_hold_amount[i] END;
                        IF amt IS NULL OR amt <= 0 THEN c := 9; EXIT decide; END IF;
                    END IF;
                    IF act IN (2, 3) THEN
                        IF amt > money_max - he[a] THEN c := 10; EXIT decide; END IF;
                        IF acc[a].closed THEN c := 13; EXIT decide; END IF;
                        IF acc[a].frozen_version IS NOT NULL THEN c := 14; fact := jsonb_build_object('account', ids[a]); EXIT decide; END IF;
                        IF po[a] - he[a] - amt < acc[a].floor THEN c := 17; EXIT decide; END IF;
                        idelta[i] := amt;
                    ELSE
                        IF amt > hrem[h] THEN c := 23; fact := jsonb_build_object('remaining', hrem[h]); EXIT decide; END IF;
                        idelta[i] := -amt;
                    END IF;
                    he[a] := he[a] + idelta[i];
                    IF act > 2 THEN hrem[h] := hrem[h] + idelta[i]; END IF;
                ELSIF act = 7 THEN
                    o := array_position(oseq, p_reverses[i]);
                    IF o IS NULL OR oorg[o] <> item_org THEN c := 25; EXIT decide; END IF;
                    IF orev[o] THEN c := 27; EXIT decide; END IF;
                END IF;
            END IF;

            FOR l IN l_first..l_next - 1 LOOP
                amt := p_amount[l];
                -- A capture's line may leave its accounts to the hold.
                IF act = 4 THEN d := coalesce(p_debit[l], hacc[h]); e := coalesce(p_credit[l], hctr[h]);
                ELSE d := p_debit[l]; e := p_credit[l]; END IF;
                a := width_bucket(d, ids); b := width_bucket(e, ids);
                IF act = 7 THEN
                    k := o;
                    WHILE oseq[k] = p_reverses[i] AND oline[k] <> p_line_reverses[l] LOOP k := k + 1; END LOOP;
                    IF oseq[k] IS DISTINCT FROM p_reverses[i] OR oline[k] IS DISTINCT FROM p_line_reverses[l]
                       OR odebit[k] IS DISTINCT FROM e OR ocredit[k] IS DISTINCT FROM d THEN c := 7; EXIT decide; END IF;
                    IF amt > oleft[k] THEN c := 26; fact := jsonb_build_object('open_minor', oleft[k]); EXIT decide; END IF;
                END IF;
                -- All that must be true of a line; what fails is found out below.
                IF (amt BETWEEN 1 AND money_max AND d <> e AND ids[a] = d AND ids[b] = e
                    AND (acc[a].organisation_id = item_org OR acc[a].shared) AND (acc[b].organisation_id = item_org OR acc[b].shared)
                    AND acc[a].currency = acc[b].currency AND acc[a].currency = p_currency[l] AND NOT acc[a].closed AND NOT acc[b].closed
                    AND acc[a].frozen_version IS NULL AND acc[b].frozen_version IS NULL AND p_effective[i] > greatest(acc[a].closed_through, acc[b].closed_through)
                    AND po[a] >= amt - money_max AND po[b] <= money_max - amt
                    AND coalesce(po[a] - he[a] - amt >= acc[a].floor, true) AND coalesce(po[b] + amt <= acc[b].ceiling, true)) IS NOT TRUE THEN
                    c := CASE
                        WHEN amt IS NULL OR amt <= 0 THEN 9
                        WHEN amt > money_max THEN 10
                        WHEN d = e THEN 11
                        WHEN a IS NULL OR a = 0 OR ids[a] <> d OR NOT (acc[a].shared OR acc[a].organisation_id = item_org)
                          OR b IS NULL OR b = 0 OR ids[b] <> e OR NOT (acc[b].shared OR acc[b].organisation_id = item_org) THEN 12
                        WHEN acc[a].currency <> acc[b].currency OR p_currency[l] IS DISTINCT FROM acc[a].currency THEN 15
                        WHEN acc[a].closed OR acc[b].closed THEN 13
                        WHEN acc[a].frozen_version IS NOT NULL OR acc[b].frozen_version IS NOT NULL THEN 14
                        WHEN p_effective[i] <= greatest(acc[a].closed_through, acc[b].closed_through) THEN 16
                        WHEN po[a] < amt - money_max OR po[b] > money_max - amt THEN 10
                        WHEN po[a] - he[a] - amt < acc[a].floor THEN 17
                        WHEN po[b] + amt > acc[b].ceiling THEN 18
                        ELSE 7 END;
                    fact := CASE c
                        WHEN 12 THEN jsonb_build_object('account', CASE WHEN a > 0 AND ids[a] = d AND (acc[a].shared OR acc[a].organisation_id = item_org) THEN e ELSE d END)
                        WHEN 13 THEN jsonb_build_object('account', CASE WHEN acc[a].closed THEN d ELSE e END)
                        WHEN 14 THEN jsonb_build_object('account', CASE WHEN acc[a].frozen_version IS NULL THEN e ELSE d END)
                        WHEN 15 THEN jsonb_build_object('debit', acc[a].currency, 'credit', acc[b].currency)
                        WHEN 16 THEN jsonb_build_object('closed_through', greatest(acc[a].closed_through, acc[b].closed_through)) END;
                    IF c = 18 THEN a := b; END IF;
                    EXIT decide;
                END IF;
                IF act = 7 THEN oleft[k] := oleft[k] - amt; oi[l] := k; END IF;
                po[a] := po[a] - amt; ve[a] := ve[a] + 1;
                po[b] := po[b] + amt; ve[b] := ve[b] + 1;
                lines[l] := ROW(s, l - l_first + 1, item_org, d, e, p_currency[l], amt, ve[a], ve[b], po[a], po[b], now_at,
                                p_line_reverses[l])::posting;
            END LOOP;
            heads[i] := ROW(s, pg_current_xact_id(), item_org, p_key[i], act, p_kind[i], p_effective[i], now_at, p_actor[i],
                            p_reference[i], p_metadata[i], p_rate[i], p_reverses[i], CASE WHEN idelta[i] IS NOT NULL THEN iself[i] END,
                            CASE WHEN idelta[i] IS NOT NULL THEN iacc[i] END, idelta[i])::journal;
            seqs[i] := s;
            accepted := accepted + 1;
        END decide;
        CONTINUE WHEN c = 0;

        codes[i] := c;
        CONTINUE WHEN c = 1;
        IF c IN (17, 18, 19) THEN
            -- The numbers of an account are for the eyes of its own organisation.
            fact := jsonb_build_object('account', ids[a]) || CASE WHEN sees_all OR acc[a].organisation_id = scope THEN
                jsonb_build_object('available', po[a] - he[a], 'floor', acc[a].floor, 'ceiling', acc[a].ceiling, 'held', he[a],
                                   'posted', po[a], 'version', ve[a], 'amount', amt) ELSE '{}' END;
        END IF;
        IF fact IS NOT NULL THEN facts := coalesce(facts, '{}') || jsonb_build_object(i::text, fact); END IF;
        fact := NULL;

        -- Undo in memory: this item, and the items that are linked to it before.
        IF p_linked IS NULL THEN g_first := i; END IF;
        broken := broken OR chained OR i > g_first;
        h := l_next;
        FOR k IN REVERSE i..g_first LOOP
            IF k < i AND codes[k] = 0 THEN codes[k] := 4; seqs[k] := NULL; heads[k] := NULL; accepted := accepted - 1; END IF;
            h := h - coalesce(p_lines[k], 0);
            FOR l IN REVERSE least(h + coalesce(p_lines[k], 0) - 1, m)..h LOOP
                CONTINUE WHEN lines[l] IS NULL;
                amt := lines[l].amount; a := width_bucket(lines[l].debit_id, ids); b := width_bucket(lines[l].credit_id, ids);
                po[a] := po[a] + amt; ve[a] := ve[a] - 1; po[b] := po[b] - amt; ve[b] := ve[b] - 1;
                lines[l] := NULL;
                IF oi[l] IS NOT NULL THEN oleft[oi[l]] := oleft[oi[l]] + amt; oi[l] := NULL; END IF;
            END LOOP;
            IF idelta[k] IS NOT NULL THEN
                a := width_bucket(iacc[k], ids); he[a] := he[a] - idelta[k];
                IF p_hold[k] IS NOT NULL THEN b := width_bucket(p_hold[k], hid); hrem[b] := hrem[b] - idelta[k]; END IF;
                idelta[k] := NULL;
            END IF;
        END LOOP;
    END LOOP;
    IF accepted = 0 THEN RETURN; END IF;

    IF held_max > 0 THEN
        PERFORM expire_holds(at_time, now_at, ids, coalesce(array_remove(p_hold, NULL), '{}'));
    END IF;
    -- One statement writes everything: starting a statement costs more than a row.
    WITH journals AS (
        INSERT INTO journal SELECT w.* FROM unnest(heads) w WHERE w.seq IS NOT NULL RETURNING key, seq
    ), claimed AS (
        INSERT INTO idempotency (key, seq) SELECT key, seq FROM journals ON CONFLICT (key) DO NOTHING RETURNING 1
    ), postings AS (
        INSERT INTO posting SELECT w.* FROM unnest(lines) w WHERE w.seq IS NOT NULL
    ), balances AS (
        UPDATE balance SET posted = po[width_bucket(account_id, ids)], held = he[width_bucket(account_id, ids)],
                           version = ve[width_bucket(account_id, ids)], recorded_at = now_at
         WHERE account_id = ANY(ids)
           AND (version <> ve[width_bucket(account_id, ids)] OR held <> he[width_bucket(account_id, ids)])
    )
    SELECT count(*) INTO written FROM claimed;
    -- A key that another call claimed meanwhile, for other accounts, is the one thing that could
    -- not be decided above: the whole call is to be repeated, and will then find the key.
    IF written <> accepted THEN
        RAISE EXCEPTION 'an idempotency key is in use by another call' USING ERRCODE = 'serialization_failure';
    END IF;
    IF p_action IS NOT NULL THEN
        PERFORM write_holds(codes, seqs, p_action, p_organisation, p_hold_account, p_hold_counter, p_hold_expires,
                            p_reference, iself, idelta, p_lines, p_amount);
        PERFORM write_reversed(p_line_reverses, p_amount, oi, oseq);
    END IF;
END $$;
GRANT EXECUTE ON FUNCTION ledger.post TO bezant_app;
