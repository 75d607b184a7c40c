//! Reading products.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::Product;

use crate::schema::products;

#[derive(HasQuery)]
#[diesel(table_name = products)]
pub struct ProductRow {
    pub id: i64,
    sku: String,
    name: String,
    description: String,
    active: bool,
    attributes: serde_json::Value,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<ProductRow> for Product {
    fn from(row: ProductRow) -> Self {
        Self {
            id: row.id,
            sku: row.sku,
            name: row.name,
            description: row.description,
            active: row.active,
            // Only importers write attributes, and only texts.
            attributes: serde_json::from_value::<BTreeMap<_, _>>(row.attributes).unwrap_or_default(),
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// Which products a page shows, in the order of their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    First,
    After(i64),
    Before(i64),
}

/// Up to `limit` products of the window, in id order, and whether there are more beyond its far end.
pub async fn page(conn: &mut AsyncPgConnection, window: Window, limit: usize) -> QueryResult<(Vec<ProductRow>, bool)> {
    let mut query = ProductRow::query().into_boxed();
    query = match window {
        Window::First => query.order(products::id),
        Window::After(id) => query.filter(products::id.gt(id)).order(products::id),
        Window::Before(id) => query.filter(products::id.lt(id)).order(products::id.desc()),
    };
    let mut rows: Vec<ProductRow> =
        query.limit(i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1)).load(conn).await?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    if matches!(window, Window::Before(_)) {
        rows.reverse();
    }
    Ok((rows, more))
}

pub async fn count(conn: &mut AsyncPgConnection) -> QueryResult<i64> {
    products::table.count().get_result(conn).await
}
