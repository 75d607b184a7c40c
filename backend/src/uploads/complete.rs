//! From the last byte of a file to its import.

use diesel::QueryResult;
use diesel_async::AsyncConnection;

use crate::{
    app::App,
    http::{ApiError, ApiResult},
    imports::{self, NewImport},
    jobs::Task,
    storage::{Chunk, StorageError},
    uploads::{
        chunks,
        digest::Running,
        queries::{self, Progress, UploadRow},
    },
};

/// Makes the import of a file whose last chunks are `pending`. The end of the upload, the import and the new owner of the
/// file are committed together. `None` if another request was faster.
///
/// # Errors
/// 410 if chunks of the file are damaged or missing in storage; then the client has to send it again.
pub async fn complete(
    app: &App,
    upload: &UploadRow,
    to: &Progress,
    pending: &[Chunk],
    hash: Running,
) -> ApiResult<Option<UploadRow>> {
    let mut all = chunks::accepted(&mut *app.db().await?, &upload.id).await?;
    all.extend_from_slice(pending);
    let size: u64 = all.iter().map(|chunk| chunk.size).sum();
    if size != to.received.unsigned_abs() {
        // Another request has advanced the offset; or chunks are missing, which must not become an import.
        tracing::warn!("Upload {}: its chunks have {size} bytes, {} were received", upload.id, to.received);
        return Ok(None);
    }
    match app.storage.write_manifest(&upload.object_key, &all).await {
        Ok(()) => commit(app, upload, to, pending, hash).await,
        Err(error @ StorageError::Damaged { .. }) => {
            tracing::error!("Upload {}: {error}; the client has to send the file again", upload.id);
            queries::expire_now(&mut *app.db().await?, &upload.id).await?;
            let advice = "received bytes are missing in storage; create a new upload and send the file again";
            Err(ApiError::Gone(format!("upload {} cannot be completed: {advice}", upload.id)))
        }
        Err(error) => Err(error.into()),
    }
}

async fn commit(
    app: &App,
    upload: &UploadRow,
    to: &Progress,
    pending: &[Chunk],
    hash: Running,
) -> ApiResult<Option<UploadRow>> {
    let format = to.format.clone().ok_or_else(|| ApiError::Internal(anyhow::anyhow!("a file without a format")))?;
    let (sha256, object_key) = (hash.hex(), upload.object_key.as_str());
    let new = NewImport { file_name: &upload.file_name, object_key, size_bytes: to.received, sha256: &sha256, format };
    let (id, from) = (&upload.id, upload.received);
    let conn = &mut *app.db().await?;
    let committed = conn.transaction(async |conn| {
        // First, so that of several requests one makes an import, and the others wait here and then find nothing.
        if !queries::lock_row(conn, id, from).await? {
            return QueryResult::Ok(None);
        }
        chunks::accept(conn, pending).await?;
        let import = imports::insert(conn, &new).await?;
        chunks::hand_over(conn, id).await?;
        queries::complete(conn, id, to, import.id).await.map(Some)
    });
    let committed = chunks::unless_orphaned(committed.await)?;
    if let Some(UploadRow { import_id: Some(import_id), .. }) = committed {
        app.queue.enqueue(Task::ProcessImport(import_id));
        let bytes = to.received;
        tracing::info!(import.id = import_id, bytes, "Import {import_id}: {bytes} bytes uploaded");
    }
    Ok(committed)
}
