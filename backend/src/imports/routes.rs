//! `/imports`.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{Bytes, Data, Json, Path, Payload, Query},
};
use futures_util::{StreamExt, stream};
use serde::Deserialize;
use shared::{
    formula,
    import::{Import, ImportFromUrl, ImportPage, ImportStatus, RejectedPage, RejectedRow},
    problem::{FieldError, Problem},
};
use utoipa::IntoParams;

use crate::auth::Rule;
use crate::http::routes::Routes;
use crate::operation;
use crate::{
    app::App,
    http::{ApiError, ApiResult, body},
    imports::{
        by_url, job, live,
        queries::{self, NewImport},
        upload,
    },
    jobs::Task,
};
use shared::auth::Permission::{ReadImports, WriteImports};

/// Longest file name that is kept, in characters.
const MAX_FILE_NAME_CHARS: usize = 255;
/// Rejected rows that the CSV of them reads at once.
const CSV_PAGE: i64 = 1_000;

pub fn configure(routes: &mut Routes) {
    routes
        .add(operation!(create_import), Rule::requires(WriteImports).audited("import.create"))
        .add(operation!(list_imports), Rule::requires(ReadImports))
        .add(operation!(rejected_csv), Rule::requires(ReadImports))
        .add(operation!(list_rejected), Rule::requires(ReadImports))
        .add(operation!(cancel_import), Rule::requires(WriteImports).audited("import.cancel"))
        .add(operation!(live::watch_import), Rule::requires(ReadImports))
        .add(operation!(get_import), Rule::requires(ReadImports));
}

#[derive(Deserialize, IntoParams)]
pub struct CreateImport {
    /// Name of the file, for the history
    #[serde(default = "unnamed")]
    #[param(default = "products.csv")]
    file_name: String,
}

fn unnamed() -> String {
    "products.csv".into()
}

/// The name under which a file that somebody calls so stands in the history: without its folders.
pub fn kept_name(name: &str) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default().replace('\0', "");
    let name: String = name.chars().take(MAX_FILE_NAME_CHARS).collect();
    if name.is_empty() { unnamed() } else { name }
}

/// Import a CSV file.
///
/// The body is the file itself, or JSON with the URL to fetch it from. The file: UTF-8, a header line with the columns `sku`, `name` and, if wanted, `description`, in any
/// case and order; other columns are kept as attributes. The delimiter (comma, semicolon, tab, pipe) is recognised. The
/// import begins as soon as the file is stored; one with a URL is there at once, and the file is fetched by a worker. Watch it under `/imports/{id}/events`.
#[utoipa::path(post, path = "/imports", tag = "imports", params(CreateImport),
    request_body(content((String = "text/csv"), (ImportFromUrl = "application/json")), description = "The file, or where it is"),
    responses(
        (status = 201, body = Import, headers(("Location" = String, description = "The import"))),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json"),
    ))]
pub async fn create_import(
    app: Data<App>,
    query: Query<CreateImport>,
    request: HttpRequest,
    mut body: Payload,
) -> ApiResult<HttpResponse> {
    if let Err(error) = admit(&app).await {
        body::drain(&mut body).await;
        return Err(error);
    }
    if by_url::is_asked_for(&request) {
        return by_url::create(&app, &request, body).await;
    }
    let stored = upload::receive(&app, &request, body).await?;
    let file_name = kept_name(&query.file_name);
    let new = NewImport {
        file_name: &file_name,
        object_key: &stored.object_key,
        size_bytes: stored.size_bytes,
        sha256: &stored.sha256,
        layout: serde_json::to_value(&stored.layout).map_err(|error| ApiError::Internal(error.into()))?,
    };
    let inserted = async { ApiResult::Ok(queries::insert(&mut *app.db().await?, &new).await?) }.await;
    let import: Import = match inserted {
        Ok(row) => row.into(),
        Err(error) => {
            // The answer says that nothing was changed; a file that nobody knows of would be litter.
            if let Err(error) = app.storage.delete(&stored.object_key).await {
                tracing::warn!("Object {} is left in storage: {error}", stored.object_key);
            }
            return Err(error);
        }
    };
    app.queue.ring(Task::ProcessImport(import.id));
    tracing::info!(import.id, import.size_bytes, "Import {}: {} bytes stored", import.id, import.size_bytes);
    Ok(created(&import))
}

/// Refuses a file, before it is sent, where too many wait already. What is on its way when the last place is taken is not
/// refused.
pub async fn admit(app: &App) -> ApiResult<()> {
    if queries::has_room(&mut *app.db().await?, app.config.max_open_imports).await? {
        return Ok(());
    }
    Err(ApiError::TooManyRequests { what: "imports wait already", wait_seconds: 30 })
}

/// The answer to who made an import.
pub fn created(import: &Import) -> HttpResponse {
    HttpResponse::Created().insert_header((header::LOCATION, format!("/api/v1/imports/{}", import.id))).json(import)
}

#[derive(Deserialize, IntoParams)]
pub struct ListImports {
    /// `next` of another page
    before: Option<i64>,
    /// Imports on the page, 1 to 100
    #[serde(default = "default_limit")]
    #[param(default = 20, minimum = 1, maximum = 100)]
    limit: i64,
}

fn default_limit() -> i64 {
    20
}

/// `limit`, if it is between 1 and `max`.
fn checked(limit: i64, max: i64) -> ApiResult<i64> {
    if (1..=max).contains(&limit) {
        return Ok(limit);
    }
    Err(ApiError::Invalid(vec![FieldError { field: "limit".into(), message: format!("must be 1 to {max}") }]))
}

/// List imports, newest first.
#[utoipa::path(get, path = "/imports", tag = "imports", params(ListImports), responses(
    (status = 200, body = ImportPage),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn list_imports(app: Data<App>, query: Query<ListImports>) -> ApiResult<Json<ImportPage>> {
    let limit = checked(query.limit, 100)?;
    let rows = queries::list(&mut *app.db().await?, query.before, limit + 1).await?;
    let (items, next) = cut(rows.into_iter().map(Import::from).collect(), limit, |import| import.id);
    Ok(Json(ImportPage { items, next }))
}

/// The first `limit` of `items`, and the key of the last of them if there are more.
fn cut<T>(mut items: Vec<T>, limit: i64, key: fn(&T) -> i64) -> (Vec<T>, Option<i64>) {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(key);
    (items, next)
}

/// Get an import.
#[utoipa::path(get, path = "/imports/{id}", tag = "imports", params(("id" = i64, Path, description = "Number of the import")), responses(
    (status = 200, body = Import),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn get_import(app: Data<App>, id: Path<i64>) -> ApiResult<Json<Import>> {
    let found = queries::get(&mut *app.db().await?, *id).await?;
    found.map(|row| Json(row.into())).ok_or_else(|| missing(*id))
}

fn missing(id: i64) -> ApiError {
    ApiError::NotFound(format!("import {id}"))
}

/// Cancel an import.
///
/// Rows that are already written stay. A running import stops after the batches in hand; watch its events.
#[utoipa::path(post, path = "/imports/{id}/cancel", tag = "imports", params(("id" = i64, Path, description = "Number of the import")), responses(
    (status = 200, body = Import),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "It has already ended"),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn cancel_import(app: Data<App>, id: Path<i64>) -> ApiResult<Json<Import>> {
    let row = job::cancel(&mut *app.db().await?, *id).await?.ok_or_else(|| missing(*id))?;
    match row.status() {
        ImportStatus::Completed | ImportStatus::Failed => {
            Err(ApiError::Conflict(format!("import {id} has already ended; it cannot be cancelled")))
        }
        _ => Ok(Json(row.into())),
    }
}

#[derive(Deserialize, IntoParams)]
pub struct ListRejected {
    /// `next` of another page
    #[serde(default)]
    after: i64,
    /// Rows on the page, 1 to 1,000
    #[serde(default = "default_rejected_limit")]
    #[param(default = 100, minimum = 1, maximum = 1000)]
    limit: i64,
}

fn default_rejected_limit() -> i64 {
    100
}

/// List the rejected rows of an import, in file order.
#[utoipa::path(get, path = "/imports/{id}/rejected", tag = "imports", params(("id" = i64, Path, description = "Number of the import"), ListRejected), responses(
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
#[utoipa::path(get, path = "/imports/{id}/rejected.csv", tag = "imports", params(("id" = i64, Path, description = "Number of the import")), responses(
    (status = 200, body = String, content_type = "text/csv"),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn rejected_csv(app: Data<App>, id: Path<i64>) -> ApiResult<HttpResponse> {
    queries::get(&mut *app.db().await?, *id).await?.ok_or_else(|| missing(*id))?;
    let id = *id;
    let header =
        stream::once(async { csv(["row", "line", "column", "code", "message", "raw"].map(String::from)).await });
    // A connection per page: a slow reader holds none.
    let pages = stream::try_unfold(Some(0), move |after| {
        let app = app.clone();
        async move {
            let Some(after) = after else { return anyhow::Ok(None) };
            let rows = queries::rejected(&mut *app.pool.get().await?, id, after, CSV_PAGE).await?;
            let more = i64::try_from(rows.len())? == CSV_PAGE;
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
                    row.raw,
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
