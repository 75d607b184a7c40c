CREATE TABLE uploads (
    id         text PRIMARY KEY,
    file_name  text NOT NULL,
    metadata   text,
    length     bigint,
    received   bigint NOT NULL DEFAULT 0,
    hash       bytea NOT NULL,
    layout     jsonb,
    writer     bigint NOT NULL DEFAULT 0,
    holder     bigint,
    status     text NOT NULL DEFAULT 'open' CONSTRAINT uploads_status CHECK (status IN ('open', 'completed', 'failed')),
    problem    jsonb,
    import_id  bigint REFERENCES imports (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    -- A client that finds all its bytes received takes its file for delivered: then there must be an import.
    CONSTRAINT uploads_whole CHECK (CASE status
        WHEN 'completed' THEN import_id IS NOT NULL AND length = received
        WHEN 'failed' THEN problem IS NOT NULL
        ELSE length IS NULL OR received < length END)
);
CREATE INDEX uploads_expiry ON uploads (expires_at);
CREATE INDEX uploads_import ON uploads (import_id) WHERE import_id IS NOT NULL;

COMMENT ON TABLE uploads IS 'Files that arrive by the tus protocol. A row outlives its end until it expires, for clients that did not hear of it.';
COMMENT ON COLUMN uploads.id IS 'Random, in hexadecimal: the last part of its address.';
COMMENT ON COLUMN uploads.file_name IS 'From the metadata; not a path.';
COMMENT ON COLUMN uploads.metadata IS 'Upload-Metadata, as the client sent it.';
COMMENT ON COLUMN uploads.length IS 'Size of the file, in bytes; null while the client does not know it.';
COMMENT ON COLUMN uploads.received IS 'Bytes that are kept: Upload-Offset. Moves only from the value that the writer saw.';
COMMENT ON COLUMN uploads.hash IS 'State of the SHA-256 over the received bytes, so that any process can go on with it.';
COMMENT ON COLUMN uploads.layout IS 'Delimiter and columns (shared::detect::Layout), once the head of the file has arrived.';
COMMENT ON COLUMN uploads.writer IS 'Grows with each request that wants to write; an earlier one that sees it makes an end.';
COMMENT ON COLUMN uploads.holder IS 'The writer that reads a body at the moment; one that died is replaced.';
COMMENT ON COLUMN uploads.status IS 'open takes bytes; completed and failed are final.';
COMMENT ON COLUMN uploads.problem IS 'Why it failed (code and detail of shared::Problem).';
COMMENT ON COLUMN uploads.import_id IS 'What became of it.';
COMMENT ON COLUMN uploads.created_at IS 'When it was begun.';
COMMENT ON COLUMN uploads.expires_at IS 'When it is thrown away: some time after its last byte.';

CREATE TABLE upload_blocks (
    object_key text PRIMARY KEY,
    upload_id  text REFERENCES uploads (id) ON DELETE SET NULL,
    start      bigint NOT NULL,
    size       bigint NOT NULL,
    accepted   boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX upload_blocks_once ON upload_blocks (upload_id, start) WHERE accepted;
CREATE INDEX upload_blocks_doubtful ON upload_blocks (created_at) WHERE NOT accepted;
CREATE INDEX upload_blocks_orphans ON upload_blocks (object_key) WHERE accepted AND upload_id IS NULL;

COMMENT ON TABLE upload_blocks IS 'Objects of unfinished uploads. A row is written before its object, so that none is forgotten; when the upload is complete, the import owns the objects and the rows go.';
COMMENT ON COLUMN upload_blocks.object_key IS 'Where the bytes lie in storage; never written twice.';
COMMENT ON COLUMN upload_blocks.upload_id IS 'The upload; null when that is gone, and the object is litter.';
COMMENT ON COLUMN upload_blocks.start IS 'Offset of its first byte in the file.';
COMMENT ON COLUMN upload_blocks.size IS 'Bytes in it.';
COMMENT ON COLUMN upload_blocks.accepted IS 'The bytes count as received. False while they are being written; for long, they are litter.';
COMMENT ON COLUMN upload_blocks.created_at IS 'When it was begun to be written.';
