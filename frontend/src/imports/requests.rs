//! Requests of this domain.

use shared::{
    import::{Import, ImportFromUrl, ImportPage, RejectedPage},
    problem::Problem,
};

use crate::api::{self, BASE, Request};

pub async fn get_import(id: i64) -> Result<Import, Problem> {
    api::get(&format!("{BASE}/imports/{id}")).await
}

/// Imports older than `before`, newest first; from the newest on if it is `None`.
pub async fn list_imports(before: Option<i64>, limit: u32) -> Result<ImportPage, Problem> {
    let before = before.map(|id| format!("&before={id}")).unwrap_or_default();
    api::get(&format!("{BASE}/imports?limit={limit}{before}")).await
}

/// Requests that an import stops. It does after the batches in progress.
pub async fn cancel_import(id: i64) -> Result<Import, Problem> {
    api::send("POST", &format!("{BASE}/imports/{id}/cancel")).await
}

/// Retries a failed import from where it stopped.
pub async fn retry_import(id: i64) -> Result<Import, Problem> {
    api::send("POST", &format!("{BASE}/imports/{id}/retry")).await
}

/// Lets the server fetch and import a file.
pub async fn import_from_url(file: &ImportFromUrl) -> Result<Import, Problem> {
    api::send_with("POST", &format!("{BASE}/imports"), Request::json(file)).await
}

/// The first rejected rows of an import, in file order.
pub async fn rejected_rows(id: i64, limit: u32) -> Result<RejectedPage, Problem> {
    api::get(&format!("{BASE}/imports/{id}/rejected?limit={limit}")).await
}

/// Address of an import's event stream.
pub fn events_url(id: i64) -> String {
    format!("{BASE}/imports/{id}/events")
}

/// Address of all rejected rows of an import, as a CSV file to correct and import again.
pub fn rejected_csv_url(id: i64) -> String {
    format!("{BASE}/imports/{id}/rejected.csv")
}
