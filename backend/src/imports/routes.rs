//! `/imports`.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{Data, Json, Path, Payload, Query},
};
use diesel::QueryResult;
use diesel_async::AsyncConnection;
use serde::Deserialize;
use shared::{
    import::{Import, ImportFromUrl, ImportPage},
    job::JobStatus,
    problem::{FieldError, Problem},
};
use utoipa::IntoParams;

use crate::auth::{RequestContext, Rule};
use crate::http::routes::Routes;
use crate::operation;
use crate::{
    app::App,
    http::{ApiError, ApiResult, body},
    imports::{
        by_url,
        finish::{self, RetryError},
        queries::{self, NewImport},
        rejected, request_body, stream,
    },
    jobs::{JobError, Task},
    storage,
};
use shared::auth::Permission::{ReadImports, WriteImports};

/// Longest file name, in characters; longer ones are truncated.
const MAX_FILE_NAME_CHARS: usize = 255;

pub fn configure(routes: &mut Routes) {
    routes
        .add(operation!(create_import), Rule::requires(WriteImports).audited("import.create"))
        .add(operation!(list_imports), Rule::requires(ReadImports))
        .add(operation!(rejected::rejected_csv), Rule::requires(ReadImports))
        .add(operation!(rejected::list_rejected), Rule::requires(ReadImports))
        .add(operation!(cancel_import), Rule::requires(WriteImports).audited("import.cancel"))
        .add(operation!(retry_import), Rule::requires(WriteImports).audited("import.retry"))
        .add(operation!(stream::watch_import), Rule::requires(ReadImports))
        .add(operation!(get_import), Rule::requires(ReadImports));
}

#[derive(Deserialize, IntoParams)]
pub struct CreateImport {
    /// Name of the file, shown in the history
    #[serde(default = "unnamed")]
    #[param(default = "products.csv")]
    file_name: String,
}

fn unnamed() -> String {
    "products.csv".into()
}

/// A file name for the history: without folders, truncated to [`MAX_FILE_NAME_CHARS`].
pub fn kept_name(name: &str) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default().replace('\0', "");
    let name: String = name.chars().take(MAX_FILE_NAME_CHARS).collect();
    if name.is_empty() { unnamed() } else { name }
}

/// Import a CSV file.
///
/// The body is the file itself, or JSON with the URL to fetch it from. The file: UTF-8, with a header line that has the
/// columns `sku`, `name` and optionally `description`, in any case and order; other columns become attributes. The
/// delimiter (comma, semicolon, tab, pipe) is detected. Columns that are not in the file stay as they are; a blank or missing
/// cell clears the description or the attribute. At most 1,000 columns, and 200 attributes per row.
///
/// The import starts as soon as the file is stored; a file at a URL is fetched by a worker. Watch it under
/// `/imports/{id}/events`.
#[utoipa::path(post, path = "/imports", tag = "imports", params(CreateImport),
    request_body(content((String = "text/csv"), (ImportFromUrl = "application/json")), description = "The file, or its URL"),
    responses(
        (status = 201, body = Import, headers(("Location" = String, description = "URL of the import"))),
    ))]
pub async fn create_import(
    app: Data<App>,
    context: RequestContext,
    query: Query<CreateImport>,
    request: HttpRequest,
    mut body: Payload,
) -> ApiResult<HttpResponse> {
    if let Err(error) = admit(&app).await {
        body::drain(&mut body).await;
        return Err(error);
    }
    if by_url::is_asked_for(&request) {
        return by_url::create(&app, context.principal.user_id(), &request, body).await;
    }
    let stored = request_body::store(&app, context.principal.user_id(), &request, body).await?;
    let file_name = kept_name(&query.file_name);
    let new = NewImport {
        file_name: &file_name,
        object_key: &stored.object_key,
        size_bytes: stored.size_bytes,
        sha256: &stored.sha256,
        format: serde_json::to_value(&stored.format).map_err(|error| ApiError::Internal(error.into()))?,
    };
    let conn = &mut *app.db().await?;
    let inserting = conn.transaction(async |conn| {
        if !storage::claim(conn, &stored.object_key, stored.size_bytes).await? {
            return QueryResult::Ok(None);
        }
        queries::insert(conn, &new).await.map(Some)
    });
    // Without an import, the file is removed when its lease ends.
    let import: Import = inserting.await?.ok_or(ApiError::Unavailable("the file storage"))?.into();
    app.queue.enqueue(Task::ProcessImport(import.id));
    tracing::info!(import.id, stored.size_bytes, "Import {}: {} bytes stored", import.id, stored.size_bytes);
    Ok(created(&import))
}

/// Rejects a file before it is sent, if too many imports are queued or running. Files that are being sent when the limit is
/// reached are accepted.
pub async fn admit(app: &App) -> ApiResult<()> {
    if queries::has_room(&mut *app.db().await?, app.config.max_open_imports).await? {
        return Ok(());
    }
    Err(ApiError::TooManyRequests { what: "imports are queued or running", wait_seconds: 30 })
}

/// The response to a request that created an import.
pub fn created(import: &Import) -> HttpResponse {
    HttpResponse::Created().insert_header((header::LOCATION, format!("/api/v1/imports/{}", import.id))).json(import)
}

#[derive(Deserialize, IntoParams)]
pub struct ListImports {
    /// `next` of the previous page
    before: Option<i64>,
    /// Imports per page, 1 to 100
    #[serde(default = "default_limit")]
    #[param(default = 20, minimum = 1, maximum = 100)]
    limit: i64,
}

fn default_limit() -> i64 {
    20
}

/// Returns `limit` if it is between 1 and `max`.
pub fn checked(limit: i64, max: i64) -> ApiResult<i64> {
    if (1..=max).contains(&limit) {
        return Ok(limit);
    }
    Err(ApiError::Invalid(vec![FieldError { field: "limit".into(), message: format!("must be 1 to {max}") }]))
}

/// List imports, newest first.
#[utoipa::path(get, path = "/imports", tag = "imports", params(ListImports), responses(
    (status = 200, body = ImportPage),
))]
pub async fn list_imports(app: Data<App>, query: Query<ListImports>) -> ApiResult<Json<ImportPage>> {
    let limit = checked(query.limit, 100)?;
    let rows = queries::list(&mut *app.db().await?, query.before, limit + 1).await?;
    let (items, next) = cut(rows.into_iter().map(Import::from).collect(), limit, |import| import.id);
    Ok(Json(ImportPage { items, next }))
}

/// Returns the first `limit` of `items`, and the key of the last of them if there are more.
pub fn cut<T>(mut items: Vec<T>, limit: i64, key: fn(&T) -> i64) -> (Vec<T>, Option<i64>) {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(key);
    (items, next)
}

/// Get an import.
#[utoipa::path(get, path = "/imports/{id}", tag = "imports", params(("id" = i64, Path, description = "Import id")), responses(
    (status = 200, body = Import),
))]
pub async fn get_import(app: Data<App>, id: Path<i64>) -> ApiResult<Json<Import>> {
    let found = queries::get(&mut *app.db().await?, *id).await?;
    found.map(|row| Json(row.into())).ok_or_else(|| missing(*id))
}

pub fn missing(id: i64) -> ApiError {
    ApiError::not_found("import", id)
}

/// Cancel an import.
///
/// Rows that have been imported stay. A running import stops after the batches in progress; watch its events.
#[utoipa::path(post, path = "/imports/{id}/cancel", tag = "imports", params(("id" = i64, Path, description = "Import id")), responses(
    (status = 200, body = Import),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "It has already ended"),
))]
pub async fn cancel_import(app: Data<App>, id: Path<i64>) -> ApiResult<Json<Import>> {
    let row = finish::cancel(&mut *app.db().await?, *id).await.map_err(unavailable)?.ok_or_else(|| missing(*id))?;
    match row.status() {
        JobStatus::Completed | JobStatus::Failed => {
            Err(ApiError::Conflict(format!("import {id} has already ended; it cannot be cancelled")))
        }
        _ => Ok(Json(row.into())),
    }
}

fn unavailable(error: JobError) -> ApiError {
    match error {
        JobError::Db(error) => error.into(),
        JobError::Pool(error) => error.into(),
        // Locked and then gone: not while it is locked.
        error => ApiError::Internal(error.into()),
    }
}

/// Retry a failed import.
///
/// It continues where it stopped: rows that have been processed are not processed again. Not possible once its file was
/// removed from storage, or if all of its rows have been processed and rejected.
#[utoipa::path(post, path = "/imports/{id}/retry", tag = "imports", params(("id" = i64, Path, description = "Import id")), responses(
    (status = 200, body = Import),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "It has not failed, or there is nothing to retry"),
))]
pub async fn retry_import(app: Data<App>, id: Path<i64>) -> ApiResult<Json<Import>> {
    admit(&app).await?;
    let row = finish::retry(&mut *app.db().await?, *id).await.map_err(|error| match error {
        RetryError::NotFound(id) => missing(id),
        RetryError::Db(error) => error.into(),
        refused => ApiError::Conflict(refused.to_string()),
    })?;
    app.queue.enqueue(Task::ProcessImport(*id));
    tracing::info!(import.id = *id, "Import {id}: retried");
    Ok(Json(row.into()))
}
