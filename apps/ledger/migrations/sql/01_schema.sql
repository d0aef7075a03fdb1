-- The books. Everything in this schema belongs to bezant_owner; the application may
-- read it and call its functions, nothing else.
--
-- Signs: `posted` is credits minus debits, so money a customer may spend is positive.
-- Every figure is an integer of minor units and stays within +-(2^62 - 1), which leaves
-- one bit of room for sums inside the posting function.

CREATE SCHEMA IF NOT EXISTS ledger;

-- One sequence numbers the whole log. It is unique, neither gapless nor in commit
-- order; the dense public number is given by the sealer. No cache: followers need a
-- transaction to draw its numbers after its transaction id.
CREATE SEQUENCE ledger.log_seq AS bigint CACHE 1;

-- Chart of accounts: cold identity data, never touched by a posting.
CREATE TABLE ledger.account (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organisation_id uuid NOT NULL,
    code text NOT NULL CHECK (length(code) BETWEEN 1 AND 120),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    kind text NOT NULL CHECK (kind IN ('asset', 'liability', 'equity', 'income', 'expense')),
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    parent_id bigint REFERENCES ledger.account (id),
    -- The account's ancestors from the root down to itself: rollups follow it.
    path bigint[] NOT NULL,
    -- A shared account belongs to the operator; journals of any organisation may touch it.
    shared boolean NOT NULL DEFAULT false,
    -- A clearing account should come back to zero; its residue is watched by age.
    clearing boolean NOT NULL DEFAULT false,
    opened_at timestamptz NOT NULL,
    UNIQUE (organisation_id, code),
    CHECK (path[array_upper(path, 1)] = id)
);
CREATE INDEX account_parent ON ledger.account (parent_id) WHERE parent_id IS NOT NULL;

-- What authorises: one hot row per account. The limits are constraints, so that not even
-- a hand-typed UPDATE can overdraw an account. fillfactor 50 keeps updates on their page
-- (HOT: the primary key is the only index).
CREATE TABLE ledger.balance (
    account_id bigint PRIMARY KEY REFERENCES ledger.account (id),
    organisation_id uuid NOT NULL,
    shared boolean NOT NULL,
    currency text NOT NULL,
    posted bigint NOT NULL DEFAULT 0,
    held bigint NOT NULL DEFAULT 0,
    floor bigint,
    ceiling bigint,
    version bigint NOT NULL DEFAULT 0,
    -- A frozen account keeps the version it was frozen at.
    frozen_version bigint,
    closed boolean NOT NULL DEFAULT false,
    -- No effective date on or before this day may be written any more.
    closed_through date NOT NULL DEFAULT '-infinity',
    -- The time of the latest entry: the next one is never recorded before it, even when
    -- the clock steps back, so entries are in order of time and of version alike.
    recorded_at timestamptz NOT NULL,
    -- One CHECK, since each is parsed anew by every statement. A comparison with NULL (no
    -- limit, not frozen) does not fail it.
    CONSTRAINT balance_limits CHECK (
        held >= 0 AND posted - held >= floor AND posted <= ceiling AND version = frozen_version
        AND (NOT closed OR (posted = 0 AND held = 0)))
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

-- The log, part one: a row for every thing that happened to money or to a hold. A CHECK is
-- parsed anew by every statement (it cost a fifth of a single posting), so the log's rows
-- carry the one that matters, on posting; the posting function is their only writer, and
-- check_ledger proves the rest.
CREATE TABLE ledger.journal (
    seq bigint NOT NULL PRIMARY KEY,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    organisation_id uuid NOT NULL,
    key uuid NOT NULL,
    -- 1 post, 2 hold, 3 increase, 4 capture, 5 release, 6 expire, 7 reverse
    action smallint NOT NULL,
    kind varchar(80) NOT NULL,
    effective_date date NOT NULL,
    recorded_at timestamptz NOT NULL,
    actor varchar(200) NOT NULL,
    reference varchar(200) NOT NULL,
    metadata jsonb,
    rate numeric,
    reverses_seq bigint,
    -- What a hold did: the hold (named by the seq that placed it), its account, and by
    -- how much the held amount of that account changed.
    hold_id bigint,
    hold_account_id bigint,
    hold_delta bigint
) PARTITION BY RANGE (seq);
-- Journals of one payment: the way from a business object to its books.
CREATE INDEX journal_reference ON ledger.journal (reference, seq) WHERE reference <> '';

-- The log, part two: two-sided rows. An unbalanced book cannot be written down.
-- There is no foreign key to account: the posting function has locked both balance rows,
-- and a key-share lock on a hot parent would breed MultiXacts; check_ledger proves it again.
CREATE TABLE ledger.posting (
    seq bigint NOT NULL,
    line smallint NOT NULL,
    organisation_id uuid NOT NULL,
    debit_id bigint NOT NULL,
    credit_id bigint NOT NULL,
    currency text NOT NULL,
    amount bigint NOT NULL,
    debit_version bigint NOT NULL,
    credit_version bigint NOT NULL,
    debit_after bigint NOT NULL,
    credit_after bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    reverses_line smallint,
    PRIMARY KEY (seq, line),
    CONSTRAINT posting_two_sided CHECK (amount > 0 AND debit_id <> credit_id)
) PARTITION BY RANGE (seq);
-- Statements, version chains and the balance at a recorded moment, one descent each.
CREATE INDEX posting_debit ON ledger.posting (debit_id, recorded_at, debit_version);
CREATE INDEX posting_credit ON ledger.posting (credit_id, recorded_at, credit_version);

-- A key is used for ever; partitions of the log may be archived, so it stands alone.
CREATE TABLE ledger.idempotency (
    key uuid PRIMARY KEY,
    seq bigint NOT NULL
);

-- Holds are a projection of the log (actions 2 to 6), kept in the same transaction.
CREATE TABLE ledger.hold (
    id bigint PRIMARY KEY,
    organisation_id uuid NOT NULL,
    account_id bigint NOT NULL,
    counter_id bigint NOT NULL,
    currency text NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    captured bigint NOT NULL DEFAULT 0 CHECK (captured >= 0),
    released bigint NOT NULL DEFAULT 0 CHECK (released >= 0),
    remaining bigint GENERATED ALWAYS AS (amount - captured - released) STORED,
    expires_at timestamptz,
    reference text NOT NULL,
    CONSTRAINT hold_not_exceeded CHECK (captured + released <= amount)
) WITH (fillfactor = 70);
-- Only open holds are ever searched: by account when posting, by expiry in the job.
CREATE INDEX hold_open ON ledger.hold (account_id, expires_at) WHERE amount - captured - released > 0;
CREATE INDEX hold_expiry ON ledger.hold (expires_at) WHERE amount - captured - released > 0;
CREATE INDEX hold_reference ON ledger.hold (reference);

-- How much of each posting has been reversed: never more than all of it.
CREATE TABLE ledger.reversed (
    seq bigint NOT NULL,
    line smallint NOT NULL,
    organisation_id uuid NOT NULL,
    amount bigint NOT NULL,
    reversed bigint NOT NULL CHECK (reversed > 0),
    PRIMARY KEY (seq, line),
    CONSTRAINT reversed_within_original CHECK (reversed <= amount)
);

-- The log, part three: everything that happened to an account or to a period.
CREATE TABLE ledger.account_event (
    seq bigint PRIMARY KEY,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    organisation_id uuid NOT NULL,
    account_id bigint,
    kind text NOT NULL CHECK (kind IN ('opened', 'limited', 'frozen', 'unfrozen', 'closed', 'period_closed')),
    recorded_at timestamptz NOT NULL,
    actor text NOT NULL CHECK (length(actor) BETWEEN 1 AND 200),
    facts jsonb NOT NULL
);
CREATE INDEX account_event_account ON ledger.account_event (account_id, seq);

-- The latest closed day of an organisation; its balance rows carry a copy.
CREATE TABLE ledger.period (
    organisation_id uuid PRIMARY KEY,
    closed_through date NOT NULL
);

-- Sealed partitions that were detached: what they held stays provable by their roots.
CREATE TABLE ledger.archive (
    from_seq bigint PRIMARY KEY,
    to_seq bigint NOT NULL CHECK (to_seq > from_seq),
    first_leaf bigint NOT NULL,
    leaves bigint NOT NULL,
    root bytea NOT NULL CHECK (length(root) = 32),
    file_name text NOT NULL,
    file_sha256 bytea NOT NULL CHECK (length(file_sha256) = 32),
    archived_at timestamptz NOT NULL,
    actor text NOT NULL
);
-- What an archived partition brought to each account, so that the rest still adds up.
CREATE TABLE ledger.archived_balance (
    from_seq bigint NOT NULL REFERENCES ledger.archive (from_seq),
    account_id bigint NOT NULL,
    posted bigint NOT NULL,
    entries bigint NOT NULL,
    last_recorded_at timestamptz NOT NULL,
    PRIMARY KEY (from_seq, account_id)
);
