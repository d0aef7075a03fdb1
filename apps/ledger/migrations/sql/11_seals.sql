-- The sealed log: dense leaf numbers, hashes, and the nodes of an RFC 6962 tree over them.
-- Nothing here is on the way of a posting. Only bezant_sealer may seal.

-- Leaf i is a row of the log (a journal with its postings, or an event of an account).
CREATE TABLE ledger.seal_leaf (
    leaf_index bigint PRIMARY KEY,
    seq bigint NOT NULL UNIQUE,
    kind smallint NOT NULL,
    hash bytea NOT NULL
);

-- The hash of a complete subtree of 256^level leaves. 256 of them in a row are the tile
-- above; level 0 is seal_leaf itself.
CREATE TABLE ledger.merkle_node (
    level smallint NOT NULL,
    node_index bigint NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (level, node_index)
);

-- A signed checkpoint: the root of the first tree_size leaves.
CREATE TABLE ledger.seal (
    n bigint PRIMARY KEY,
    tree_size bigint NOT NULL,
    root bytea NOT NULL CHECK (length(root) = 32),
    prev_root bytea,
    to_seq bigint NOT NULL,
    format_version smallint NOT NULL,
    -- The right edge of the tree: where the next seal goes on.
    frontier bytea NOT NULL,
    note text NOT NULL,
    sealed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX seal_size ON ledger.seal (tree_size);

SELECT ledger.guard('ledger.seal_leaf'), ledger.guard('ledger.merkle_node'), ledger.guard('ledger.seal');
GRANT SELECT ON ledger.seal_leaf, ledger.merkle_node, ledger.seal TO bezant_app, bezant_reader, bezant_sealer;

-- Format version 1 of a leaf. Bytes: 01 (version), the kind (01 journal, 02 account event),
-- then each row as PostgreSQL's record_send writes it: number of columns (int32), and for
-- each column its type's OID (int32), its length (int32, -1 for NULL) and its value in the
-- type's binary form. First the journal, then its postings by line. The list of columns is
-- part of the format: a new column needs a new version, so that old leaves stay verifiable.
CREATE FUNCTION ledger.leaf_data(p_from bigint, p_to bigint)
RETURNS TABLE (seq bigint, kind smallint, recorded_at timestamptz, data bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_catalog, pg_temp AS $$
    SELECT j.seq, 1::smallint, j.recorded_at,
           '\x0101'::bytea || record_send(ROW(j.seq, j.xid, j.organisation_id, j.key, j.action, j.kind::text, j.effective_date,
               j.recorded_at, j.actor::text, j.reference::text, j.metadata::text, j.rate::text, j.reverses_seq, j.hold_id,
               j.hold_account_id, j.hold_delta))
           || coalesce(p.rows, '')
      FROM journal j
      LEFT JOIN (
          SELECT o.seq, string_agg(record_send(ROW(o.seq, o.line, o.organisation_id, o.debit_id, o.credit_id, o.currency, o.amount,
                     o.debit_version, o.credit_version, o.debit_after, o.credit_after, o.recorded_at, o.reverses_line)),
                     ''::bytea ORDER BY o.line) AS rows
            FROM posting o WHERE o.seq > p_from AND o.seq <= p_to GROUP BY o.seq) p ON p.seq = j.seq
     WHERE j.seq > p_from AND j.seq <= p_to
    UNION ALL
    SELECT e.seq, 2::smallint, e.recorded_at,
           '\x0102'::bytea || record_send(ROW(e.seq, e.xid, e.organisation_id, e.account_id, e.kind, e.recorded_at, e.actor, e.facts::text))
      FROM account_event e WHERE e.seq > p_from AND e.seq <= p_to
$$;

-- Gives the next window of the log its leaf numbers and hashes. Returns the hashes, joined
-- in order (32 bytes each); rows_found is NULL while another sealer works.
CREATE FUNCTION ledger.seal_window(p_limit int, OUT rows_found int, OUT first_leaf bigint, OUT to_seq bigint, OUT hashes bytea,
                                   OUT frontier bytea, OUT prev_root bytea, OUT next_n bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    w record;
BEGIN
    SELECT * INTO w FROM advance('sealer', p_limit);
    rows_found := w.rows_found; to_seq := w.to_seq;
    IF rows_found IS NULL OR rows_found = 0 THEN RETURN; END IF;
    SELECT s.tree_size, s.frontier, s.root, s.n + 1 INTO first_leaf, frontier, prev_root, next_n FROM seal s ORDER BY n DESC LIMIT 1;
    first_leaf := coalesce(first_leaf, 0); frontier := coalesce(frontier, ''); next_n := coalesce(next_n, 1);
    WITH sealed AS (
        INSERT INTO seal_leaf (leaf_index, seq, kind, hash)
        SELECT first_leaf + row_number() OVER (ORDER BY d.seq) - 1, d.seq, d.kind, sha256('\x00'::bytea || d.data)
          FROM leaf_data(w.from_seq, w.to_seq) d
        RETURNING leaf_index, hash
    )
    SELECT string_agg(hash, ''::bytea ORDER BY leaf_index) INTO hashes FROM sealed;
END $$;

-- Writes the checkpoint over what seal_window returned in the same transaction.
CREATE FUNCTION ledger.seal_close(
    p_n bigint, p_tree_size bigint, p_root bytea, p_prev_root bytea, p_to_seq bigint, p_frontier bytea, p_note text,
    p_levels smallint[], p_indexes bigint[], p_hashes bytea[]
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_catalog, pg_temp AS $$
BEGIN
    IF p_tree_size <> (SELECT max(leaf_index) + 1 FROM seal_leaf) THEN
        RAISE EXCEPTION 'a seal covers exactly the leaves there are' USING ERRCODE = 'data_exception';
    END IF;
    INSERT INTO merkle_node (level, node_index, hash) SELECT * FROM unnest(p_levels, p_indexes, p_hashes);
    INSERT INTO seal (n, tree_size, root, prev_root, to_seq, format_version, frontier, note)
    VALUES (p_n, p_tree_size, p_root, p_prev_root, p_to_seq, 1, p_frontier, p_note);
END $$;

-- Compares a run of leaves with the rows they stand for. Returns what differs: the leaf, the
-- row's number, and whether the row is changed, missing, or was never sealed.
CREATE FUNCTION ledger.verify_leaves(p_first bigint, p_last bigint)
RETURNS TABLE (leaf_index bigint, seq bigint, fault text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ledger, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    low bigint; high bigint;
BEGIN
    -- Leaves are in the order of numbers, so a run of leaves is a range of numbers.
    SELECT coalesce((SELECT s.seq FROM seal_leaf s WHERE s.leaf_index < p_first ORDER BY s.leaf_index DESC LIMIT 1), 0),
           (SELECT s.seq FROM seal_leaf s WHERE s.leaf_index <= p_last ORDER BY s.leaf_index DESC LIMIT 1) INTO low, high;
    RETURN QUERY
    SELECT s.leaf_index, coalesce(s.seq, d.seq),
           CASE WHEN s.seq IS NULL THEN 'unsealed' WHEN d.seq IS NULL THEN 'missing' ELSE 'changed' END
      FROM (SELECT * FROM seal_leaf s WHERE s.leaf_index BETWEEN p_first AND p_last) s
      FULL JOIN leaf_data(low, high) d ON d.seq = s.seq
     WHERE s.hash IS DISTINCT FROM sha256('\x00'::bytea || d.data) OR s.kind IS DISTINCT FROM d.kind
    UNION ALL
    SELECT NULL, p.seq, 'unsealed' FROM posting p LEFT JOIN journal j ON j.seq = p.seq
     WHERE p.seq > low AND p.seq <= high AND j.seq IS NULL;
END $$;

-- Rows that lie before the sealer's place and are under no seal. There must be none.
CREATE FUNCTION ledger.unsealed(p_limit int DEFAULT 5) RETURNS TABLE (seq bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_catalog, pg_temp AS $$
    SELECT l.seq FROM log l LEFT JOIN seal_leaf s ON s.seq = l.seq
     WHERE s.seq IS NULL AND l.seq <= (SELECT f.seq FROM follower f WHERE f.name = 'sealer')
     ORDER BY l.seq LIMIT p_limit
$$;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA ledger FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.seal_window, ledger.seal_close TO bezant_sealer;
GRANT EXECUTE ON FUNCTION ledger.leaf_data TO bezant_sealer, bezant_reader;
GRANT EXECUTE ON FUNCTION ledger.verify_leaves, ledger.unsealed TO bezant_sealer, bezant_reader, bezant_app;
