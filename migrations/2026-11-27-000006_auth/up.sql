CREATE TABLE people (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name          text NOT NULL,
    name_key      text NOT NULL CONSTRAINT people_name UNIQUE,
    role          text NOT NULL CONSTRAINT people_role CHECK (role IN ('viewer', 'editor', 'admin')),
    password_hash text NOT NULL,
    enabled       boolean NOT NULL DEFAULT true,
    created_at    timestamptz NOT NULL DEFAULT now(),
    signed_in_at  timestamptz
);

COMMENT ON TABLE people IS 'Who may sign in. As soon as there is one, nobody comes in without.';
COMMENT ON COLUMN people.id IS 'Never given out twice.';
COMMENT ON COLUMN people.name IS 'As the person writes it.';
COMMENT ON COLUMN people.name_key IS 'shared::access::name_key of it: no two people have the same.';
COMMENT ON COLUMN people.role IS 'shared::Role.';
COMMENT ON COLUMN people.password_hash IS 'Argon2id, as a PHC string.';
COMMENT ON COLUMN people.enabled IS 'May sign in.';
COMMENT ON COLUMN people.created_at IS 'When the account was made.';
COMMENT ON COLUMN people.signed_in_at IS 'When they last signed in.';

CREATE TABLE sessions (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    token_hash   bytea NOT NULL CONSTRAINT sessions_token UNIQUE,
    person_id    bigint NOT NULL REFERENCES people (id) ON DELETE CASCADE,
    address      text NOT NULL,
    agent        text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL
);
CREATE INDEX sessions_person ON sessions (person_id);

COMMENT ON TABLE sessions IS 'Browsers in which somebody is signed in. Ended ones are kept for a month: they tell from where a person usually comes.';
COMMENT ON COLUMN sessions.id IS 'Names it without opening it.';
COMMENT ON COLUMN sessions.token_hash IS 'SHA-256 of the 256 random bits in the cookie.';
COMMENT ON COLUMN sessions.person_id IS 'Whose it is.';
COMMENT ON COLUMN sessions.address IS 'Where it was begun.';
COMMENT ON COLUMN sessions.agent IS 'User-Agent of the browser, cut.';
COMMENT ON COLUMN sessions.created_at IS 'When the person signed in.';
COMMENT ON COLUMN sessions.last_used_at IS 'When it was last used, to the minute.';
COMMENT ON COLUMN sessions.expires_at IS 'When it ends or has ended; it opens nothing sooner already where it is not used.';

CREATE TABLE api_keys (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name         text NOT NULL,
    prefix       text NOT NULL,
    key_hash     bytea NOT NULL CONSTRAINT api_keys_key UNIQUE,
    scopes       text[] NOT NULL,
    created_by   text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz,
    last_used_at timestamptz
);

COMMENT ON TABLE api_keys IS 'Keys of programs. A row that is deleted is a key that opens nothing any more.';
COMMENT ON COLUMN api_keys.id IS 'Names it without opening it.';
COMMENT ON COLUMN api_keys.name IS 'What it is for.';
COMMENT ON COLUMN api_keys.prefix IS 'How it begins, to know it again.';
COMMENT ON COLUMN api_keys.key_hash IS 'SHA-256 of the key.';
COMMENT ON COLUMN api_keys.scopes IS 'shared::Scope.';
COMMENT ON COLUMN api_keys.created_by IS 'Who made it, by name.';
COMMENT ON COLUMN api_keys.created_at IS 'When it was made.';
COMMENT ON COLUMN api_keys.expires_at IS 'From when on it opens nothing; null for never.';
COMMENT ON COLUMN api_keys.last_used_at IS 'When it was last used, to the minute.';

CREATE TABLE sign_in_failures (
    key           text PRIMARY KEY,
    failures      integer NOT NULL,
    last_at       timestamptz NOT NULL,
    blocked_until timestamptz NOT NULL
);

COMMENT ON TABLE sign_in_failures IS 'Passwords that were wrong, so that the next guess has to wait.';
COMMENT ON COLUMN sign_in_failures.key IS 'Whom it holds up: an account, an account from an address that it has signed in from before, or an address.';
COMMENT ON COLUMN sign_in_failures.failures IS 'How many, since the last that was right.';
COMMENT ON COLUMN sign_in_failures.last_at IS 'When the last one was; after a day they are forgotten.';
COMMENT ON COLUMN sign_in_failures.blocked_until IS 'No password is looked at before.';

CREATE TABLE setup_links (
    token_hash bytea PRIMARY KEY,
    expires_at timestamptz NOT NULL
);

COMMENT ON TABLE setup_links IS 'Links by which the first account can be made; they go with it.';
COMMENT ON COLUMN setup_links.token_hash IS 'SHA-256 of the 256 random bits in the link.';
COMMENT ON COLUMN setup_links.expires_at IS 'Until when it is good.';

CREATE TABLE audit_log (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      timestamptz NOT NULL DEFAULT now(),
    actor   text NOT NULL,
    action  text NOT NULL,
    target  text NOT NULL,
    address text NOT NULL,
    status  integer
);
CREATE INDEX audit_log_at ON audit_log (at);
CREATE INDEX audit_log_actor ON audit_log (actor, id);
CREATE INDEX audit_log_action ON audit_log (action, id);

COMMENT ON TABLE audit_log IS 'Who did what, when, from where. An entry is written before what it tells of is done.';
COMMENT ON COLUMN audit_log.id IS 'Newer entries have higher ones.';
COMMENT ON COLUMN audit_log.at IS 'When it was asked for.';
COMMENT ON COLUMN audit_log.actor IS 'Name of the person, "key NAME", "anyone" where there is no account, or the name that was tried at a sign-in.';
COMMENT ON COLUMN audit_log.action IS 'What was asked for, such as product.update.';
COMMENT ON COLUMN audit_log.target IS 'Path of what it was done to.';
COMMENT ON COLUMN audit_log.address IS 'Where the request came from.';
COMMENT ON COLUMN audit_log.status IS 'HTTP status of the answer; null until there is one.';
