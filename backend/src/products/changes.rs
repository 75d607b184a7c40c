//! Changes of products by hand, each with all that follows from it.
//!
//! Whoever changes products other than by an import calls one of these, in a transaction of its own. [`record`] is the single
//! place where the consequences are: what a change means to others is written there, once, for every kind of change.

use std::collections::HashMap;

use chrono::Utc;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::{
    bulk::{CatalogueNews, RestoreOutcome},
    product::{Product, ProductInput},
    webhook::WebhookEvent,
};

use crate::{
    events,
    products::{queries, row::ProductRow, search},
    schema::products,
    webhooks::{self, message},
};

/// Products that the news name one by one.
const NAMED_IN_NEWS: usize = 100;

/// Products whose deletion is written for webhooks at once, when all are deleted.
const TOLD_AT_ONCE: i64 = 2_000;

/// What has happened to products.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Created,
    Updated,
    Deleted,
    /// A deletion was taken back.
    Restored,
}

/// One product before and after; `None` where it is not there.
#[derive(Debug, Clone)]
struct Change {
    before: Option<ProductRow>,
    after: Option<ProductRow>,
}

impl Change {
    fn id(&self) -> i64 {
        self.after.as_ref().or(self.before.as_ref()).map_or(0, |row| row.id)
    }

    /// Whether what is searched in may be other than before.
    fn is_of_text(&self) -> bool {
        fn text(row: &ProductRow) -> [&str; 3] {
            [&row.sku, &row.name, &row.description]
        }
        self.before.as_ref().map(text) != self.after.as_ref().map(text)
    }
}

/// Commits with the change: what its kind means to the search and to webhooks, and the news of it.
async fn record(conn: &mut AsyncPgConnection, kind: Kind, changes: &[Change], client: Option<&str>) -> QueryResult<()> {
    if changes.is_empty() {
        return Ok(());
    }
    let ids: Vec<_> = changes.iter().map(Change::id).collect();
    match kind {
        Kind::Created | Kind::Updated | Kind::Restored => {
            search::note(conn, &ids, changes.iter().any(Change::is_of_text)).await?;
        }
        Kind::Deleted => search::forget(conn, &ids).await?,
    }
    let news = CatalogueNews {
        count: Some(i64::try_from(ids.len()).unwrap_or(i64::MAX)),
        ids: if ids.len() <= NAMED_IN_NEWS { ids } else { Vec::new() },
        client: client.map(str::to_owned),
    };
    tell_webhooks(conn, kind, changes).await?;
    events::catalogue_changed(conn, &news).await
}

async fn tell_webhooks(conn: &mut AsyncPgConnection, kind: Kind, changes: &[Change]) -> QueryResult<()> {
    let event = match kind {
        Kind::Created | Kind::Restored => WebhookEvent::ProductCreated,
        Kind::Updated => WebhookEvent::ProductUpdated,
        Kind::Deleted => WebhookEvent::ProductDeleted,
    };
    // For one, telling nobody costs no more than the question.
    if changes.len() > 1 && !webhooks::are_told_of(conn, event).await? {
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

/// Tells of the deletion of every product, before it is done. The caller has locked the table.
pub async fn delete_all(conn: &mut AsyncPgConnection) -> QueryResult<()> {
    if !webhooks::are_told_of(conn, WebhookEvent::ProductDeleted).await? {
        return Ok(());
    }
    let mut after = 0;
    loop {
        let rows: Vec<ProductRow> = ProductRow::query()
            .filter(products::id.gt(after))
            .order(products::id)
            .limit(TOLD_AT_ONCE)
            .load(conn)
            .await?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = last.id;
        let changes: Vec<_> = rows.into_iter().map(|before| Change { before: Some(before), after: None }).collect();
        tell_webhooks(conn, Kind::Deleted, &changes).await?;
    }
}

/// Makes a product.
///
/// # Errors
/// A unique violation where its SKU is taken.
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

/// Makes `before`, which the caller has locked, what `input` says. What is so already is left alone.
///
/// # Errors
/// A unique violation where its SKU is taken.
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

/// Makes `rows`, which the caller has locked, active or not. Gives how many were not so already.
pub async fn set_active(
    conn: &mut AsyncPgConnection,
    mut rows: Vec<ProductRow>,
    active: bool,
    client: Option<&str>,
) -> QueryResult<i64> {
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
    Ok(i64::try_from(changes.len()).unwrap_or(i64::MAX))
}

/// Deletes `rows`, which the caller has locked; `keep` says whether this can be taken back. Gives how many these were.
pub async fn delete(
    conn: &mut AsyncPgConnection,
    rows: Vec<ProductRow>,
    keep: bool,
    client: Option<&str>,
) -> QueryResult<i64> {
    let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
    if keep {
        queries::keep_deleted(conn, &ids).await?;
    }
    queries::delete(conn, &ids).await?;
    let changes: Vec<_> = rows.into_iter().map(|before| Change { before: Some(before), after: None }).collect();
    record(conn, Kind::Deleted, &changes, client).await?;
    Ok(i64::try_from(changes.len()).unwrap_or(i64::MAX))
}

/// Brings deleted products back as they were.
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
