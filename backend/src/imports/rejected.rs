//! Rejected rows of an import: in pages, and as a CSV file.

use actix_web::{
    HttpResponse,
    http::header,
    web::{Bytes, Data, Json, Path, Query},
};
use futures_util::{StreamExt, stream};
use serde::Deserialize;
use shared::{
    formula,
    import::{RejectedPage, RejectedRow},
    problem::Problem,
};
use utoipa::IntoParams;

use crate::{
    app::App,
    http::ApiResult,
    imports::{
        queries,
        routes::{checked, cut, missing},
    },
};

/// Rows that the CSV file reads per query.
const CSV_PAGE_SIZE: i64 = 1_000;

#[derive(Deserialize, IntoParams)]
pub struct ListRejected {
    /// `next` of the previous page
    #[serde(default)]
    after: i64,
    /// Rows per page, 1 to 1,000
    #[serde(default = "default_rejected_limit")]
    #[param(default = 100, minimum = 1, maximum = 1000)]
    limit: i64,
}

fn default_rejected_limit() -> i64 {
    100
}

/// List the rejected rows of an import, in file order.
///
/// At most 1,000,000 per import are listed, the first 100,000 of them with their text.
#[utoipa::path(get, path = "/imports/{id}/rejected", tag = "imports", params(("id" = i64, Path, description = "Import id"), ListRejected), responses(
    (status = 200, body = RejectedPage),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn list_rejected(app: Data<App>, id: Path<i64>, query: Query<ListRejected>) -> ApiResult<Json<RejectedPage>> {
    let limit = checked(query.limit, 1_000)?;
    let mut conn = app.db().await?;
    queries::get(&mut conn, *id).await?.ok_or_else(|| missing(*id))?;
    let rows = queries::rejected(&mut conn, *id, query.after, limit + 1).await?;
    let (items, next) = cut(rows.into_iter().map(RejectedRow::from).collect(), limit, |row| row.row_no);
    Ok(Json(RejectedPage { items, next }))
}

/// Download the rejected rows of an import as CSV.
///
/// The same rows as in the list.
#[utoipa::path(get, path = "/imports/{id}/rejected.csv", tag = "imports", params(("id" = i64, Path, description = "Import id")), responses(
    (status = 200, body = String, content_type = "text/csv"),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn rejected_csv(app: Data<App>, id: Path<i64>) -> ApiResult<HttpResponse> {
    queries::get(&mut *app.db().await?, *id).await?.ok_or_else(|| missing(*id))?;
    let id = *id;
    let header =
        stream::once(async { csv(["row", "line", "column", "code", "message", "raw"].map(String::from)).await });
    // A connection per page: a slow client holds none.
    let pages = stream::try_unfold(Some(0), move |after| {
        let app = app.clone();
        async move {
            let Some(after) = after else { return anyhow::Ok(None) };
            let rows = queries::rejected(&mut *app.pool.get().await?, id, after, CSV_PAGE_SIZE).await?;
            let more = i64::try_from(rows.len())? == CSV_PAGE_SIZE;
            let mut page = Vec::new();
            let mut last = after;
            for row in rows.into_iter().map(RejectedRow::from) {
                last = row.row_no;
                let cells = [
                    row.row_no.to_string(),
                    row.line.to_string(),
                    row.column.unwrap_or_default(),
                    row.code.as_str().into(),
                    row.message,
                    row.raw.unwrap_or_default(),
                ];
                page.extend_from_slice(&csv(cells).await?);
            }
            anyhow::Ok(Some((Bytes::from(page), more.then_some(last))))
        }
    });
    let body = header.chain(pages).map(|page| page.map_err(actix_web::error::ErrorInternalServerError));
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header((header::CONTENT_DISPOSITION, format!("attachment; filename=\"import-{id}-rejected.csv\"")))
        .streaming(body))
}

async fn csv(cells: [String; 6]) -> anyhow::Result<Bytes> {
    let mut writer = csv_async::AsyncWriter::from_writer(Vec::new());
    writer.write_record(cells.each_ref().map(|cell| formula::defused(cell).into_owned())).await?;
    Ok(writer.into_inner().await.map_err(|error| anyhow::anyhow!("{error}"))?.into())
}
