//! CSV downloads of any length (RFC 4180), read from the database page by page.

use actix_web::{
    HttpResponse,
    http::header,
    web::{Bytes, Data},
};
use csv_async::{AsyncWriterBuilder, Terminator};
use diesel_async::AsyncPgConnection;
use futures_util::{StreamExt, stream};
use shared::formula;

use crate::{
    app::App,
    db,
    http::{ApiError, ApiResult},
};

/// Lines of a page, and what to ask for the next page; `None` at the end.
pub type Page<Cursor> = (Vec<Vec<String>>, Option<Cursor>);

/// Returns a file with `header` and the lines of all pages, from the one at `first` on. Cells that a spreadsheet would run as
/// a formula are escaped.
///
/// A connection is held for the time of a page only: a client that reads slowly holds none. If a later page fails, the
/// connection to the client is cut, so that it cannot take a part for the whole.
///
/// # Errors
/// When the first page cannot be read.
pub async fn download<Cursor, Read>(
    app: Data<App>,
    file_name: &str,
    header: Vec<String>,
    first: Cursor,
    read: Read,
) -> ApiResult<HttpResponse>
where
    Cursor: 'static,
    Read: AsyncFn(&mut AsyncPgConnection, Cursor) -> ApiResult<Page<Cursor>> + 'static,
{
    let (mut rows, next) = read(&mut *app.db_for_read().await?, first).await?;
    rows.insert(0, header);
    let first = lines(&rows).await?;
    let rest = stream::try_unfold((next, read), move |(cursor, read)| {
        let app = app.clone();
        async move {
            let Some(cursor) = cursor else { return ApiResult::Ok(None) };
            let reading = async { read(&mut *app.db_for_read().await?, cursor).await };
            // A client that leaves in the middle of a page does not leave its statement behind.
            let (rows, next) = db::abort_on_drop(reading).await?;
            Ok(Some((lines(&rows).await?, (next, read))))
        }
    });
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header((header::CONTENT_DISPOSITION, format!("attachment; filename=\"{file_name}\"")))
        .streaming(stream::once(async { Ok(first) }).chain(rest)))
}

async fn lines(rows: &[Vec<String>]) -> ApiResult<Bytes> {
    let written = async {
        let mut writer = AsyncWriterBuilder::new().terminator(Terminator::CRLF).create_writer(Vec::new());
        for row in rows {
            writer.write_record(row.iter().map(|cell| formula::defused(cell).into_owned())).await?;
        }
        writer.into_inner().await.map_err(|error| anyhow::anyhow!("{error}"))
    };
    written.await.map(Bytes::from).map_err(ApiError::Internal)
}
