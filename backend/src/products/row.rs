//! A product as it stands in its table.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use shared::product::Product;

use crate::schema::products;

#[derive(Debug, Clone, HasQuery)]
#[diesel(table_name = products)]
pub struct ProductRow {
    pub id: i64,
    pub sku_key: String,
    pub sku: String,
    pub name: String,
    pub description: String,
    pub active: bool,
    pub attributes: serde_json::Value,
    pub version: i64,
    pub import_id: Option<i64>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl From<ProductRow> for Product {
    fn from(row: ProductRow) -> Self {
        Self {
            id: row.id,
            sku: row.sku,
            name: row.name,
            description: row.description,
            active: row.active,
            // Only texts are ever written there.
            attributes: serde_json::from_value::<BTreeMap<_, _>>(row.attributes).unwrap_or_default(),
            version: row.version,
            import: row.import_id,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}
