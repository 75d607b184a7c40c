//! Changes of products, each with all of its consequences.
//!
//! Every change except those of imports calls one of these functions in its own transaction. [`record`] is the single place
//! where the consequences are: what a change means to other parts is written there, once, for every kind of change.

use std::collections::HashMap;

use chrono::Utc;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::{
    bulk::{CatalogueChange, RestoreOutcome},
    product::{Product, ProductInput},
    webhook::WebhookEvent,
};

use crate::{
    events,
    products::{queries, row::ProductRow, search},
    schema::products,
    webhooks::{self, message},
};

/// Maximum number of products that a change event names.
const MAX_EVENT_IDS: usize = 100;
/// Products whose deletion is written for webhooks by one statement, when all are deleted.
const DELETE_BATCH_SIZE: i64 = 2_000;

/// The kind of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Created,
    Updated,
    Deleted,
    /// A deletion was reverted.
    Restored,
}

/// A product before and after a change; `None` if it does not exist.
#[derive(Debug, Clone)]
struct Change {
    before: Option<ProductRow>,
    after: Option<ProductRow>,
}

impl Change {
    fn id(&self) -> i64 {
        self.after.as_ref().or(self.before.as_ref()).map_or(0, |row| row.id)
    }

    /// Whether a text that can be searched for has changed.
    fn has_text(&self) -> bool {
        fn texts(row: &ProductRow) -> ([&str; 3], &serde_json::Value) {
            ([&row.sku, &row.name, &row.description], &row.attributes)
        }
        self.before.as_ref().map(texts) != self.after.as_ref().map(texts)
    }
}

/// Writes the consequences of changes, in their transaction: to the search index, to webhooks, and to the change events.
async fn record(conn: &mut AsyncPgConnection, kind: Kind, changes: &[Change], client: Option<&str>) -> QueryResult<()> {
    if changes.is_empty() {
        return Ok(());
    }
    let ids: Vec<_> = changes.iter().map(Change::id).collect();
    match kind {
        Kind::Created | Kind::Updated | Kind::Restored => {
            search::record_changes(conn, &ids, changes.iter().any(Change::has_text)).await?;
        }
        Kind::Deleted => search::remove(conn, &ids).await?,
    }
    let event = CatalogueChange {
        count: Some(i64::try_from(ids.len()).unwrap_or(i64::MAX)),
        ids: if ids.len() <= MAX_EVENT_IDS { ids } else { Vec::new() },
        client: client.map(str::to_owned),
    };
    notify_webhooks(conn, kind, changes).await?;
    events::catalogue_changed(conn, &event).await
}

async fn notify_webhooks(conn: &mut AsyncPgConnection, kind: Kind, changes: &[Change]) -> QueryResult<()> {
    let event = match kind {
        Kind::Created | Kind::Restored => WebhookEvent::ProductCreated,
        Kind::Updated => WebhookEvent::ProductUpdated,
        Kind::Deleted => WebhookEvent::ProductDeleted,
    };
    // For one product, the check costs as much as a message without receivers.
    if changes.len() > 1 && !webhooks::has_subscriber(conn, event).await? {
        return Ok(());
    }
    let data: Vec<_> = changes
        .iter()
        .filter_map(|change| {
            let product = |row: &Option<ProductRow>| row.clone().map(Product::from);
            match (product(&change.before), product(&change.after)) {
                (Some(before), Some(after)) => Some(message::product_change(&before, &after)),
                (Some(product), None) | (None, Some(product)) => Some(message::product(&product)),
                (None, None) => None,
            }
        })
        .collect();
    webhooks::fan_out(conn, event, Utc::now(), &data).await
}

/// Writes the consequences of deleting every product, before it happens. The caller has locked the table.
pub async fn record_deletion_of_all(conn: &mut AsyncPgConnection, client: Option<String>) -> QueryResult<()> {
    events::catalogue_changed(conn, &CatalogueChange::uncounted(client)).await?;
    if !webhooks::has_subscriber(conn, WebhookEvent::ProductDeleted).await? {
        return Ok(());
    }
    let mut after = 0;
    loop {
        let rows: Vec<ProductRow> = ProductRow::query()
            .filter(products::id.gt(after))
            .order(products::id)
            .limit(DELETE_BATCH_SIZE)
            .load(conn)
            .await?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = last.id;
        let changes: Vec<_> = rows.into_iter().map(|before| Change { before: Some(before), after: None }).collect();
        notify_webhooks(conn, Kind::Deleted, &changes).await?;
    }
}

/// Creates a product.
///
/// # Errors
/// A unique violation if its SKU is taken.
pub async fn create(
    conn: &mut AsyncPgConnection,
    input: &ProductInput,
    client: Option<&str>,
) -> QueryResult<ProductRow> {
    let row = queries::insert(conn, input).await?;
    let change = Change { before: None, after: Some(row.clone()) };
    record(conn, Kind::Created, &[change], client).await?;
    Ok(row)
}

/// Updates `before`, which the caller has locked, to `input`. If they are equal, nothing is written.
///
/// # Errors
/// A unique violation if its SKU is taken.
pub async fn update(
    conn: &mut AsyncPgConnection,
    before: ProductRow,
    input: &ProductInput,
    client: Option<&str>,
) -> QueryResult<ProductRow> {
    if *input == ProductInput::from(Product::from(before.clone())) {
        return Ok(before);
    }
    let after = queries::update(conn, before.id, input).await?;
    let change = Change { before: Some(before), after: Some(after.clone()) };
    record(conn, Kind::Updated, &[change], client).await?;
    Ok(after)
}

/// Activates or deactivates `rows`, which the caller has locked. Returns the ids of those that were in the other state.
pub async fn set_active(
    conn: &mut AsyncPgConnection,
    mut rows: Vec<ProductRow>,
    active: bool,
    client: Option<&str>,
) -> QueryResult<Vec<i64>> {
    rows.retain(|row| row.active != active);
    let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
    let written = queries::set_active(conn, &ids, active).await?;
    let written: HashMap<_, _> = written.into_iter().map(|(id, version, at)| (id, (version, at))).collect();
    let changes: Vec<_> = rows
        .into_iter()
        .filter_map(|before| {
            let (version, updated_at) = *written.get(&before.id)?;
            let after = ProductRow { active, version, updated_at, ..before.clone() };
            Some(Change { before: Some(before), after: Some(after) })
        })
        .collect();
    record(conn, Kind::Updated, &changes, client).await?;
    Ok(changes.iter().map(Change::id).collect())
}

/// Whether a deletion can be reverted for an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    Restorable,
    Final,
}

/// Deletes `rows`, which the caller has locked. Returns their ids.
pub async fn delete(
    conn: &mut AsyncPgConnection,
    rows: Vec<ProductRow>,
    deletion: Deletion,
    client: Option<&str>,
) -> QueryResult<Vec<i64>> {
    let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
    if deletion == Deletion::Restorable {
        queries::keep_deleted(conn, &ids).await?;
    }
    queries::delete(conn, &ids).await?;
    let changes: Vec<_> = rows.into_iter().map(|before| Change { before: Some(before), after: None }).collect();
    record(conn, Kind::Deleted, &changes, client).await?;
    Ok(ids)
}

/// Restores deleted products.
pub async fn restore(conn: &mut AsyncPgConnection, ids: &[i64], client: Option<&str>) -> QueryResult<RestoreOutcome> {
    let rows = queries::restore(conn, ids).await?;
    let mut restored: Vec<_> = rows.iter().map(|row| row.id).collect();
    restored.sort_unstable();
    let mut lost: Vec<_> = ids.iter().copied().filter(|id| restored.binary_search(id).is_err()).collect();
    lost.sort_unstable();
    lost.dedup();
    let changes: Vec<_> = rows.into_iter().map(|after| Change { before: None, after: Some(after) }).collect();
    record(conn, Kind::Restored, &changes, client).await?;
    Ok(RestoreOutcome { restored, lost })
}
