//! `DELETE /products`: deletes the whole catalogue at once.

use actix_web::{
    HttpRequest,
    web::{Data, Json, Query},
};
use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection};
use serde::Deserialize;
use shared::{bulk::DeletedAll, problem::Problem};
use utoipa::IntoParams;

use crate::{
    app::App,
    http::{ApiError, ApiResult},
    products::{changes, headers, queries, search},
};

#[derive(Deserialize, IntoParams)]
pub struct Confirmation {
    /// The number of products, as returned by `/products/count`
    #[param(required = true)]
    confirm: Option<i64>,
}

/// Delete all products.
///
/// The deletion takes effect at once and cannot be reverted. Imports are kept; a running import continues and adds products
/// again.
#[utoipa::path(delete, path = "/products", tag = "products", params(
    Confirmation,
    ("X-Client-Id" = Option<String>, Header, description = "Returned in the event of this change"),
), responses(
    (status = 200, body = DeletedAll),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "The number of products is another one"),
))]
pub async fn delete_all_products(
    app: Data<App>,
    query: Query<Confirmation>,
    request: HttpRequest,
) -> ApiResult<Json<DeletedAll>> {
    let Some(confirm) = query.confirm else {
        return Err(ApiError::BadRequest(
            "confirm is missing; set it to the number of products that /api/v1/products/count returns".into(),
        ));
    };
    let client = headers::client(request.headers());
    let conn = &mut *app.db().await?;
    // Refuses a wrong count without locking the table.
    check(conn, confirm).await?;
    conn.transaction(async |conn| {
        // The table of products first, like every writer.
        conn.batch_execute("SET LOCAL lock_timeout = '5s'; LOCK TABLE products IN ACCESS EXCLUSIVE MODE").await?;
        check(conn, confirm).await?;
        changes::record_deletion_of_all(conn, client).await?;
        queries::truncate(conn).await?;
        ApiResult::Ok(search::truncate(conn).await?)
    })
    .await?;
    // Until autovacuum runs, the planner would assume the old number of products and slow down the next import.
    if let Err(error) = conn.batch_execute("ANALYZE products").await {
        tracing::warn!("The statistics of the empty catalogue could not be updated; autovacuum will do it: {error}");
    }
    tracing::info!(deleted = confirm, "Deleted all {confirm} products");
    Ok(Json(DeletedAll { deleted: confirm }))
}

/// # Errors
/// [`ApiError::Conflict`] if the number of products is not `confirm`.
async fn check(conn: &mut AsyncPgConnection, confirm: i64) -> ApiResult<()> {
    let count = queries::count(conn).await?;
    if count == confirm {
        return Ok(());
    }
    Err(ApiError::Conflict(format!("there are {count} products, not {confirm}; nothing was deleted")))
}
