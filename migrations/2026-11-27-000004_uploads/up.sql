CREATE TABLE stored_files (
    object_key text PRIMARY KEY,
    user_id    bigint,
    bytes      bigint NOT NULL,
    remove_at  timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX stored_files_due ON stored_files (remove_at) WHERE remove_at IS NOT NULL;

COMMENT ON TABLE stored_files IS 'Files in storage. A row is written before the first byte of its file and deleted after its last object is removed, so that no object is left behind.';
COMMENT ON COLUMN stored_files.object_key IS 'Key of the manifest; all objects of the file are in the same folder. Never used twice.';
COMMENT ON COLUMN stored_files.user_id IS 'The user whose quota it counts against; null in open mode, which counts as one user.';
COMMENT ON COLUMN stored_files.bytes IS 'Size that counts against quotas: as announced, or as much as has been received if that was not announced.';
COMMENT ON COLUMN stored_files.remove_at IS 'Null while an upload or an import owns the file. Otherwise the file is removed after this time; a writer that no upload owns renews it while it is alive.';
COMMENT ON COLUMN stored_files.created_at IS 'When room was reserved for it.';

CREATE TABLE uploads (
    id         text PRIMARY KEY,
    object_key text NOT NULL,
    file_name  text NOT NULL,
    metadata   text,
    length     bigint,
    received   bigint NOT NULL DEFAULT 0,
    tail       bytea NOT NULL DEFAULT '',
    hash_state bytea NOT NULL,
    format     jsonb,
    lock_token bigint NOT NULL DEFAULT 0,
    lock_owner bigint,
    status     text NOT NULL DEFAULT 'open' CONSTRAINT uploads_status CHECK (status IN ('open', 'completed', 'failed')),
    problem    jsonb,
    import_id  bigint REFERENCES imports (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    -- A client that finds all its bytes received considers its file delivered: then there must be an import.
    CONSTRAINT uploads_whole CHECK (CASE status
        WHEN 'completed' THEN import_id IS NOT NULL AND length = received
        WHEN 'failed' THEN problem IS NOT NULL
        ELSE length IS NULL OR received < length END)
);
CREATE INDEX uploads_expiry ON uploads (expires_at);
CREATE INDEX uploads_file ON uploads (object_key);
CREATE INDEX uploads_import ON uploads (import_id) WHERE import_id IS NOT NULL;
-- For the comparison of storage and database.
CREATE INDEX imports_file ON imports (object_key) WHERE file_removed_at IS NULL;

COMMENT ON TABLE uploads IS 'Files that are sent by the tus protocol. A row remains after completion until it expires, for clients that missed the last response.';
COMMENT ON COLUMN uploads.id IS 'Random, in hexadecimal: the last part of the URL.';
COMMENT ON COLUMN uploads.object_key IS 'The file in stored_files. The upload owns it while it is open, the import afterwards.';
COMMENT ON COLUMN uploads.file_name IS 'From the metadata; not a path.';
COMMENT ON COLUMN uploads.metadata IS 'Upload-Metadata, as the client sent it.';
COMMENT ON COLUMN uploads.length IS 'Size of the file, in bytes; null while the client does not know it.';
COMMENT ON COLUMN uploads.received IS 'Bytes that are stored: Upload-Offset. Advances only from the value that the writer saw.';
COMMENT ON COLUMN uploads.tail IS 'The last of these bytes, if they are too few for a chunk.';
COMMENT ON COLUMN uploads.hash_state IS 'State of the SHA-256 over the received bytes, so that any process can continue it.';
COMMENT ON COLUMN uploads.format IS 'Delimiter and columns (shared::csv::FileFormat), once the head of the file has been received.';
COMMENT ON COLUMN uploads.lock_token IS 'Increases with each request that wants to write; the lock owner that sees a larger one than its own stops.';
COMMENT ON COLUMN uploads.lock_owner IS 'Token of the request that is writing; one that died is replaced.';
COMMENT ON COLUMN uploads.status IS 'open accepts bytes; completed and failed are final.';
COMMENT ON COLUMN uploads.problem IS 'Why it failed (code and detail of shared::Problem).';
COMMENT ON COLUMN uploads.import_id IS 'The import of the complete file.';
COMMENT ON COLUMN uploads.created_at IS 'When it was created.';
COMMENT ON COLUMN uploads.expires_at IS 'When it is deleted: some time after its last byte.';

CREATE TABLE upload_chunks (
    object_key text PRIMARY KEY,
    upload_id  text NOT NULL REFERENCES uploads (id) ON DELETE CASCADE,
    start      bigint NOT NULL,
    size       bigint NOT NULL,
    accepted   boolean NOT NULL DEFAULT false,
    renewed_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX upload_chunks_once ON upload_chunks (upload_id, start) WHERE accepted;
CREATE INDEX upload_chunks_pending ON upload_chunks (renewed_at) WHERE NOT accepted;

COMMENT ON TABLE upload_chunks IS 'Objects of unfinished uploads. A row is written before its object; when the upload is complete, the manifest lists the chunks and the rows are deleted.';
COMMENT ON COLUMN upload_chunks.object_key IS 'Where the bytes are in storage; never written twice.';
COMMENT ON COLUMN upload_chunks.upload_id IS 'The upload; with it, its file is removed, and all chunks with that.';
COMMENT ON COLUMN upload_chunks.start IS 'Offset of its first byte in the file.';
COMMENT ON COLUMN upload_chunks.size IS 'Bytes in it.';
COMMENT ON COLUMN upload_chunks.accepted IS 'The bytes count as received. If it stays false, the object is orphaned and removed.';
COMMENT ON COLUMN upload_chunks.renewed_at IS 'When its writer was last known to be alive.';
