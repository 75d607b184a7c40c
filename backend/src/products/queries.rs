//! Reading and writing products by id. Only `changes` calls the writing functions, because it writes the consequences.

use chrono::{DateTime, Utc};
use diesel::{
    dsl::{now, sql},
    expression::SqlLiteral,
    prelude::*,
    sql_types::{Array, BigInt, Timestamptz},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use shared::product::{ProductInput, sku_key};

use crate::{
    db,
    products::row::{ProductRow, ProductValues},
    schema::{deleted_products, products},
};

pub async fn get(conn: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<ProductRow>> {
    db::optional(ProductRow::query().filter(products::id.eq(id)).first(conn).await)
}

/// Returns the product whose SKU equals this one by the rule of [`sku_key`].
pub async fn by_sku(conn: &mut AsyncPgConnection, sku: &str) -> QueryResult<Option<ProductRow>> {
    db::optional(ProductRow::query().filter(products::sku_key.eq(sku_key(sku))).first(conn).await)
}

/// Returns the existing products among `ids`, in the order of their ids.
pub async fn get_many(conn: &mut AsyncPgConnection, ids: &[i64]) -> QueryResult<Vec<ProductRow>> {
    ProductRow::query().filter(products::id.eq_any(ids)).order(products::id).load(conn).await
}

/// The same, locked until the end of the transaction. Rows are locked in the same order as by imports, to avoid deadlocks.
pub async fn lock(conn: &mut AsyncPgConnection, ids: &[i64]) -> QueryResult<Vec<ProductRow>> {
    ProductRow::query().filter(products::id.eq_any(ids)).order(products::sku_key).for_update().load(conn).await
}

/// Returns the highest id of a product; `None` if there are no products.
pub async fn last_id(conn: &mut AsyncPgConnection) -> QueryResult<Option<i64>> {
    products::table.select(diesel::dsl::max(products::id)).first(conn).await
}

/// Returns the number of all products.
pub async fn count(conn: &mut AsyncPgConnection) -> QueryResult<i64> {
    products::table.count().get_result(conn).await
}

pub(super) async fn insert(conn: &mut AsyncPgConnection, input: &ProductInput) -> QueryResult<ProductRow> {
    diesel::insert_into(products::table)
        .values(ProductValues::from(input))
        .returning(ProductRow::as_returning())
        .get_result(conn)
        .await
}

pub(super) async fn update(conn: &mut AsyncPgConnection, id: i64, input: &ProductInput) -> QueryResult<ProductRow> {
    let statement = diesel::update(products::table.find(id))
        .set((ProductValues::from(input), products::version.eq(products::version + 1), products::updated_at.eq(now)))
        .returning(ProductRow::as_returning());
    db::prepared(statement).get_result(conn).await
}

/// Returns id, new version and time of change of those products that were in the other state.
pub(super) async fn set_active(
    conn: &mut AsyncPgConnection,
    ids: &[i64],
    active: bool,
) -> QueryResult<Vec<(i64, i64, DateTime<Utc>)>> {
    diesel::update(products::table.filter(products::id.eq_any(ids)).filter(products::active.ne(active)))
        .set((products::active.eq(active), products::version.eq(products::version + 1), products::updated_at.eq(now)))
        .returning((products::id, products::version, products::updated_at))
        .get_results(conn)
        .await
}

pub(super) async fn delete(conn: &mut AsyncPgConnection, ids: &[i64]) -> QueryResult<()> {
    diesel::delete(products::table.filter(products::id.eq_any(ids))).execute(conn).await.map(drop)
}

/// Deletes all products, also those that could be restored. The caller has locked the table.
pub(super) async fn truncate(conn: &mut AsyncPgConnection) -> QueryResult<()> {
    conn.batch_execute("TRUNCATE products, deleted_products").await
}

/// Deleted products can be restored until this time after their deletion.
fn an_hour_ago() -> SqlLiteral<Timestamptz> {
    sql("now() - interval '1 hour'")
}

/// Keeps a copy of products that are about to be deleted.
pub(super) async fn keep_deleted(conn: &mut AsyncPgConnection, ids: &[i64]) -> QueryResult<()> {
    let copy =
        "INSERT INTO deleted_products (id, product) SELECT id, to_jsonb(p) FROM products AS p WHERE id = ANY ($1)";
    diesel::sql_query(copy).bind::<Array<BigInt>, _>(ids).execute(conn).await.map(drop)
}

/// Restores deleted products, except those whose SKU is taken. Of several products with one SKU, the one that was deleted last
/// is restored.
pub(super) async fn restore(conn: &mut AsyncPgConnection, ids: &[i64]) -> QueryResult<Vec<ProductRow>> {
    // Locked first, so that of two requests for the same products the second finds none.
    let kept: Vec<i64> = deleted_products::table
        .filter(deleted_products::id.eq_any(ids))
        .filter(deleted_products::deleted_at.gt(an_hour_ago()))
        .select(deleted_products::id)
        .order(deleted_products::id)
        .for_update()
        .load(conn)
        .await?;
    let insert = "INSERT INTO products \
         SELECT p.* FROM deleted_products AS d CROSS JOIN LATERAL jsonb_populate_record(NULL::products, d.product) AS p \
         WHERE d.id = ANY ($1) ORDER BY d.deleted_at DESC, d.id DESC ON CONFLICT DO NOTHING RETURNING id";
    let restored: Vec<Id> = diesel::sql_query(insert).bind::<Array<BigInt>, _>(&kept).get_results(conn).await?;
    let restored: Vec<_> = restored.into_iter().map(|row| row.id).collect();
    diesel::delete(deleted_products::table.filter(deleted_products::id.eq_any(&restored))).execute(conn).await?;
    get_many(conn, &restored).await
}

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

/// Deletes the copies of products that can no longer be restored.
pub async fn purge_deleted(conn: &mut AsyncPgConnection) -> QueryResult<()> {
    let expired = deleted_products::deleted_at.le(an_hour_ago());
    diesel::delete(deleted_products::table.filter(expired)).execute(conn).await.map(drop)
}
