//! Reading the indexes: candidates, the filter that decides, the order, and the page.

mod candidates;
pub mod filter;
mod page;
mod sort;

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use shared::search::ProductFilter;

pub use filter::condition;
pub use page::{Page, page};

use crate::{
    app::App,
    http::{ApiError, ApiResult},
    products::row::ProductRow,
    schema::products,
};

/// Begins the transaction of a search: its statements are cancelled after a time limit, and its locks are taken in order.
async fn begin(conn: &mut AsyncPgConnection, app: &App) -> QueryResult<()> {
    let seconds = app.config.search_timeout_seconds;
    conn.batch_execute(&format!("SET LOCAL statement_timeout = '{seconds}s'; LOCK TABLE products IN ACCESS SHARE MODE"))
        .await
}

/// Returns the number of products that match.
pub async fn count(app: &App, filter: &ProductFilter) -> ApiResult<i64> {
    let mut conn = app.db_for_read().await?;
    let mut transaction = conn.build_transaction().read_only().repeatable_read();
    let count = transaction.run(async |conn| {
        begin(conn, app).await?;
        count_in(conn, filter).await
    });
    count.await.map_err(ApiError::from)
}

/// The same, in a transaction of the caller that has locked the tables in order.
pub async fn count_in(conn: &mut AsyncPgConnection, filter: &ProductFilter) -> QueryResult<i64> {
    let all = products::table.filter(condition(filter));
    match candidates::candidates(conn, filter).await? {
        Some(ids) => all.filter(products::id.eq_any(ids)).count().get_result(conn).await,
        None => all.count().get_result(conn).await,
    }
}

/// Returns the matching products with an id greater than `after`, in the order of their ids, at most `limit`. For exports and
/// changes of many products, which read all matches in batches.
pub async fn find_after(
    conn: &mut AsyncPgConnection,
    filter: &ProductFilter,
    after: i64,
    limit: i64,
) -> QueryResult<Vec<ProductRow>> {
    ProductRow::query()
        .filter(products::id.gt(after))
        .filter(condition(filter))
        .order(products::id)
        .limit(limit)
        .load(conn)
        .await
}
