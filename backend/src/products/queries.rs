//! Reading and writing products one by one, or by their ids. Writing is for `changes` alone, which sees to the consequences.

use chrono::{DateTime, Utc};
use diesel::{
    dsl::{now, sql},
    expression::SqlLiteral,
    prelude::*,
    sql_types::{Array, BigInt, Timestamptz},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::product::{ProductInput, sku_key};

use crate::{
    db,
    products::row::ProductRow,
    schema::{deleted_products, products},
};

/// Columns of a product, for statements that carry whole products over.
const COLUMNS: &str =
    "id, sku_key, sku, name, description, active, attributes, version, import_id, created_at, updated_at";

pub async fn get(conn: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<ProductRow>> {
    db::optional(ProductRow::query().filter(products::id.eq(id)).first(conn).await)
}

/// The product that has this SKU, in whatever case.
pub async fn by_sku(conn: &mut AsyncPgConnection, sku: &str) -> QueryResult<Option<ProductRow>> {
    db::optional(ProductRow::query().filter(products::sku_key.eq(sku_key(sku))).first(conn).await)
}

/// Those of the products that are there, in the order of their ids.
pub async fn named(conn: &mut AsyncPgConnection, ids: &[i64]) -> QueryResult<Vec<ProductRow>> {
    ProductRow::query().filter(products::id.eq_any(ids)).order(products::id).load(conn).await
}

/// The same, locked until the end of the transaction. In the order in which an import locks them, so that neither has to wait
/// for what the other holds.
pub async fn lock(conn: &mut AsyncPgConnection, ids: &[i64]) -> QueryResult<Vec<ProductRow>> {
    ProductRow::query().filter(products::id.eq_any(ids)).order(products::sku_key).for_update().load(conn).await
}

/// Highest id of a product; 0 where there is none.
pub async fn last_id(conn: &mut AsyncPgConnection) -> QueryResult<i64> {
    let last: Option<i64> = products::table.select(diesel::dsl::max(products::id)).first(conn).await?;
    Ok(last.unwrap_or(0))
}

fn attributes(input: &ProductInput) -> serde_json::Value {
    input
        .attributes
        .iter()
        .map(|(name, value)| (name.clone(), value.clone().into()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

pub(super) async fn insert(conn: &mut AsyncPgConnection, input: &ProductInput) -> QueryResult<ProductRow> {
    diesel::insert_into(products::table)
        .values((
            products::sku_key.eq(sku_key(&input.sku)),
            products::sku.eq(&input.sku),
            products::name.eq(&input.name),
            products::description.eq(&input.description),
            products::active.eq(input.active),
            products::attributes.eq(attributes(input)),
        ))
        .returning(ProductRow::as_returning())
        .get_result(conn)
        .await
}

pub(super) async fn update(conn: &mut AsyncPgConnection, id: i64, input: &ProductInput) -> QueryResult<ProductRow> {
    let statement = diesel::update(products::table.find(id))
        .set((
            products::sku_key.eq(sku_key(&input.sku)),
            products::sku.eq(&input.sku),
            products::name.eq(&input.name),
            products::description.eq(&input.description),
            products::active.eq(input.active),
            products::attributes.eq(attributes(input)),
            products::version.eq(products::version + 1),
            products::updated_at.eq(now),
        ))
        .returning(ProductRow::as_returning());
    db::prepared(statement).get_result(conn).await
}

/// Gives id, version and time of change of those that were not so already.
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

/// Deleted products are kept for so long.
fn an_hour_ago() -> SqlLiteral<Timestamptz> {
    sql("now() - interval '1 hour'")
}

/// Keeps products that are about to be deleted, for an hour.
pub(super) async fn keep_deleted(conn: &mut AsyncPgConnection, ids: &[i64]) -> QueryResult<()> {
    let copy = format!("INSERT INTO deleted_products ({COLUMNS}) SELECT {COLUMNS} FROM products WHERE id = ANY ($1)");
    diesel::sql_query(copy).bind::<Array<BigInt>, _>(ids).execute(conn).await.map(drop)
}

/// Puts kept products back, but for those whose SKU is taken by now. Of several with one SKU, the one deleted last.
pub(super) async fn restore(conn: &mut AsyncPgConnection, ids: &[i64]) -> QueryResult<Vec<ProductRow>> {
    // Locked first: of two who want the same products back, the second finds them gone.
    let kept: Vec<i64> = deleted_products::table
        .filter(deleted_products::id.eq_any(ids))
        .filter(deleted_products::deleted_at.gt(an_hour_ago()))
        .select(deleted_products::id)
        .order(deleted_products::id)
        .for_update()
        .load(conn)
        .await?;
    let put_back = format!(
        "INSERT INTO products ({COLUMNS}) SELECT {COLUMNS} FROM deleted_products WHERE id = ANY ($1) \
         ORDER BY deleted_at DESC, id DESC ON CONFLICT DO NOTHING RETURNING id"
    );
    let back: Vec<Id> = diesel::sql_query(put_back).bind::<Array<BigInt>, _>(&kept).get_results(conn).await?;
    let back: Vec<_> = back.into_iter().map(|row| row.id).collect();
    diesel::delete(deleted_products::table.filter(deleted_products::id.eq_any(&back))).execute(conn).await?;
    named(conn, &back).await
}

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

/// Gives up deleted products whose hour is over.
pub async fn forget_deleted(conn: &mut AsyncPgConnection) -> QueryResult<()> {
    let over = deleted_products::deleted_at.le(an_hour_ago());
    diesel::delete(deleted_products::table.filter(over)).execute(conn).await.map(drop)
}
