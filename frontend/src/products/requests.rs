//! What the page asks the server about products.

use shared::{
    bulk::{
        BulkAction, BulkJob, BulkJobList, BulkOutcome, BulkRequest, DeletedAll, MAX_IDS, RestoreOutcome, RestoreRequest,
    },
    problem::Problem,
    product::{Product, ProductChange, ProductInput},
    search::{IndexState, ProductCount, ProductFilter, ProductPage},
};
use web_sys::AbortSignal;

use super::query::{ListView, filter_query};
use crate::api::{BASE, Request, get, send, send_with};

pub async fn page(view: &ListView, abort: Option<&AbortSignal>) -> Result<ProductPage, Problem> {
    send_with("GET", &format!("{BASE}/products{}", view.query()), Request { abort, ..Request::default() }).await
}

/// Returns the number of products that match.
pub async fn count(filter: &ProductFilter) -> Result<i64, Problem> {
    let ProductCount { count } = get(&format!("{BASE}/products/count{}", filter_query(filter))).await?;
    Ok(count)
}

pub async fn index() -> Result<IndexState, Problem> {
    get(&format!("{BASE}/products/index")).await
}

pub async fn product(id: i64) -> Result<Product, Problem> {
    get(&format!("{BASE}/products/{id}")).await
}

pub async fn create(input: &ProductInput) -> Result<Product, Problem> {
    send_with("POST", &format!("{BASE}/products"), Request::json(input)).await
}

/// Writes the whole product, where it still has that version.
pub async fn replace(id: i64, version: i64, input: &ProductInput) -> Result<Product, Problem> {
    let request = Request { version: Some(version), ..Request::json(input) };
    send_with("PUT", &format!("{BASE}/products/{id}"), request).await
}

/// Switches a product on or off, where it still has that version.
pub async fn set_active(id: i64, version: i64, active: bool) -> Result<Product, Problem> {
    let change = ProductChange { active: Some(active), ..ProductChange::default() };
    let request = Request { version: Some(version), ..Request::json(&change) };
    send_with("PATCH", &format!("{BASE}/products/{id}"), request).await
}

pub async fn delete(id: i64) -> Result<(), Problem> {
    send("DELETE", &format!("{BASE}/products/{id}")).await
}

/// Does something to these products; returns how many are now other than before. Pieces of at most [`MAX_IDS`] follow
/// each other: where one fails, those before it are done.
pub async fn change_named(action: BulkAction, ids: &[i64]) -> Result<i64, Problem> {
    let mut changed = 0;
    for ids in ids.chunks(MAX_IDS) {
        let request = BulkRequest { action, ids: ids.to_vec(), filter: None, all: false, count: None };
        let outcome: BulkOutcome = send_with("POST", &format!("{BASE}/products/bulk"), Request::json(&request)).await?;
        changed += outcome.changed;
    }
    Ok(changed)
}

/// Creates a job that changes all products that match. `count` is their number as the page shows it; if it is wrong, nothing is
/// changed.
pub async fn change_matching(action: BulkAction, filter: ProductFilter, count: i64) -> Result<BulkJob, Problem> {
    let all = filter.is_empty();
    let request = BulkRequest { action, ids: Vec::new(), filter: Some(filter), all, count: Some(count) };
    send_with("POST", &format!("{BASE}/products/bulk"), Request::json(&request)).await
}

/// The latest jobs, the newest first.
pub async fn jobs() -> Result<BulkJobList, Problem> {
    get(&format!("{BASE}/products/jobs")).await
}

/// Takes a deletion back.
pub async fn restore(ids: &[i64]) -> Result<RestoreOutcome, Problem> {
    let mut outcome = RestoreOutcome { restored: Vec::new(), lost: Vec::new() };
    for ids in ids.chunks(MAX_IDS) {
        let request = RestoreRequest { ids: ids.to_vec() };
        let piece: RestoreOutcome =
            send_with("POST", &format!("{BASE}/products/restore"), Request::json(&request)).await?;
        outcome.restored.extend(piece.restored);
        outcome.lost.extend(piece.lost);
    }
    Ok(outcome)
}

/// Creates a job that reverts the changes of another one.
pub async fn undo_job(id: i64) -> Result<BulkJob, Problem> {
    send("POST", &format!("{BASE}/products/jobs/{id}/undo")).await
}

pub async fn cancel_job(id: i64) -> Result<BulkJob, Problem> {
    send("POST", &format!("{BASE}/products/jobs/{id}/cancel")).await
}

/// Deletes the whole catalogue, where it has that many products.
pub async fn delete_all(count: i64) -> Result<DeletedAll, Problem> {
    send("DELETE", &format!("{BASE}/products?confirm={count}")).await
}

/// The stream of a job.
pub fn job_events_url(id: i64) -> String {
    format!("{BASE}/products/jobs/{id}/events")
}

/// The stream of changes of the catalogue.
pub fn news_url() -> String {
    format!("{BASE}/products/events")
}

/// All products that match, as a CSV.
pub fn export_url(filter: &ProductFilter) -> String {
    format!("{BASE}/products/export.csv{}", filter_query(filter))
}

/// These products, as a CSV.
pub fn export_named_url(ids: &[i64]) -> String {
    let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
    format!("{BASE}/products/export.csv?ids={}", ids.join(","))
}
