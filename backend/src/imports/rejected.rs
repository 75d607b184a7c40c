//! Rejected rows of an import: in pages, and as a CSV file.

use actix_web::{
    HttpResponse,
    web::{Data, Json, Path, Query},
};
use serde::Deserialize;
use shared::import::{RejectedPage, RejectedRow};
use utoipa::IntoParams;

use crate::{
    app::App,
    http::{
        ApiResult,
        csv::{self, CsvOptions},
    },
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
#[utoipa::path(get, path = "/imports/{id}/rejected.csv", tag = "imports", params(("id" = i64, Path, description = "Import id"), CsvOptions), responses(
    (status = 200, body = String, content_type = "text/csv"),
))]
pub async fn rejected_csv(app: Data<App>, id: Path<i64>, options: Query<CsvOptions>) -> ApiResult<HttpResponse> {
    queries::get(&mut *app.db().await?, *id).await?.ok_or_else(|| missing(*id))?;
    let (id, options) = (*id, options.into_inner());
    let header = ["row", "line", "column", "code", "message", "raw"].map(String::from).into();
    csv::download(app, options, &format!("import-{id}-rejected.csv"), header, 0, async move |conn, after| {
        let rows = queries::rejected(conn, id, after, CSV_PAGE_SIZE).await?;
        let rows: Vec<RejectedRow> = rows.into_iter().map(Into::into).collect();
        let next = rows.last().filter(|_| i64::try_from(rows.len()) == Ok(CSV_PAGE_SIZE)).map(|row| row.row_no);
        Ok((rows.into_iter().map(cells).collect(), next))
    })
    .await
}

fn cells(row: RejectedRow) -> Vec<String> {
    vec![
        row.row_no.to_string(),
        row.line.to_string(),
        row.column.unwrap_or_default(),
        row.code.as_str().into(),
        row.message,
        row.raw.unwrap_or_default(),
    ]
}
