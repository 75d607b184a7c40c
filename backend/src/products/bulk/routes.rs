//! `/products/bulk` and `/products/jobs`.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{Data, Path},
};
use diesel_async::AsyncConnection;
use shared::{
    bulk::{BulkAction, BulkJob, BulkJobList, BulkOutcome, BulkRequest},
    job::JobStatus,
    problem::Problem,
    search::ProductFilter,
};

use super::{act, job};
use crate::{
    app::App,
    http::{ApiError, ApiResult, Json},
    jobs::Task,
    products::{edit::check_ids, headers, list::check_filter, queries, search},
};

/// Change or delete many products.
///
/// Products that are named by `ids` are done at once, or not at all; if they are deleted, they can be brought back for an
/// hour. All that match a `filter` are done by a job, piece by piece: watch it under `/products/jobs/{id}/events`. Products
/// that come after the job are not touched, and what it deletes is gone for good.
#[utoipa::path(post, path = "/products/bulk", tag = "products", params(
    ("X-Client-Id" = Option<String>, Header, description = "Comes back in the news of this change"),
), request_body = BulkRequest, responses(
    (status = 200, body = BulkOutcome, description = "Done, as the products were named"),
    (status = 202, body = BulkJob, description = "Begun, as a filter was given",
        headers(("Location" = String, description = "The job"))),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn change_many(app: Data<App>, bulk: Json<BulkRequest>, request: HttpRequest) -> ApiResult<HttpResponse> {
    let client = headers::client(request.headers());
    let BulkRequest { action, ids, filter } = bulk.into_inner();
    match filter {
        None if ids.is_empty() => Err(ApiError::invalid("ids", "say which products: by ids or by a filter")),
        None => {
            let changed = change_named(&app, action, &ids, client.as_deref()).await?;
            Ok(HttpResponse::Ok().json(BulkOutcome { changed }))
        }
        Some(_) if !ids.is_empty() => Err(ApiError::invalid("filter", "cannot be together with ids")),
        Some(filter) => {
            let job = begin(&app, action, &filter, client.as_deref()).await?;
            let location = format!("/api/v1/products/jobs/{}", job.id);
            Ok(HttpResponse::Accepted().insert_header((header::LOCATION, location)).json(job))
        }
    }
}

async fn change_named(app: &App, action: BulkAction, ids: &[i64], client: Option<&str>) -> ApiResult<i64> {
    check_ids(ids)?;
    let mut conn = app.db().await?;
    let changed = conn.transaction(async |conn| {
        let rows = queries::lock(conn, ids).await?;
        act(conn, action, rows, true, client).await
    });
    Ok(changed.await?)
}

async fn begin(app: &App, action: BulkAction, filter: &ProductFilter, client: Option<&str>) -> ApiResult<BulkJob> {
    check_filter(filter)?;
    let total = search::count(app, filter).await?;
    let mut conn = app.db().await?;
    let last_id = queries::last_id(&mut conn).await?;
    let job: BulkJob = job::insert(&mut conn, action, filter, client, last_id, total).await?.into();
    app.queue.enqueue(Task::RunBulk(job.id));
    tracing::info!(job.id, total, "Job {}: {} {total} products", job.id, action.as_str());
    Ok(job)
}

pub(super) fn missing(id: i64) -> ApiError {
    ApiError::NotFound(format!("job {id}"))
}

/// List the latest jobs.
///
/// The newest first, at most 50. They are kept for a while after their end.
#[utoipa::path(get, path = "/products/jobs", tag = "products", responses(
    (status = 200, body = BulkJobList),
    (status = "5XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn list_jobs(app: Data<App>) -> ApiResult<Json<BulkJobList>> {
    let rows = job::latest(&mut *app.db().await?, 50).await?;
    Ok(Json(BulkJobList { items: rows.into_iter().map(Into::into).collect() }))
}

/// Get a job.
#[utoipa::path(get, path = "/products/jobs/{id}", tag = "products", params(("id" = i64, Path, description = "Number of the job")), responses(
    (status = 200, body = BulkJob),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn get_job(app: Data<App>, id: Path<i64>) -> ApiResult<Json<BulkJob>> {
    let found = job::get(&mut *app.db().await?, *id).await?;
    found.map(|row| Json(row.into())).ok_or_else(|| missing(*id))
}

/// Cancel a job.
///
/// What is done stays done. A running job stops after the products in hand; watch its events.
#[utoipa::path(post, path = "/products/jobs/{id}/cancel", tag = "products", params(("id" = i64, Path, description = "Number of the job")), responses(
    (status = 200, body = BulkJob),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "It has already ended"),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn cancel_job(app: Data<App>, id: Path<i64>) -> ApiResult<Json<BulkJob>> {
    let job: BulkJob = job::cancel(&mut *app.db().await?, *id).await?.ok_or_else(|| missing(*id))?.into();
    match job.status {
        JobStatus::Completed | JobStatus::Failed => {
            Err(ApiError::Conflict(format!("job {id} has already ended; it cannot be cancelled")))
        }
        _ => Ok(Json(job)),
    }
}
