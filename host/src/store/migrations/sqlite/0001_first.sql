-- The first schema. Times are milliseconds since 1970 UTC, ids are typed ULIDs as text (`lead_01J…`), JSON is text.
-- Every row belongs to a workspace, directly or through the connection that it names.
-- Each index costs a page or two of every commit: lists go by the ids, which are ordered by time, and need none of their own.

create table workspaces (
    id text primary key not null,            -- wsp_…
    name text not null,                      -- shown to people
    region text not null,                    -- ISO 3166 country that phones without a country code belong to
    settings text not null,                  -- JSON: who answers by default, how soon a person is contacted
    created_at integer not null
) without rowid;

create table connections (
    id text primary key not null,            -- cxn_…; also the address that the vendor posts to, so it cannot be guessed
    workspace_id text not null,
    connector text not null,                 -- the connector's id: telegram
    name text not null,                      -- shown to people
    state text not null,                     -- active, paused, broken (waits for a new credential) or removed
    reason text,                             -- why it is paused or broken
    config text not null,                    -- JSON without secrets, valid by the manifest's schema
    networks text not null,                  -- JSON array: private networks that the operator granted
    delivery text not null default '{}',     -- JSON: what holds for its deliveries instead of the hub's settings and the manifest's rate limits
    cursor text,                             -- where polling goes on; stored together with the events
    revision integer not null,                -- rises with every change of this table, so that running hubs notice
    created_at integer not null,
    updated_at integer not null
);
create index connections_revision on connections (revision);       -- "what changed since?" once a second
create index connections_workspace on connections (workspace_id, id); -- lists

-- Field mappings of connections: each version stays, the last one holds.
create table mappings (
    connection_id text not null,
    version integer not null,                -- 1, 2, 3 …
    document text not null,                  -- JSON: the sink's fields with their rules; see rules/mapping
    created_at integer not null,
    primary key (connection_id, version)
) without rowid;

-- Whose turn it is to ask the vendor of a connection: of several hubs on one database, one polls it.
create table polls (
    connection_id text primary key not null,
    lease_token text not null,               -- of the poller that has the turn; a late one's cursor is refused by it
    lease_until integer not null             -- after this time the poller is taken for dead
);

-- What the vendor of a connection knew before: read page by page, by whoever has the turn to poll.
create table imports (
    connection_id text primary key not null,
    state text not null,                     -- running, done or stopped
    cursor text,                             -- as the connector wrote it; null: nothing was read yet
    expected integer,                        -- how many records there are, where the connector says so
    records integer not null default 0,      -- that the vendor told of: of these
    people integer not null default 0,       -- of whom the hub had not heard
    leads integer not null default 0,        -- that became leads
    joined integer not null default 0,       -- whose leads were there
    reason text,                             -- why the last page could not be read: `code: message`
    started_at integer not null,
    updated_at integer not null,
    ended_at integer                         -- null: it goes on
);

-- Connections to vendors that stay open: of several hubs on one database, one holds the stream of a connection.
create table streams (
    connection_id text primary key not null,
    lease_token text not null,               -- of the hub that has the turn
    lease_until integer not null,             -- after this time it is taken for dead
    connected_since integer,                  -- null: it does not stand
    last_frame_at integer,
    connects integer not null default 0,      -- how often it was made
    reason text                              -- why it does not stand: `code: message`
);

create table secrets (
    connection_id text not null,
    name text not null,                      -- property of the connector's configuration; with a colon: the hub's own (oauth2:refresh_token)
    sealed blob not null,                   -- key, nonce, ciphertext and tag; see secrets.rs
    updated_at integer not null,
    primary key (connection_id, name)
) without rowid;

-- Keys that secrets are sealed with. They stand here sealed themselves, with master keys that are not in the database.
create table data_keys (
    id text primary key not null,            -- sixteen hexadecimal digits; stands in front of all that is sealed with it
    state text not null,                     -- current, or former while what was sealed with it is sealed anew
    made_at integer not null
) without rowid;
create unique index data_keys_current on data_keys (state) where state = 'current'; -- there is one

create table key_wraps (
    key_id text not null,                    -- the data key
    master_id text not null,                 -- the master key that opens it
    sealed blob not null,
    primary key (key_id, master_id)
) without rowid;

-- What a vendor granted to a connection by OAuth2. The tokens themselves stand in `secrets`, under names with a colon.
create table authorisations (
    connection_id text primary key not null,
    generation integer not null,                 -- rises with each new token, so that a late writer is refused; 0: none was given yet
    granted_at integer,                          -- when the newest token was given; null: never
    expires_at integer,                          -- when it ends; null: the vendor does not say
    due_at integer not null,                     -- when it is renewed, or tried again; 9223372036854775807: not by itself
    failures integer not null,                   -- tries in a row that the vendor did not answer as it should
    reason text,                             -- why the last one failed
    forced_at integer,                        -- when a token that the vendor refused was last renewed for that reason
    lease_token text,                        -- of whoever renews it: one at a time, of all hubs
    lease_until integer not null,                -- after this time that one is taken for dead
    state blob,                            -- SHA-256 of what the open link carries; null: no link is open
    state_until integer                          -- the link is good until then
) without rowid;
create index authorisations_due on authorisations (due_at);         -- what is to be renewed
create unique index authorisations_state on authorisations (state) where state is not null; -- whose link came back?

-- What must be answered for: which secret was used for what, by the hour, who changed one, and who erased a person. Never a value, nothing personal.
create table audit (
    id text primary key not null,            -- aud_…
    workspace_id text not null,
    action text not null,                    -- secret.request, .verify, .compute, .token (uses), secret.set, .removed, .resealed; contact.erase
    subject text not null,                   -- to what, by its id: cxn_…, con_…
    secret text not null,                    -- name of the connection's secret; empty: it is about none
    author text not null,                    -- who did it: cli:<user>, tok_…, hub; empty: it was used
    hour integer not null,                       -- of uses the beginning of the hour; of all else when
    at integer not null,                         -- the last of the hour
    count integer not null,                      -- how often
    details text not null default '{}',      -- JSON: counts and the like
    constraint audit_line unique (subject, secret, action, author, hour)
) without rowid;
create index audit_workspace on audit (workspace_id, id);           -- the list

-- How far old deliveries were packed and emptied, and whose turn that is: of several hubs on one database, one's.
create table upkeep (
    work text primary key not null,          -- packed, emptied; turn
    reached text not null,                   -- deliveries up to this id are done
    lease_token text,                        -- of the hub that has the turn
    lease_until integer not null                 -- after this time it is taken for dead
) without rowid;

create table tokens (
    id text primary key not null,            -- tok_…
    workspace_id text not null,
    name text not null,                      -- what it is used for
    hash blob not null,                     -- SHA-256 of the token; the token itself is shown once
    created_at integer not null,
    revoked_at integer                        -- null: valid
) without rowid;
create unique index tokens_hash on tokens (hash);                  -- every API request looks here

-- Sums for each connection, kept in the same transactions as the rows that they count. `patchbay doctor` compares both.
create table counters (
    connection_id text not null,
    shard integer not null,                   -- each writer has its own row, so that writers do not wait for one another
    received integer not null default 0,      -- deliveries; = accepted + duplicate + ignored + refused + dead
    accepted integer not null default 0,      -- at least one event is new
    duplicate integer not null default 0,     -- every event was there before
    ignored integer not null default 0,       -- no event in it
    refused integer not null default 0,       -- the connector cannot read it
    dead integer not null default 0,          -- trapped, timed out, or no event fits the schema
    unkept integer not null default 0,        -- of refused and dead: not kept, because the quota was full
    created integer not null default 0,       -- outbox rows; = delivered + superseded + outbox_dead + pending
    delivered integer not null default 0,
    superseded integer not null default 0,
    outbox_dead integer not null default 0,
    primary key (connection_id, shard)
) without rowid;

create table deliveries (
    id text primary key not null,            -- dlv_…
    workspace_id text not null,
    connection_id text not null,
    origin text not null,                    -- webhook, poll, import or stream
    outcome text not null,                   -- accepted, duplicate, ignored, refused or dead
    reason text,                             -- why it was refused or is dead: `code: message`
    request text,                            -- JSON: method, path, query, headers without credentials; null when its time is over
    body blob,                              -- byte for byte; null for duplicates, and when its time is over
    packed integer not null default 0,           -- 1: the body is deflated (RFC 1951)
    size integer not null,                    -- bytes of the body
    received_at integer not null,
    fingerprint text,                        -- of method, path, query and body, where the connector failed: the vendor will send the same again
    read_version text not null,              -- of the connector that read it last, as its manifest says
    read_digest text not null                -- SHA-256 of its .wasm, hexadecimal
);
create index deliveries_connection on deliveries (connection_id, outcome, id); -- lists, sums, quota
create index deliveries_dead on deliveries (workspace_id, id) where outcome = 'dead'; -- dead letters
create index deliveries_failed on deliveries (connection_id, fingerprint) where outcome = 'dead'; -- "did this fail before?"

create table events (
    id text primary key not null,            -- evt_…
    workspace_id text not null,
    connection_id text not null,
    delivery_id text,                        -- null: the hub itself made it (a message that we send)
    key text not null,                       -- the connector's deduplication key
    kind text not null,
    state text not null,                     -- accepted or dead (does not fit the schema)
    reason text,                             -- JSON pointer and what is wrong there
    occurred_at integer,                      -- the vendor's time; null: none given
    received_at integer not null,
    payload text not null                    -- JSON as schemas/ defines it for the kind
);
create unique index events_key on events (connection_id, key);      -- a repeated event is recognised here
create index events_delivery on events (delivery_id);               -- "what came of this delivery?"
create index events_dead on events (workspace_id, id) where state = 'dead'; -- dead letters

-- What one source says of a person. A contact is never changed by a merge: several of them are shown as one by `merged_into` alone, so
-- that each keeps its own identities, conversations, interactions and leads, and a merge can be taken back.
create table contacts (
    id text primary key not null,            -- con_…
    workspace_id text not null,
    connection_id text not null,             -- who says so
    name text,                               -- what it says; null: nothing
    company text,
    city text,
    language text,
    said_at integer not null,                 -- when it said so first: the vendor's time, else the time of receipt
    reach integer not null,                   -- what leads to the person: 0 nothing, 1 a company's switchboard, 2 the person
    merged_into text,                        -- the contact that shows the person: the oldest of all that are one; null: this one
    guarded integer not null default 0,       -- 1: a person parted it from another; two such people are joined by no batch, only with all of it looked at
    record_of text,                          -- the lead whose record there says so, and what it says changes with the record; null: it was said once and for all
    corrects integer not null default 0,      -- 1: people of a CRM said so, who had before them what the hub had shown
    created_at integer not null,
    updated_at integer not null
) without rowid;
create index contacts_merged on contacts (merged_into) where merged_into is not null; -- "who else is this?"
create unique index contacts_record on contacts (record_of, connection_id) where record_of is not null; -- "who says what this record says?"

-- What points at a person. Each contact has its own rows: the phone that a form and a call tell of stands there twice.
create table identities (
    workspace_id text not null,
    kind text not null,                      -- phone, email or handle
    value text not null,                     -- normalised: E.164, lower case, scope:id; spellings of one identity are equal
    said text not null,                      -- fingerprint of all that this source said of the person: the same again is the same contact
    contact_id text not null,
    shown text,                              -- as it was said, where that is another valid spelling: people and sinks see this one
    assurance text not null,                 -- vendor, stated, or written (read out of a text: it points at nobody by itself)
    label text,                              -- the name that people know a handle by
    shared integer not null default 0,        -- 1: people with different names are known by it; it joins nobody by itself
    primary key (workspace_id, kind, value, said)
) without rowid;
create index identities_contact on identities (contact_id);         -- all of one contact

-- Why contacts are shown as one person: each row joins two of them. Those that stand make a tree of each person's contacts.
create table merges (
    id text primary key not null,            -- mrg_…
    workspace_id text not null,
    from_id text not null,                   -- the younger contact
    into_id text not null,                   -- the older one that it was joined to
    reasons text not null,                   -- JSON array: field, how well it agrees, what that says in thousandths of a bit; empty: somebody said so
    because text,                            -- why somebody was asked who said so, in plain words; null: by the reasons alone, or nobody was asked
    author text not null,                    -- rule, or who said so
    at integer not null,
    undone_at integer,                        -- null: it stands
    undone_by text                           -- rule, or who took it back
) without rowid;
create index merges_from on merges (from_id);                       -- the merges of a person, and "is this one joined to anybody?"
create index merges_into on merges (into_id);

-- What was decided of two contacts for ever, whatever their records look like.
create table verdicts (
    one text not null,                       -- contact, the smaller id
    other text not null,                     -- contact
    workspace_id text not null,
    verdict text not null,                   -- same, different, or never (different, and no question about their people any more)
    author text not null,                    -- rule (a call cannot have two callers), or who said so
    at integer not null,
    primary key (one, other)
) without rowid;
create index verdicts_other on verdicts (other);                    -- all of one contact

-- Pairs of people who may be one: somebody is asked.
create table questions (
    id text primary key not null,            -- qst_…
    workspace_id text not null,
    one text not null,                       -- the contact of the one that speaks most for it, the smaller id
    other text not null,
    bits integer not null,                  -- the odds that they are one person, in thousandths of a bit
    reasons text not null,                   -- JSON array, as in merges
    state text not null,                     -- open, yes, no, or never (no, and never ask about these people again)
    asked_by text not null default 'rule',   -- rule; link: what was made for the one was opened by the other; record: a record of the one's lead names the other; merged_record, merged_person: people of a CRM put the record, or the contact, of the one's lead under the other's
    connection_id text,                      -- of merged_…: the CRM
    asked_at integer not null,
    answered_by text,
    answered_at integer
) without rowid;
create unique index questions_pair on questions (one, other);
create index questions_other on questions (other);                  -- all of one contact
create index questions_state on questions (workspace_id, state, id); -- the list

-- Contacts that are compared anew, because what they say changed, or what others said who had the same phone.
create table revisits (
    contact_id text primary key not null,
    workspace_id text not null,
    turn integer not null                     -- rises when it is asked for again, so that it is not taken for done
) without rowid;
create index revisits_workspace on revisits (workspace_id, contact_id); -- what is to be looked at

-- Which contacts have a blocking key: two contacts are compared only where they have one in common. A key that too many have says nothing of
-- any two, and has no more rows than it takes to know that.
create table blocks (
    key integer not null,                   -- hash of the workspace and of texts, see host/identity, resolve/keys; its lowest bit: of a single value
    contact_id text not null,
    primary key (key, contact_id)
) without rowid;

-- How many people hold each common name, city and company, as counted last: a rare value says more.
create table terms (
    workspace_id text not null,
    term integer not null,                  -- hash of the value, see host/identity, terms
    people integer not null,
    primary key (workspace_id, term)
) without rowid;

-- How far each workspace's contacts were compared with one another, and who does it: of several hubs on one database, one.
create table matching (
    workspace_id text primary key not null,
    cursor text not null,                    -- contacts up to this id were looked at by the statistics of now
    reached text not null,                   -- up to this id they were looked at at all
    looked integer not null,                -- how many
    counted integer not null,               -- how many there were when people were counted last; 0: never
    people integer not null,                -- how many people that were
    doubles integer not null,               -- other contacts of its person that a contact had on average, in thousandths
    weighed integer not null,               -- how often its weights were changed: matchers read them anew
    lease_token text,                        -- of the hub that compares
    lease_until integer not null            -- after this time it is taken for dead
) without rowid;

-- How much each agreement says where a workspace does not take the shipped weights.
create table weights (
    workspace_id text primary key not null,
    weights text not null,                   -- JSON: what host/identity/data/weights.toml holds
    author text not null,                    -- who took them over
    at integer not null                     -- when
) without rowid;

create table leads (
    id text primary key not null,            -- lead_…
    workspace_id text not null,
    contact_id text not null,                -- who opened it; follow merged_into
    title text not null,
    stage text not null,                     -- interest, lead, client or refused
    refused_reason text,
    return_at integer,                        -- when to come back to a refused lead
    channel text not null,
    connection_id text not null,             -- where it came from
    source text not null,                    -- JSON: campaign, page, click ids
    form text,                               -- the form that opened it: its own name
    stage_at integer not null,                -- since when it is in this stage
    responsible_id text,                     -- the sink's id of the user
    responsible_name text,                   -- null is shown as a fault
    next_contact_at integer,                  -- null is shown as a fault
    qualification text not null,             -- unknown, target or non_target
    temperature text not null,               -- cold or hot
    tags text not null,                      -- JSON array
    created_at integer not null,
    updated_at integer not null
) without rowid;
create index leads_contact on leads (contact_id, id);               -- the open lead of a contact

create table conversations (
    id text primary key not null,            -- cnv_…
    workspace_id text not null,
    connection_id text not null,             -- answers go back here and nowhere else
    key text not null,                       -- the vendor's id of the thread
    title text,
    contact_id text not null,                -- the contact on the other side when it began; follow merged_into
    last_at integer not null,
    created_at integer not null
) without rowid;
create unique index conversations_key on conversations (connection_id, key);
create index conversations_contact on conversations (contact_id);    -- a person's, to export and to erase

create table interactions (
    id text primary key not null,            -- int_…
    workspace_id text not null,
    event_id text not null,                  -- the payload stands there; of a call: its newest step
    contact_id text not null,                -- who; follow merged_into
    lead_id text,                            -- null: it opened no lead (we called somebody unknown)
    placed text,                             -- why it belongs to that lead: opened, joined or reopened, and the rule that said so: `joined:after a month`
    conversation_id text,
    connection_id text not null,
    kind text not null,
    call_id text,                            -- the vendor's id of the call: all its steps are one interaction; null: no call
    direction text not null,                 -- in or out
    occurred_at integer not null,             -- the vendor's time, else the time of receipt; of a call: its beginning
    received_at integer not null
) without rowid;
create index interactions_contact on interactions (contact_id, id); -- the timeline of a person
create index interactions_lead on interactions (lead_id, id);       -- the timeline of a lead
create unique index interactions_call on interactions (connection_id, call_id) where call_id is not null; -- "is this call there?"

-- What was told of calls, step by step. The interaction shows the newest.
create table call_steps (
    interaction_id text not null,
    event_id text not null,                  -- in the order of receipt
    primary key (interaction_id, event_id)
) without rowid;

-- What waits for a connection, or waited. The payload is made when it is sent, so that it is never out of date.
create table outbox (
    id text primary key not null,            -- out_…; the order within a lane, and the command's idempotency key
    workspace_id text not null,
    connection_id text not null,             -- who carries it out
    lane text not null,                      -- lead_… or cnv_…: order is kept within it
    kind text not null,                      -- lead.upsert, interaction.add, message.send, message.status, call.start, person.merged or person.unmerged
    subject_id text not null,                -- the lead, interaction, conversation or merge that it is about
    payload text,                            -- JSON for message.send and call.start; of message.status: what became of the answer; of person.…: which leads the other person has; null: made from the subject
    answer_id text,                          -- of message.send: the interaction of which it is a part, where the sink whose people answered hears what becomes of it
    state text not null,                     -- pending, delivered, superseded or dead
    attempts integer not null,                -- tries so far: after one it may have been carried out
    failures integer not null default 0,      -- of these, what speaks against the row itself: after so many it is dead
    reason text,                             -- why it is dead, or why the last try failed: `code: message`
    created_at integer not null,
    finished_at integer
) without rowid;
create index outbox_lane on outbox (connection_id, lane, state, id); -- what a lane holds
create index outbox_state on outbox (workspace_id, state, id);       -- lists, dead letters
create index outbox_waiting on outbox (connection_id, id) where state = 'pending'; -- what has waited longest

-- Wishes that must come true once, however often they are made: messages and calls with a key of the one who asks.
create table idempotency_keys (
    workspace_id text not null,
    key text not null,                       -- api:… and cli:… as a caller gave it, alert:… the hub's own
    fingerprint text not null,               -- SHA-256 of what was asked: another wish under the same key is refused
    outbox_id text not null,                 -- what became of it
    created_at integer not null,
    primary key (workspace_id, key)
) without rowid;
create index idempotency_keys_age on idempotency_keys (created_at); -- old ones are forgotten

-- One row for each lane that has something to do: who serves it and when it is due.
create table lanes (
    connection_id text not null,
    lane text not null,
    due_at integer not null,                  -- not before
    lease_until integer not null,             -- 0: free; after this time the worker is taken for dead
    lease_token text,                        -- of the worker that serves it; a late worker's writes are refused by it. It stays after a crash
    enqueued integer not null,                -- rises with every new row, so that a lane is not cleared while something comes in
    primary key (connection_id, lane)
) without rowid;
create index lanes_due on lanes (connection_id, due_at);            -- the next ones

-- Connections whose vendor is left alone for a while. No row: nothing holds it up.
create table holds (
    connection_id text primary key not null,
    kind text not null,                      -- after: until the vendor's own time; breaker: it seems to be down, one lane tries now and then
    since integer not null,
    until integer not null,                   -- nothing is asked before; of a breaker whose probe is under way: when the probe is taken for dead
    probes integer not null,                  -- of a breaker: probes that failed
    probe text,                              -- of a breaker: token of the lane that tries; null: it waits
    reason text not null                     -- code: message
) without rowid;

-- Versions of connectors that are left alone in a connection, because they trapped or ran into their limits again and again there.
create table quarantines (
    connection_id text primary key not null,
    digest text not null,                    -- of the .wasm: another version knows nothing of it
    version text not null,                   -- the same for people
    since integer not null,
    until integer not null,                 -- it is not called before; then one call finds out
    rounds integer not null,                -- how often it was found no better: the wait doubles
    reason text not null                     -- code: message
) without rowid;

-- What vendors were told of where to post, for connections whose vendor takes that by its API.
create table registrations (
    connection_id text primary key not null,
    url text,                                -- the address that stands at the vendor, as far as is known; null: none of ours
    told_for integer,                        -- updated_at of the connection when the vendor was last asked: a later one is told anew
    checked_at integer,                      -- when the vendor last agreed; null: never yet
    set_at integer,                          -- when it was last told
    failures integer not null,               -- tries in a row that failed
    reason text,                             -- why the last one failed: code: message
    trouble text,                            -- what the vendor says went wrong with its last delivery
    due_at integer not null,                 -- when it is asked next
    turn integer not null,                   -- rises when a try begins and when it ends: a late worker's writes are refused by it
    lease_until integer not null             -- until when somebody asks; in the past: nobody does
) without rowid;

-- The last other version of a connector that a hub noticed in its folder, and whether it took over in a connection.
create table shadows (
    connection_id text primary key not null,
    version text not null,                   -- as its manifest says
    digest text not null,                    -- SHA-256 of its .wasm, hexadecimal
    verdict text not null,                   -- taken or refused
    reason text,                             -- why it was refused
    at integer not null,
    seen text not null                       -- JSON: what it reads differently of what came in last, by delivery and place
) without rowid;

-- What was used of vendors' rate limits: by all hubs on PostgreSQL; on SQLite, which has one hub, the days alone.
create table rate_limits (
    name text primary key not null,          -- whose limit, and which: `cxn_… 2/1 s, 50`
    day integer not null,                     -- days since 1970 at the vendor; 0: a bucket
    used integer not null                     -- requests of that day; of a bucket: microseconds since 1970 UTC at which it has run empty
) without rowid;

-- What people must hear of. One that is open, or that ended and is not told to have.
create table alerts (
    id text primary key not null,            -- alr_…; also the webhook's id
    connection_id text not null,
    kind text not null,                      -- authorisation, quarantined, down, waiting, failing or silent
    since integer not null,
    reason text not null,                    -- for people
    ended_at integer,                         -- null: it is open
    told integer not null                     -- 0: nobody was told; 1: it was told that it is open
) without rowid;
create unique index alerts_open on alerts (connection_id, kind) where ended_at is null; -- one of a kind at a time

-- When connections talked, so that one that usually does and does not is noticed.
create table talks (
    connection_id text primary key not null,
    received integer not null,                -- deliveries at the last look
    talked_at integer not null,               -- when more were seen
    longest_ms integer not null,              -- longest pause between two, slowly forgotten
    talks integer not null,                   -- pauses that were seen
    looked_at integer not null
) without rowid;

create table attempts (
    id text primary key not null,            -- att_…
    outbox_id text not null,
    at integer not null,
    took_ms integer not null,
    result text not null,                    -- delivered, or the failure's retry verdict
    code text,
    message text                             -- for people, without secrets
) without rowid;
create index attempts_outbox on attempts (outbox_id, id);

create table external_refs (
    connection_id text not null,             -- the sink
    kind text not null,                      -- lead, interaction, message or call; parted: a lead's record that stayed with another person; deleted: one that people deleted, since created_at; person: the sink's contact that the lead's record belongs to
    local_id text not null,
    remote_id text not null,
    details text not null,                   -- JSON: what the last receipt said; the connection's own memory of the record
    written integer not null default 1,     -- 0: it was only read, by an import
    created_at integer not null,              -- since when that is our record\'s
    primary key (connection_id, kind, local_id)
) without rowid;
create index external_refs_remote on external_refs (connection_id, kind, remote_id); -- what the sink tells us about

-- What each source says of the fields of a lead: what people changed there, and what the hub wrote.
create table lead_sayings (
    lead_id text not null,
    source text not null,                    -- the connection whose record says so; hub: people here
    says text not null,                      -- JSON by field, as `rules/conflict` has it
    primary key (lead_id, source)
) without rowid;

create table connector_state (
    connection_id text not null,
    key text not null,
    value blob not null,
    expires_at integer,                       -- null: never
    primary key (connection_id, key)
) without rowid;

-- Deep links and QR codes: whoever opens one in a messenger is tied to whom it was made for.
create table links (
    id text primary key not null,            -- lnk_…
    workspace_id text not null,
    connection_id text not null,             -- the messenger's
    token text not null,                     -- what the link carries and the event brings back; it opens nothing but a chat
    contact_id text,                         -- made for this contact, which has the identity `link:lnk_…` for it
    lead_id text,                            -- and for this lead of theirs
    visitor text,                            -- made for a site's visitor: the handle by which its forms name them
    source text not null,                    -- JSON: campaign, page
    text text not null,                      -- what the chat opens with
    uses integer,                            -- how often it may be used; null: as often as anybody likes
    used integer not null,
    created_at integer not null,
    expires_at integer,
    revoked_at integer
);
create unique index links_token on links (token);                   -- "what did this message bring back?"
create index links_workspace on links (workspace_id, id);           -- the list
create index links_contact on links (contact_id) where contact_id is not null; -- a person's, to erase

-- Who opened which link.
create table link_uses (
    link_id text not null,
    event_id text not null,                  -- the event that carried the token
    contact_id text not null,
    at integer not null,
    primary key (link_id, event_id)
);
create index link_uses_contact on link_uses (contact_id);           -- a person's, to erase

-- What somebody said by hand is to be shown of a person, whatever sources say.
create table pins (
    contact_id text not null,                -- of the person when it was pinned; it goes with this contact when people are parted
    field text not null,                     -- name, company, city or language
    workspace_id text not null,
    value text not null,
    author text not null,
    at integer not null,
    primary key (contact_id, field)
);
