-- The place of each audit entry in one Merkle tree (RFC 6962), and the signed roots of that tree.
-- Only the sealer writes here; entries are not referred to by a foreign key, since a missing one is
-- what verification must be able to tell.
CREATE TABLE compliance_sealedleaf (
    seq bigint PRIMARY KEY CHECK (seq >= 0),
    entry_id uuid NOT NULL UNIQUE,
    leaf_hash bytea NOT NULL CHECK (octet_length(leaf_hash) = 32)
);

CREATE TABLE compliance_seal (
    n integer PRIMARY KEY CHECK (n > 0),
    tree_size bigint NOT NULL UNIQUE CHECK (tree_size > 0),
    root bytea NOT NULL CHECK (octet_length(root) = 32),
    prev_root bytea NOT NULL CHECK (octet_length(prev_root) = 32),
    frontier bytea NOT NULL,
    -- The last entry of the seal: entries are sealed in the order of (xid, id), and none can come later
    -- before it, because every transaction below the horizon had ended.
    last_xid xid8 NOT NULL,
    last_id uuid NOT NULL,
    key_version integer NOT NULL,
    signature bytea NOT NULL CHECK (octet_length(signature) = 64),
    sealed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

REVOKE ALL ON compliance_sealedleaf, compliance_seal FROM bezant_app;
GRANT SELECT ON compliance_sealedleaf, compliance_seal TO bezant_app;
GRANT SELECT, INSERT ON compliance_sealedleaf, compliance_seal TO bezant_sealer;
GRANT SELECT ON compliance_auditentry TO bezant_sealer;
