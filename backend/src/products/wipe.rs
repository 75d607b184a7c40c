//! The whole catalogue, deleted at once.

use actix_web::{
    HttpRequest,
    web::{Data, Json, Query},
};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use serde::Deserialize;
use shared::{
    bulk::{CatalogueNews, DeletedAll},
    problem::Problem,
};
use utoipa::IntoParams;

use crate::{
    app::App,
    events,
    http::{ApiError, ApiResult},
    products::{changes, headers},
    schema::products,
};

#[derive(Deserialize, IntoParams)]
pub struct Confirm {
    /// How many products there are, as a sign that this is meant
    #[param(required = true)]
    confirm: Option<i64>,
}

/// Delete all products.
///
/// At once, and for good: they cannot be brought back. Imports stay; one that is running goes on, and adds products again.
#[utoipa::path(delete, path = "/products", tag = "products", params(
    Confirm,
    ("X-Client-Id" = Option<String>, Header, description = "Comes back in the news of this change"),
), responses(
    (status = 200, body = DeletedAll),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "There are more, or fewer"),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json"),
))]
pub async fn delete_all_products(
    app: Data<App>,
    query: Query<Confirm>,
    request: HttpRequest,
) -> ApiResult<Json<DeletedAll>> {
    let Some(confirm) = query.confirm else {
        return Err(ApiError::BadRequest(
            "say how many products are to be deleted: ?confirm= and the count that /api/v1/products/count tells".into(),
        ));
    };
    let client = headers::client(request.headers());
    let conn = &mut *app.db().await?;
    // A wrong count is found out without holding anybody up.
    check(conn, confirm).await?;
    conn.transaction(async |conn| {
        // The table of the products first, as whoever writes them does.
        conn.batch_execute("SET LOCAL lock_timeout = '5s'; LOCK TABLE products IN ACCESS EXCLUSIVE MODE").await?;
        check(conn, confirm).await?;
        changes::delete_all(conn).await?;
        conn.batch_execute(
            "TRUNCATE products, search_segments, search_lists, search_keys, search_zones, deleted_products",
        )
        .await?;
        ApiResult::Ok(events::catalogue_changed(conn, &CatalogueNews { count: None, ids: Vec::new(), client }).await?)
    })
    .await?;
    // Else the planner believes in half a million rows until autovacuum comes by, and the next import suffers.
    if let Err(error) = conn.batch_execute("ANALYZE products").await {
        tracing::warn!("The statistics of the emptied catalogue are left to autovacuum: {error}");
    }
    tracing::info!(deleted = confirm, "All {confirm} products were deleted");
    Ok(Json(DeletedAll { deleted: confirm }))
}

/// # Errors
/// [`ApiError::Conflict`] where there are not exactly so many products.
async fn check(conn: &mut AsyncPgConnection, confirm: i64) -> ApiResult<()> {
    let count: i64 = products::table.count().get_result(conn).await?;
    if count == confirm {
        return Ok(());
    }
    Err(ApiError::Conflict(format!("there are {count} products, not {confirm}; nothing was deleted")))
}
