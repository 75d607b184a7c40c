//! A product as a row of its table.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use shared::product::{Product, ProductInput, sku_key};

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
            // Only objects of texts are written to this column.
            attributes: serde_json::from_value::<BTreeMap<_, _>>(row.attributes).unwrap_or_default(),
            version: row.version,
            import: row.import_id,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// The columns that a client writes.
#[derive(Insertable, AsChangeset)]
#[diesel(table_name = products, treat_none_as_null = true)]
pub struct ProductValues<'a> {
    sku_key: String,
    sku: &'a str,
    name: &'a str,
    description: &'a str,
    active: bool,
    attributes: serde_json::Value,
}

impl<'a> From<&'a ProductInput> for ProductValues<'a> {
    fn from(input: &'a ProductInput) -> Self {
        let attributes = input.attributes.iter().map(|(name, value)| (name.clone(), value.clone().into()));
        Self {
            sku_key: sku_key(&input.sku),
            sku: &input.sku,
            name: &input.name,
            description: &input.description,
            active: input.active,
            attributes: attributes.collect::<serde_json::Map<_, _>>().into(),
        }
    }
}
