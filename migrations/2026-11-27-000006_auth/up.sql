CREATE TABLE users (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name          text NOT NULL,
    name_key      text NOT NULL CONSTRAINT users_name UNIQUE,
    role          text NOT NULL CONSTRAINT users_role CHECK (role IN ('viewer', 'editor', 'admin')),
    password_hash text NOT NULL,
    enabled       boolean NOT NULL DEFAULT true,
    created_at    timestamptz NOT NULL DEFAULT now(),
    signed_in_at  timestamptz
);

COMMENT ON TABLE users IS 'User accounts. As soon as there is one, every request must be authenticated.';
COMMENT ON COLUMN users.id IS 'Never reused.';
COMMENT ON COLUMN users.name IS 'As entered.';
COMMENT ON COLUMN users.name_key IS 'shared::auth::name_key of the name: unique regardless of case.';
COMMENT ON COLUMN users.role IS 'shared::auth::Role.';
COMMENT ON COLUMN users.password_hash IS 'Argon2id, as a PHC string.';
COMMENT ON COLUMN users.enabled IS 'Can sign in.';
COMMENT ON COLUMN users.created_at IS 'When the account was created.';
COMMENT ON COLUMN users.signed_in_at IS 'Time of the last sign-in.';

CREATE TABLE sessions (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    token_hash   bytea NOT NULL CONSTRAINT sessions_token UNIQUE,
    user_id      bigint NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    address      text NOT NULL,
    user_agent   text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id);

COMMENT ON TABLE sessions IS 'Browsers in which a user is signed in. Ended sessions are kept for 30 days, to recognize the addresses from which a user signs in.';
COMMENT ON COLUMN sessions.id IS 'Identifies the session without giving access.';
COMMENT ON COLUMN sessions.token_hash IS 'SHA-256 of the 256 random bits in the cookie.';
COMMENT ON COLUMN sessions.user_id IS 'The user who signed in.';
COMMENT ON COLUMN sessions.address IS 'IP address from which the user signed in.';
COMMENT ON COLUMN sessions.user_agent IS 'User-Agent of the browser, truncated.';
COMMENT ON COLUMN sessions.created_at IS 'When the user signed in.';
COMMENT ON COLUMN sessions.last_used_at IS 'Time of the last request, to the minute.';
COMMENT ON COLUMN sessions.expires_at IS 'When the session ends or ended; an idle session ends earlier.';

CREATE TABLE api_keys (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name         text NOT NULL,
    prefix       text NOT NULL,
    key_hash     bytea NOT NULL CONSTRAINT api_keys_key UNIQUE,
    scopes       text[] NOT NULL,
    owner        text NOT NULL CONSTRAINT api_keys_owner CHECK (owner IN ('user', 'shell', 'open_mode')),
    user_id      bigint REFERENCES users (id) ON DELETE CASCADE,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz,
    last_used_at timestamptz,
    CONSTRAINT api_keys_user CHECK ((owner = 'user') = (user_id IS NOT NULL))
);
CREATE INDEX api_keys_user_id ON api_keys (user_id);

COMMENT ON TABLE api_keys IS 'Keys by which programs authenticate. Revoking a key deletes its row.';
COMMENT ON COLUMN api_keys.id IS 'Identifies the key without giving access.';
COMMENT ON COLUMN api_keys.name IS 'As entered, for example the program that uses the key.';
COMMENT ON COLUMN api_keys.prefix IS 'First characters of the key, to recognize it.';
COMMENT ON COLUMN api_keys.key_hash IS 'SHA-256 of the key.';
COMMENT ON COLUMN api_keys.scopes IS 'shared::auth::Scope.';
COMMENT ON COLUMN api_keys.owner IS 'A key of a user is valid while the user is enabled and has no more permissions than the user; a key of open mode is valid until the first user is created; a key of the shell belongs to the operator.';
COMMENT ON COLUMN api_keys.user_id IS 'The user who owns the key: who created it, or owns the key that created it.';
COMMENT ON COLUMN api_keys.created_at IS 'When the key was created.';
COMMENT ON COLUMN api_keys.expires_at IS 'When the key expires; null for never.';
COMMENT ON COLUMN api_keys.last_used_at IS 'Time of the last request, to the minute; null for none.';

CREATE TABLE sign_in_failures (
    key           text PRIMARY KEY,
    failures      integer NOT NULL,
    last_at       timestamptz NOT NULL,
    blocked_until timestamptz NOT NULL
);

COMMENT ON TABLE sign_in_failures IS 'Failed sign-ins, for exponential back-off.';
COMMENT ON COLUMN sign_in_failures.key IS 'What is delayed: an account, an account from a network that its user has signed in from before, or a network.';
COMMENT ON COLUMN sign_in_failures.failures IS 'Failures since the last success.';
COMMENT ON COLUMN sign_in_failures.last_at IS 'Time of the last failure; after one day the count starts again.';
COMMENT ON COLUMN sign_in_failures.blocked_until IS 'Attempts before this time are refused without verifying the password.';

CREATE TABLE setup_links (
    token_hash bytea PRIMARY KEY,
    expires_at timestamptz NOT NULL
);

COMMENT ON TABLE setup_links IS 'Links by which the first user can be created; deleted when it is.';
COMMENT ON COLUMN setup_links.token_hash IS 'SHA-256 of the 256 random bits in the link.';
COMMENT ON COLUMN setup_links.expires_at IS 'When the link expires.';

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

COMMENT ON TABLE audit_log IS 'Who did what, when, and from where. An entry is added before the change that it describes.';
COMMENT ON COLUMN audit_log.id IS 'Increases with time.';
COMMENT ON COLUMN audit_log.at IS 'Time of the request.';
COMMENT ON COLUMN audit_log.actor IS 'Name of the user, "key NAME", "local" in open mode, "shell" for the command line, or the name that was tried at a sign-in.';
COMMENT ON COLUMN audit_log.action IS 'Action such as product.update.';
COMMENT ON COLUMN audit_log.target IS 'Path of the object under /api/v1.';
COMMENT ON COLUMN audit_log.address IS 'IP address of the client.';
COMMENT ON COLUMN audit_log.status IS 'HTTP status of the response; null until there is one.';
