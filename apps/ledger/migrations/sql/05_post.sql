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
    items_max CONSTANT int := 5000;
    lines_max CONSTANT int := 20000;
    journal_lines_max CONSTANT int := 1000;
    metadata_bytes_max CONSTANT int := 16384;
    money_max CONSTANT bigint := 4611686018427387903;
    n CONSTANT int := coalesce(cardinality(p_key), 0);
    m CONSTANT int := coalesce(cardinality(p_amount), 0);
    sees_all CONSTANT boolean := coalesce(public.bezant_sees_all(), false);
    scope CONSTANT uuid := CASE WHEN NOT sees_all THEN public.bezant_current_organisation() END;
    long_metadata CONSTANT boolean := octet_length(p_metadata::text) > metadata_bytes_max;
    at_time CONSTANT timestamptz := coalesce(p_at, clock_timestamp());
    now_at timestamptz;
    -- The locked accounts, sorted by id; po, he and ve change as items are accepted.
    wanted bigint[] := p_debit || p_credit;
    -- Arrays of text as variables: PL/pgSQL unpacks a variable once, a parameter at every access.
    kinds text[] := p_kind; actors text[] := p_actor; reference text[] := p_reference; metadata jsonb[] := p_metadata;
    currency text[] := p_currency;
    ids bigint[]; org uuid[]; shar boolean[]; cur text[]; po bigint[]; he bigint[]; fl bigint[]; ce bigint[];
    ve bigint[]; frozen bigint[]; shut boolean[]; through date[];
    -- Per line: its seq and number once accepted, places of its accounts, what they become.
    debits bigint[] := p_debit; credits bigint[] := p_credit;
    lseq bigint[]; lno int[]; lorg uuid[]; ai int[]; bi int[]; oi int[];
    dv bigint[]; cv bigint[]; da bigint[]; ca bigint[];
    starts int[]; first_of int[]; old_key uuid[]; old_seq bigint[];
    -- Holds named, sorted by id; per item: the hold, its account, the change of what is held.
    hid bigint[]; hacc bigint[]; hctr bigint[]; horg uuid[]; hrem bigint[]; hexp timestamptz[]; hcur text[];
    iself bigint[]; iacc bigint[]; idelta bigint[];
    -- Originals of reversals, sorted by (seq, line).
    oseq bigint[]; oline smallint[]; odebit bigint[]; ocredit bigint[]; oleft bigint[]; oorg uuid[]; orev boolean[];
    l int; k int; a int; b int; h int; o int; l_first int; l_next int := 1; check_at int := 1; g_first int;
    act smallint; c smallint; amt bigint; s bigint; fact jsonb; item_org uuid;
    chained boolean := false; broken boolean := false; accepted int := 0; written int;
BEGIN
    codes := array_fill(0::smallint, ARRAY[n]);
    seqs := array_fill(NULL::bigint, ARRAY[n]);
    IF n = 0 THEN RETURN; END IF;
    IF n > items_max OR m > lines_max THEN
        codes := array_fill(5::smallint, ARRAY[n]);
        facts := jsonb_build_object('1', jsonb_build_object('items_max', items_max, 'lines_max', lines_max));
        RETURN;
    END IF;
    lseq := array_fill(NULL::bigint, ARRAY[m]); dv := lseq; cv := lseq; da := lseq; ca := lseq;
    ai := array_fill(NULL::int, ARRAY[m]); bi := ai; lno := ai; lorg := array_fill(NULL::uuid, ARRAY[m]);

    -- The accounts of a hold are fixed when it is placed, so they can be read before the locks.
    IF p_action IS NOT NULL THEN
        iself := seqs; iacc := seqs; idelta := seqs; oi := ai;
        SELECT wanted || p_hold_account || p_hold_counter || array_agg(account_id) || array_agg(counter_id)
          INTO wanted FROM hold WHERE id = ANY(p_hold);
    END IF;

    -- Lock and read in one statement, in the order of ids, so that two calls cannot deadlock:
    -- LockRows gives the latest version of each row, in the order of the sub-select.
    SELECT array_agg(account_id), array_agg(organisation_id), array_agg(shared), array_agg(currency),
           array_agg(posted), array_agg(held), array_agg(floor), array_agg(ceiling), array_agg(version),
           array_agg(frozen_version), array_agg(closed), array_agg(closed_through),
           greatest(max(recorded_at), clock_timestamp())
      INTO ids, org, shar, cur, po, he, fl, ce, ve, frozen, shut, through, now_at
      FROM (SELECT * FROM balance WHERE account_id = ANY(wanted || p_check_account)
             ORDER BY account_id FOR NO KEY UPDATE) locked;

    -- A later statement than the one that waited: only its snapshot sees what the locks protect.
    SELECT array_agg(key), array_agg(seq) INTO old_key, old_seq
      FROM (SELECT key, seq FROM idempotency WHERE key = ANY(p_key) ORDER BY key) known;
    IF n > 1 THEN
        SELECT array_agg(earliest ORDER BY place) INTO first_of
          FROM (SELECT place, min(place) OVER (PARTITION BY key) AS earliest
                  FROM unnest(p_key) WITH ORDINALITY AS u(key, place)) f;
    END IF;
    IF p_hold IS NOT NULL THEN
        SELECT array_agg(id), array_agg(account_id), array_agg(counter_id), array_agg(organisation_id),
               array_agg(remaining), array_agg(expires_at), array_agg(currency)
          INTO hid, hacc, hctr, horg, hrem, hexp, hcur
          FROM (SELECT * FROM hold WHERE id = ANY(p_hold) ORDER BY id) named;
    END IF;
    IF p_reverses IS NOT NULL THEN
        SELECT array_agg(seq), array_agg(line), array_agg(debit_id), array_agg(credit_id), array_agg(open_minor),
               array_agg(organisation_id), array_agg(reversal)
          INTO oseq, oline, odebit, ocredit, oleft, oorg, orev FROM originals(p_reverses);
    END IF;
    -- An expired hold never counts: it is released before anything is decided.
    IF 0 < ANY(he) THEN
        SELECT held_after INTO he FROM expire_holds(at_time, now_at, ids, he, coalesce(p_hold, '{}'));
    END IF;

    FOR i IN 1..n LOOP
        c := 0; fact := NULL; amt := NULL;
        act := coalesce(p_action[i], 1::smallint);
        item_org := p_organisation[i];
        l_first := l_next; l_next := l_next + coalesce(p_lines[i], 0); starts[i] := l_first;
        IF NOT chained THEN g_first := i; broken := false; END IF;
        chained := coalesce(p_linked[i], false);

        <<decide>>
        BEGIN
            IF broken THEN c := 4; EXIT decide; END IF;
            IF item_org IS NULL OR NOT (sees_all OR coalesce(item_org = scope, false)) THEN c := 6; EXIT decide; END IF;
            IF l_next > m + 1 OR l_next < l_first OR l_next - l_first > journal_lines_max OR p_key[i] IS NULL
               OR (l_next = l_first) <> (act IN (2, 3, 5, 6)) OR (act = 7) <> (p_reverses[i] IS NOT NULL) THEN
                c := 7; EXIT decide;
            END IF;
            IF long_metadata AND octet_length(p_metadata[i]::text) > metadata_bytes_max THEN
                c := 8; fact := jsonb_build_object('bytes_max', metadata_bytes_max); EXIT decide;
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
                c := greatest(codes[k], 1);
                IF ROW(act, item_org, p_kind[i], p_effective[i], p_reference[i], p_metadata[i], p_rate[i], p_reverses[i],
                       p_hold[i], p_hold_account[i], p_hold_amount[i], p_debit[l_first:l_next - 1],
                       p_credit[l_first:l_next - 1], p_amount[l_first:l_next - 1], p_currency[l_first:l_next - 1])
                   IS DISTINCT FROM
                   ROW(coalesce(p_action[k], 1::smallint), p_organisation[k], p_kind[k], p_effective[k], p_reference[k],
                       p_metadata[k], p_rate[k], p_reverses[k], p_hold[k], p_hold_account[k], p_hold_amount[k],
                       p_debit[starts[k]:starts[k + 1] - 1], p_credit[starts[k]:starts[k + 1] - 1],
                       p_amount[starts[k]:starts[k + 1] - 1], p_currency[starts[k]:starts[k + 1] - 1]) THEN
                    c := 2;
                END IF;
                IF c = 1 THEN seqs[i] := seqs[k]; END IF;
                EXIT decide;
            END IF;

            WHILE p_check_item[check_at] < i LOOP check_at := check_at + 1; END LOOP;
            WHILE p_check_item[check_at] = i LOOP
                a := width_bucket(p_check_account[check_at], ids);
                IF a IS NULL OR a = 0 OR ids[a] <> p_check_account[check_at] OR NOT (shar[a] OR org[a] = item_org) THEN
                    c := 12; fact := jsonb_build_object('account', p_check_account[check_at]);
                ELSIF ve[a] <> p_check_version[check_at] OR po[a] - he[a] < p_check_min[check_at] OR po[a] - he[a] > p_check_max[check_at] THEN
                    c := 19;
                END IF;
                check_at := check_at + 1;
                EXIT decide WHEN c > 0;
            END LOOP;

            s := nextval('log_seq');
            IF act BETWEEN 2 AND 6 THEN
                IF act = 2 THEN
                    iself[i] := s; iacc[i] := p_hold_account[i];
                    a := width_bucket(p_hold_account[i], ids); b := width_bucket(p_hold_counter[i], ids);
                    IF p_hold_account[i] = p_hold_counter[i] THEN c := 11; EXIT decide; END IF;
                    IF a IS NULL OR a = 0 OR ids[a] <> p_hold_account[i] OR NOT (shar[a] OR org[a] = item_org)
                       OR b IS NULL OR b = 0 OR ids[b] <> p_hold_counter[i] OR NOT (shar[b] OR org[b] = item_org) THEN
                        c := 12; EXIT decide;
                    END IF;
                    IF cur[a] <> cur[b] OR p_hold_currency[i] IS DISTINCT FROM cur[a] THEN
                        c := 15; fact := jsonb_build_object('debit', cur[a], 'credit', cur[b]); EXIT decide;
                    END IF;
                    IF shut[b] THEN c := 13; EXIT decide; END IF;
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
                        debits[l] := coalesce(p_debit[l], hacc[h]); credits[l] := coalesce(p_credit[l], hctr[h]);
                        IF debits[l] <> hacc[h] THEN c := 7; EXIT decide; END IF;
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
                    IF shut[a] THEN c := 13; EXIT decide; END IF;
                    IF frozen[a] IS NOT NULL THEN c := 14; fact := jsonb_build_object('account', ids[a]); EXIT decide; END IF;
                    IF po[a] - he[a] - amt < fl[a] THEN c := 17; EXIT decide; END IF;
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

            FOR l IN l_first..l_next - 1 LOOP
                amt := p_amount[l];
                IF amt IS NULL OR amt <= 0 THEN c := 9; EXIT decide; END IF;
                IF amt > money_max THEN c := 10; EXIT decide; END IF;
                IF debits[l] = credits[l] THEN c := 11; EXIT decide; END IF;
                a := width_bucket(debits[l], ids); b := width_bucket(credits[l], ids);
                IF a IS NULL OR a = 0 OR ids[a] <> debits[l] OR NOT (shar[a] OR org[a] = item_org) THEN
                    c := 12; fact := jsonb_build_object('account', debits[l]); EXIT decide;
                END IF;
                IF b IS NULL OR b = 0 OR ids[b] <> credits[l] OR NOT (shar[b] OR org[b] = item_org) THEN
                    c := 12; fact := jsonb_build_object('account', credits[l]); EXIT decide;
                END IF;
                IF cur[a] <> cur[b] OR currency[l] IS DISTINCT FROM cur[a] THEN
                    c := 15; fact := jsonb_build_object('debit', cur[a], 'credit', cur[b]); EXIT decide;
                END IF;
                IF shut[a] OR shut[b] THEN
                    c := 13; fact := jsonb_build_object('account', CASE WHEN shut[a] THEN ids[a] ELSE ids[b] END); EXIT decide;
                END IF;
                IF frozen[a] IS NOT NULL OR frozen[b] IS NOT NULL THEN
                    c := 14; fact := jsonb_build_object('account', CASE WHEN frozen[a] IS NULL THEN ids[b] ELSE ids[a] END); EXIT decide;
                END IF;
                IF p_effective[i] <= through[a] OR p_effective[i] <= through[b] THEN
                    c := 16; fact := jsonb_build_object('closed_through', greatest(through[a], through[b])); EXIT decide;
                END IF;
                IF po[a] < amt - money_max OR po[b] > money_max - amt THEN c := 10; EXIT decide; END IF;
                IF po[a] - he[a] - amt < fl[a] THEN c := 17; EXIT decide; END IF;
                IF po[b] + amt > ce[b] THEN c := 18; a := b; EXIT decide; END IF;
                IF act = 7 THEN
                    k := o;
                    WHILE oseq[k] = p_reverses[i] AND oline[k] <> p_line_reverses[l] LOOP k := k + 1; END LOOP;
                    IF oseq[k] IS DISTINCT FROM p_reverses[i] OR oline[k] IS DISTINCT FROM p_line_reverses[l]
                       OR odebit[k] <> credits[l] OR ocredit[k] <> debits[l] THEN c := 7; EXIT decide; END IF;
                    IF amt > oleft[k] THEN c := 26; fact := jsonb_build_object('open_minor', oleft[k]); EXIT decide; END IF;
                    oleft[k] := oleft[k] - amt; oi[l] := k;
                END IF;
                po[a] := po[a] - amt; ve[a] := ve[a] + 1;
                po[b] := po[b] + amt; ve[b] := ve[b] + 1;
                ai[l] := a; bi[l] := b; dv[l] := ve[a]; cv[l] := ve[b]; da[l] := po[a]; ca[l] := po[b];
                lseq[l] := s; lno[l] := l - l_first + 1; lorg[l] := item_org;
            END LOOP;
            seqs[i] := s;
        END decide;

        codes[i] := c;
        IF c = 0 THEN accepted := accepted + 1; CONTINUE; END IF;
        CONTINUE WHEN c = 1;
        IF c IN (17, 18, 19) THEN
            -- The numbers of an account are for the eyes of its own organisation.
            fact := jsonb_build_object('account', ids[a]) || CASE WHEN sees_all OR org[a] = scope THEN
                jsonb_build_object('available', po[a] - he[a], 'floor', fl[a], 'ceiling', ce[a], 'held', he[a],
                                   'posted', po[a], 'version', ve[a], 'amount', amt) ELSE '{}' END;
        END IF;
        IF fact IS NOT NULL THEN facts := coalesce(facts, '{}') || jsonb_build_object(i::text, fact); END IF;

        -- Undo in memory: this item, and the items that are linked to it before.
        broken := broken OR chained OR i > g_first;
        FOR k IN REVERSE i..g_first LOOP
            IF codes[k] = 0 THEN codes[k] := 4; seqs[k] := NULL; accepted := accepted - 1; END IF;
            FOR l IN REVERSE least(starts[k] + coalesce(p_lines[k], 0) - 1, m)..starts[k] LOOP
                CONTINUE WHEN lseq[l] IS NULL;
                amt := p_amount[l]; a := ai[l]; b := bi[l];
                po[a] := po[a] + amt; ve[a] := ve[a] - 1; po[b] := po[b] - amt; ve[b] := ve[b] - 1;
                lseq[l] := NULL;
                IF oi[l] IS NOT NULL THEN oleft[oi[l]] := oleft[oi[l]] + amt; END IF;
            END LOOP;
            IF idelta[k] IS NOT NULL THEN
                a := width_bucket(iacc[k], ids); he[a] := he[a] - idelta[k];
                IF p_hold[k] IS NOT NULL THEN h := width_bucket(p_hold[k], hid); hrem[h] := hrem[h] - idelta[k]; END IF;
                idelta[k] := NULL;
            END IF;
        END LOOP;
    END LOOP;
    IF accepted = 0 THEN RETURN; END IF;

    -- A key that another call claimed meanwhile, for other accounts, is the one thing that cannot
    -- be decided here: the whole call is to be repeated, and will then find the key.
    INSERT INTO idempotency (key, seq)
    SELECT p_key[i], seqs[i] FROM generate_series(1, n) i
     WHERE codes[i] = 0 ON CONFLICT (key) DO NOTHING;
    GET DIAGNOSTICS written = ROW_COUNT;
    IF written <> accepted THEN
        RAISE EXCEPTION 'an idempotency key is in use by another call' USING ERRCODE = 'serialization_failure';
    END IF;
    INSERT INTO journal (seq, organisation_id, key, action, kind, effective_date, recorded_at, actor, reference, metadata,
                         rate, reverses_seq, hold_id, hold_account_id, hold_delta)
    SELECT seqs[i], p_organisation[i], p_key[i], coalesce(p_action[i], 1::smallint), kinds[i], p_effective[i], now_at, actors[i],
           reference[i], metadata[i], p_rate[i], p_reverses[i], CASE WHEN idelta[i] IS NOT NULL THEN iself[i] END,
           CASE WHEN idelta[i] IS NOT NULL THEN iacc[i] END, idelta[i]
      FROM generate_series(1, n) i WHERE codes[i] = 0;
    IF m > 0 THEN
        INSERT INTO posting (seq, line, organisation_id, debit_id, credit_id, currency, amount,
                             debit_version, credit_version, debit_after, credit_after, recorded_at, reverses_line)
        SELECT lseq[i], lno[i], lorg[i], debits[i], credits[i], currency[i], p_amount[i], dv[i], cv[i], da[i], ca[i],
               now_at, p_line_reverses[i]
          FROM generate_series(1, m) i WHERE lseq[i] IS NOT NULL;
    END IF;
    IF p_action IS NOT NULL THEN
        PERFORM write_holds(codes, seqs, p_action, p_organisation, p_hold_account, p_hold_counter, p_hold_expires,
                            p_reference, iself, idelta, p_lines, p_amount, starts);
        PERFORM write_reversed(lseq, p_line_reverses, p_amount, oi, oseq);
    END IF;
    UPDATE balance SET posted = po[width_bucket(account_id, ids)], held = he[width_bucket(account_id, ids)],
                       version = ve[width_bucket(account_id, ids)], recorded_at = now_at
     WHERE account_id = ANY(ids) AND (version <> ve[width_bucket(account_id, ids)] OR held <> he[width_bucket(account_id, ids)]);
END $$;
GRANT EXECUTE ON FUNCTION ledger.post TO bezant_app;
