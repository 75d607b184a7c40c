//! `/products/bulk` and `/products/jobs`.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{Data, Path},
};
use diesel_async::{AsyncConnection, SimpleAsyncConnection};
use shared::{
    auth::Permission,
    bulk::{BulkAction, BulkJob, BulkJobList, BulkOutcome, BulkRequest},
    job::JobStatus,
    problem::Problem,
    search::ProductFilter,
};

use super::{
    apply,
    job::{self, NewJob},
};
use crate::{
    app::App,
    auth::RequestContext,
    http::{ApiError, ApiResult, Json},
    jobs::Task,
    products::{changes::Deletion, edit::check_ids, headers, list::check_filter, queries, search},
};

/// Change or delete many products.
///
/// Products that are named by `ids` are changed in one transaction; if they are deleted, they can be restored for an hour. All
/// products that match a `filter` are changed by a job in batches: watch it under `/products/jobs/{id}/events`. The job ignores
/// products that are created after it. An activation or deactivation by a job can be reverted
/// (`POST /products/jobs/{id}/undo`); products that a job deletes cannot be restored.
///
/// A request for every product needs `all` and their `count`. Deleting every product, also by a filter that matches all of
/// them, needs the permission of `DELETE /products`.
#[utoipa::path(post, path = "/products/bulk", tag = "products", params(
    ("X-Client-Id" = Option<String>, Header, description = "Returned in the events of this change"),
), request_body = BulkRequest, responses(
    (status = 200, body = BulkOutcome, description = "The products named by `ids` have been changed"),
    (status = 202, body = BulkJob, description = "A job has been created",
        headers(("Location" = String, description = "The job"))),
    (status = 403, body = Problem, content_type = "application/problem+json", description = "Every product would be deleted"),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "The number of products is another one"),
))]
pub async fn change_many(
    app: Data<App>,
    context: RequestContext,
    bulk: Json<BulkRequest>,
    request: HttpRequest,
) -> ApiResult<HttpResponse> {
    let client = headers::client(request.headers());
    let BulkRequest { action, ids, filter, all, count } = bulk.into_inner();
    if action == BulkAction::Unknown {
        let known = BulkAction::ALL.map(BulkAction::as_str).join(", ");
        return Err(ApiError::invalid("action", format!("is not known; known are {known}")));
    }
    if !ids.is_empty() {
        if filter.is_some() || all || count.is_some() {
            return Err(ApiError::invalid("ids", "cannot be combined with filter, all or count"));
        }
        let changed = change_by_ids(&app, action, &ids, client.as_deref()).await?;
        return Ok(HttpResponse::Ok().json(BulkOutcome { changed }));
    }
    let filter = filter.unwrap_or_default();
    check_filter(&filter)?;
    check_all(&filter, all, count)?;
    let may_delete_all = context.principal.can(Permission::Admin);
    let new = NewJob { action, filter: &filter, client: client.as_deref(), undo_of: None };
    Ok(accepted(&app, &create_job(&app, new, count, may_delete_all).await?))
}

/// # Errors
/// [`ApiError::Invalid`] unless `all` says whether every product is meant, and `count` how many they are.
fn check_all(filter: &ProductFilter, all: bool, count: Option<i64>) -> ApiResult<()> {
    match (filter.is_empty(), all) {
        (true, false) => Err(ApiError::invalid(
            "all",
            "must be true to change every product; otherwise name the products by ids or by a filter",
        )),
        (false, true) => Err(ApiError::invalid("all", "cannot be combined with a filter that has conditions")),
        (true, true) if count.is_none() => Err(ApiError::invalid(
            "count",
            "is missing; set it to the number of products that /api/v1/products/count returns",
        )),
        _ => Ok(()),
    }
}

async fn change_by_ids(app: &App, action: BulkAction, ids: &[i64], client: Option<&str>) -> ApiResult<i64> {
    check_ids(ids)?;
    let mut conn = app.db_for_read().await?;
    let changed = conn.transaction(async |conn| {
        let rows = queries::lock(conn, ids).await?;
        apply(conn, action, rows, Deletion::Restorable, client).await
    });
    Ok(i64::try_from(changed.await?.len()).unwrap_or(i64::MAX))
}

/// Creates a job for the products that match. The number of matches, the number of all products and the job are of one
/// snapshot.
async fn create_job(app: &App, new: NewJob<'_>, count: Option<i64>, may_delete_all: bool) -> ApiResult<BulkJob> {
    let mut conn = app.db().await?;
    let mut transaction = conn.build_transaction().repeatable_read();
    let job = transaction.run(async |conn| {
        conn.batch_execute("SET LOCAL statement_timeout = '60s'; LOCK TABLE products IN ACCESS SHARE MODE").await?;
        let total = search::count_in(conn, new.filter).await?;
        if let Some(count) = count.filter(|count| *count != total) {
            return Err(ApiError::Conflict(format!("{total} products match, not {count}; nothing was changed")));
        }
        if new.action == BulkAction::Delete && !may_delete_all && total > 0 && total == queries::count(conn).await? {
            return Err(ApiError::Forbidden(
                "this would delete every product, which only an admin may do; use a filter that matches fewer products",
            ));
        }
        let last_id = queries::last_id(conn).await?.unwrap_or(0);
        Ok(job::insert(conn, &new, last_id, total).await?)
    });
    Ok(job.await?.into())
}

/// Enqueues a new job and returns the response.
fn accepted(app: &App, job: &BulkJob) -> HttpResponse {
    app.queue.enqueue(Task::RunBulk(job.id));
    tracing::info!(job.id, job.total, "Job {}: {} {} products", job.id, job.action.as_str(), job.total);
    let location = format!("/api/v1/products/jobs/{}", job.id);
    HttpResponse::Accepted().insert_header((header::LOCATION, location)).json(job)
}

pub(super) fn not_found(id: i64) -> ApiError {
    ApiError::not_found("job", id)
}

/// List the latest jobs.
///
/// The newest first, at most 50. Ended jobs are kept for some days.
#[utoipa::path(get, path = "/products/jobs", tag = "products", responses(
    (status = 200, body = BulkJobList),
))]
pub async fn list_jobs(app: Data<App>) -> ApiResult<Json<BulkJobList>> {
    let rows = job::latest(&mut *app.db().await?, 50).await?;
    Ok(Json(BulkJobList { items: rows.into_iter().map(Into::into).collect() }))
}

/// Get a job.
#[utoipa::path(get, path = "/products/jobs/{id}", tag = "products", params(("id" = i64, Path, description = "Job id")), responses(
    (status = 200, body = BulkJob),
))]
pub async fn get_job(app: Data<App>, id: Path<i64>) -> ApiResult<Json<BulkJob>> {
    let found = job::get(&mut *app.db().await?, *id).await?;
    found.map(|row| Json(row.into())).ok_or_else(|| not_found(*id))
}

/// Cancel a job.
///
/// Products that have been changed stay changed. A running job stops after the current batch; watch its events.
#[utoipa::path(post, path = "/products/jobs/{id}/cancel", tag = "products", params(("id" = i64, Path, description = "Job id")), responses(
    (status = 200, body = BulkJob),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "The job has ended"),
))]
pub async fn cancel_job(app: Data<App>, id: Path<i64>) -> ApiResult<Json<BulkJob>> {
    let job: BulkJob = job::cancel(&mut *app.db().await?, *id).await?.ok_or_else(|| not_found(*id))?.into();
    match job.status {
        JobStatus::Completed | JobStatus::Failed => {
            Err(ApiError::Conflict(format!("job {id} has already ended; it cannot be cancelled")))
        }
        _ => Ok(Json(job)),
    }
}

/// Undo a job.
///
/// Creates a job that reverts the activation or deactivation of the products that job `id` has changed, also if it failed or
/// was cancelled. Products that were set back or deleted since are left alone. The new job can be undone in turn. Jobs can be
/// undone until they are deleted, some days after their end.
#[utoipa::path(post, path = "/products/jobs/{id}/undo", tag = "products", params(
    ("id" = i64, Path, description = "Job id"),
    ("X-Client-Id" = Option<String>, Header, description = "Returned in the events of this change"),
), responses(
    (status = 202, body = BulkJob, description = "A job has been created",
        headers(("Location" = String, description = "The new job"))),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "The job has not ended, or cannot be undone"),
))]
pub async fn undo_job(app: Data<App>, id: Path<i64>, request: HttpRequest) -> ApiResult<HttpResponse> {
    let client = headers::client(request.headers());
    let mut conn = app.db().await?;
    let job: BulkJob = job::get(&mut conn, *id).await?.ok_or_else(|| not_found(*id))?.into();
    let refuse = |reason: &str| Err(ApiError::Conflict(format!("job {id} {reason}")));
    let Some(action) = job.action.reverse() else {
        return refuse("has deleted products, which cannot be undone");
    };
    if !job.status.is_final() {
        return refuse("has not ended; cancel it first");
    }
    if !job.can_be_undone() {
        return refuse("has changed no products; there is nothing to undo");
    }
    let last_id = queries::last_id(&mut conn).await?.unwrap_or(0);
    let filter = ProductFilter::default();
    let new = NewJob { action, filter: &filter, client: client.as_deref(), undo_of: Some(job.id) };
    let undo = job::insert(&mut conn, &new, last_id, job.changed).await?;
    Ok(accepted(&app, &undo.into()))
}
