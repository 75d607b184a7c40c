//! Requests to the API about products.

use shared::{
    bulk::{
        BulkAction, BulkJob, BulkJobList, BulkOutcome, BulkRequest, DeletedAll, MAX_IDS, RestoreOutcome, RestoreRequest,
    },
    problem::Problem,
    product::{Product, ProductChange, ProductInput},
    search::{IndexState, ProductCount, ProductFilter, ProductPage},
};
use web_sys::AbortSignal;

use super::list::query::{ListView, filter_query};
use crate::api::{BASE, Request, get, send, send_with};

pub async fn page(view: &ListView, abort: Option<&AbortSignal>) -> Result<ProductPage, Problem> {
    send_with("GET", &format!("{BASE}/products{}", view.query()), Request { abort, ..Request::default() }).await
}

/// Returns the number of matching products. It may take much longer than a page of them.
pub async fn count(filter: &ProductFilter, abort: Option<&AbortSignal>) -> Result<i64, Problem> {
    let url = format!("{BASE}/products/count{}", filter_query(filter));
    let ProductCount { count } = send_with("GET", &url, Request { abort, ..Request::default() }).await?;
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

/// Replaces the whole product if it still has that version.
pub async fn replace(id: i64, version: i64, input: &ProductInput) -> Result<Product, Problem> {
    let request = Request { version: Some(version), ..Request::json(input) };
    send_with("PUT", &format!("{BASE}/products/{id}"), request).await
}

/// Activates or deactivates a product if it still has that version.
pub async fn set_active(id: i64, version: i64, active: bool) -> Result<Product, Problem> {
    let change = ProductChange { active: Some(active), ..ProductChange::default() };
    let request = Request { version: Some(version), ..Request::json(&change) };
    send_with("PATCH", &format!("{BASE}/products/{id}"), request).await
}

pub async fn delete(id: i64) -> Result<(), Problem> {
    send("DELETE", &format!("{BASE}/products/{id}")).await
}

/// Changes these products and returns how many were not that way before. Requests for at most [`MAX_IDS`] products follow
/// each other: if one fails, those before it are done.
pub async fn change_named(action: BulkAction, ids: &[i64]) -> Result<i64, Problem> {
    let mut changed = 0;
    for ids in ids.chunks(MAX_IDS) {
        let request = BulkRequest { action, ids: ids.to_vec(), filter: None, all: false, count: None };
        let outcome: BulkOutcome = send_with("POST", &format!("{BASE}/products/bulk"), Request::json(&request)).await?;
        changed += outcome.changed;
    }
    Ok(changed)
}

/// Starts a job that changes all matching products. `count` is their number as the page shows it: if it has changed, nothing
/// else is.
pub async fn change_matching(action: BulkAction, filter: ProductFilter, count: i64) -> Result<BulkJob, Problem> {
    let all = filter.is_empty();
    let request = BulkRequest { action, ids: Vec::new(), filter: Some(filter), all, count: Some(count) };
    send_with("POST", &format!("{BASE}/products/bulk"), Request::json(&request)).await
}

/// Returns the latest jobs, newest first.
pub async fn jobs() -> Result<BulkJobList, Problem> {
    get(&format!("{BASE}/products/jobs")).await
}

/// Restores deleted products.
pub async fn restore(ids: &[i64]) -> Result<RestoreOutcome, Problem> {
    let mut outcome = RestoreOutcome { restored: Vec::new(), lost: Vec::new() };
    for ids in ids.chunks(MAX_IDS) {
        let request = RestoreRequest { ids: ids.to_vec() };
        let chunk: RestoreOutcome =
            send_with("POST", &format!("{BASE}/products/restore"), Request::json(&request)).await?;
        outcome.restored.extend(chunk.restored);
        outcome.lost.extend(chunk.lost);
    }
    Ok(outcome)
}

/// Starts a job that reverts the changes of another one.
pub async fn undo_job(id: i64) -> Result<BulkJob, Problem> {
    send("POST", &format!("{BASE}/products/jobs/{id}/undo")).await
}

pub async fn cancel_job(id: i64) -> Result<BulkJob, Problem> {
    send("POST", &format!("{BASE}/products/jobs/{id}/cancel")).await
}

/// Deletes all products if there are that many.
pub async fn delete_all(count: i64) -> Result<DeletedAll, Problem> {
    send("DELETE", &format!("{BASE}/products?confirm={count}")).await
}

/// The event stream of a job.
pub fn job_events_url(id: i64) -> String {
    format!("{BASE}/products/jobs/{id}/events")
}

/// The event stream of changed products.
pub fn changes_url() -> String {
    format!("{BASE}/products/events")
}

/// All matching products as CSV.
pub fn export_url(filter: &ProductFilter) -> String {
    format!("{BASE}/products/export.csv{}", filter_query(filter))
}

/// These products as CSV.
pub fn export_named_url(ids: &[i64]) -> String {
    let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
    format!("{BASE}/products/export.csv?ids={}", ids.join(","))
}
