//! From the last byte of a file to its import.

use diesel::QueryResult;
use diesel_async::AsyncConnection;

use crate::{
    app::App,
    http::{ApiError, ApiResult},
    imports::{self, NewImport},
    jobs::Task,
    storage::{self, Piece},
    uploads::{
        blocks,
        digest::Running,
        queries::{self, Progress, UploadRow},
    },
};

/// Makes the import of a file whose last blocks are `pending`. Upload, import and the blocks' new owner are committed
/// together; afterwards the import is the only one that has them. `None` where another request was faster.
pub async fn complete(
    app: &App,
    upload: &UploadRow,
    to: &Progress,
    pending: &[Piece],
    hash: Running,
) -> ApiResult<Option<UploadRow>> {
    let mut pieces = blocks::accepted(&mut *app.db().await?, &upload.id).await?;
    pieces.extend_from_slice(pending);
    let size: u64 = pieces.iter().map(|piece| piece.size).sum();
    if size != to.received.unsigned_abs() {
        // Another request has moved the offset meanwhile; or blocks are missing, which must not become an import.
        tracing::warn!("Upload {}: {size} bytes are in its blocks, {} were counted", upload.id, to.received);
        return Ok(None);
    }
    let key = storage::list_key(&format!("imports/{:032x}", rand::random::<u128>()));
    let list = Piece { key, size: 0 };
    if !blocks::announce(&mut *app.db().await?, &upload.id, upload.received, to.received, &list).await? {
        return Ok(None);
    }
    let joined = app.storage.join(&list.key, &pieces).await;
    pieces.push(list.clone());
    let committed = match joined {
        Ok(()) => commit(app, upload, to, &pieces, hash).await,
        Err(error) => Err(error.into()),
    };
    if !matches!(committed, Ok(Some(_))) {
        blocks::discard(app, &[list]).await;
    }
    committed
}

/// `pieces` are the blocks, and last the list of them.
async fn commit(
    app: &App,
    upload: &UploadRow,
    to: &Progress,
    pieces: &[Piece],
    hash: Running,
) -> ApiResult<Option<UploadRow>> {
    let layout = to.layout.clone().ok_or_else(|| ApiError::Internal(anyhow::anyhow!("a file without a layout")))?;
    let (sha256, object_key) = (hash.hex(), pieces.last().map_or("", |list| &list.key));
    let new = NewImport {
        file_name: &upload.file_name,
        object_key,
        size_bytes: to.received,
        sha256: &sha256,
        format: layout,
    };
    let (id, from) = (&upload.id, upload.received);
    let conn = &mut *app.db().await?;
    let committed = conn.transaction(async |conn| {
        // First, so that of several requests one makes an import and the others wait here, and then find nothing.
        if !queries::lock(conn, id, from).await? {
            return QueryResult::Ok(None);
        }
        let import = imports::insert(conn, &new).await?;
        blocks::hand_over(conn, pieces).await?;
        queries::complete(conn, id, to, import.id).await.map(Some)
    });
    let committed = committed.await?;
    if let Some(UploadRow { import_id: Some(import_id), .. }) = committed {
        app.queue.enqueue(Task::ProcessImport(import_id));
        let bytes = to.received;
        tracing::info!(import.id = import_id, bytes, "Import {import_id}: {bytes} bytes uploaded");
    }
    Ok(committed)
}
