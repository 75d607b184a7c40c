//! Where a list by id need not look: the products in zones of neighbouring ids, and between which times and imports they
//! lie.
//!
//! A list of half a million products of which those of a time range are the second half has 250,000 to walk past before
//! its first match; with the bounds of each zone it leaps over them. Ids grow with time and imports, so bounds are narrow.

use std::ops::Range;

use diesel::prelude::*;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use shared::search::ProductFilter;

use crate::schema::search_zones;

/// Products of a zone. The rows of the table are made by it: another size takes a migration.
const SIZE: i64 = 4_096;

/// The end of a statement that widens the bounds by the rows of `sorted`, which has columns of `search_keys`.
pub fn widen() -> String {
    format!(
        "INSERT INTO search_zones AS z \
         SELECT product_id / {SIZE}, min(created_at), max(created_at), min(updated_at), max(updated_at), min(import_id), \
             max(import_id) \
         FROM sorted GROUP BY 1 \
         ON CONFLICT (zone) DO UPDATE SET \
             created_from = least(z.created_from, excluded.created_from), \
             created_to = greatest(z.created_to, excluded.created_to), \
             updated_from = least(z.updated_from, excluded.updated_from), \
             updated_to = greatest(z.updated_to, excluded.updated_to), \
             import_from = least(z.import_from, excluded.import_from), \
             import_to = greatest(z.import_to, excluded.import_to)"
    )
}

/// Makes all bounds as narrow as they can be, which takes a third of a second for a million products. Nobody else may sort
/// in meanwhile.
pub async fn narrow(conn: &mut AsyncPgConnection) -> QueryResult<()> {
    conn.transaction(async |conn| {
        super::lock_in_order(conn).await?;
        // Not emptied, which would wait for all who read.
        diesel::delete(search_zones::table).execute(conn).await?;
        conn.batch_execute(&format!("WITH sorted AS (SELECT * FROM search_keys) {}", widen())).await
    })
    .await
}

/// The ranges of ids outside of which no row of `search_keys` is meant by `filter`, ascending.
pub async fn runs(conn: &mut AsyncPgConnection, filter: &ProductFilter) -> QueryResult<Vec<Range<i64>>> {
    let mut query = search_zones::table.into_boxed();
    macro_rules! narrow {
        ($value:expr, $column:ident, $is:ident) => {
            if let Some(value) = $value {
                query = query.filter(search_zones::$column.$is(value));
            }
        };
    }
    narrow!(filter.created_from, created_to, ge);
    narrow!(filter.created_to, created_from, lt);
    narrow!(filter.updated_from, updated_to, ge);
    narrow!(filter.updated_to, updated_from, lt);
    narrow!(filter.import, import_from, le);
    narrow!(filter.import, import_to, ge);
    let zones: Vec<i64> = query.select(search_zones::zone).order(search_zones::zone).load(conn).await?;
    let runs = zones.chunk_by(|left, right| left + 1 == *right);
    Ok(runs.map(|run| run[0] * SIZE..(run[run.len() - 1] + 1) * SIZE).collect())
}
