//! The figures, and the only calls that record them. Names follow Prometheus: base units, `_total` for what only grows.

use std::time::Duration;

use actix_web::http::{Method, StatusCode};
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use shared::{import::Counts, job::JobStatus, webhook::AttemptError};

use crate::db;

const REQUESTS: &str = "loadify_http_requests_total";
const REQUEST_SECONDS: &str = "loadify_http_request_duration_seconds";
const IMPORTS: &str = "loadify_imports_ended_total";
const ROWS: &str = "loadify_import_rows_total";
const DELIVERIES: &str = "loadify_webhook_deliveries_total";
const DELIVERY_SECONDS: &str = "loadify_webhook_delivery_duration_seconds";
const EVENT_LAG: &str = "loadify_event_lag_seconds";
const STREAMS: &str = "loadify_event_streams";
const QUEUE: &str = "loadify_queue_due_rows";
const DATABASE_UP: &str = "loadify_database_up";
const POOL: &str = "loadify_database_pool_connections";
const POOL_MAX: &str = "loadify_database_pool_max_connections";
const POOL_WAITING: &str = "loadify_database_pool_waiting";

/// Upper bounds in seconds: from an answer out of memory to what a person has given up waiting for.
const SECONDS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];

/// Begins to record, once in a process.
pub fn install() -> anyhow::Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)?
        .install_recorder()?;
    describe();
    Ok(handle)
}

fn describe() {
    describe_counter!(REQUESTS, "HTTP requests by method, route and status.");
    describe_histogram!(REQUEST_SECONDS, Unit::Seconds, "Time from an HTTP request to the head of its answer.");
    describe_counter!(IMPORTS, "Imports that this process saw to their end, by status.");
    describe_counter!(ROWS, "Rows of files that this process has committed, by outcome.");
    describe_counter!(DELIVERIES, "Attempts to deliver to webhooks, by result: class of the status, or error.");
    describe_histogram!(DELIVERY_SECONDS, Unit::Seconds, "Duration of attempts to deliver to webhooks.");
    describe_histogram!(EVENT_LAG, Unit::Seconds, "Time from an event of an import to its being handed to a stream.");
    describe_gauge!(STREAMS, "Streams of events that are open.");
    describe_gauge!(QUEUE, "Rows that are due and held by no worker, by queue; the same in every process.");
    describe_gauge!(DATABASE_UP, "1 if the database answered when it was last asked, else 0.");
    describe_gauge!(POOL, "Connections to the database in the pool, by state.");
    describe_gauge!(POOL_MAX, "Most connections that the pool may hold.");
    describe_gauge!(POOL_WAITING, "Tasks that wait for a connection.");
}

/// `route` is the pattern of the path; without one it was a file of the page, or nothing.
pub fn request_answered(method: &Method, route: Option<&str>, status: StatusCode, duration: Duration) {
    // Anybody may make methods up; each would be a series of its own.
    let known = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
    let method = if known.contains(method) { method.to_string() } else { "OTHER".to_owned() };
    let labels =
        [("method", method), ("route", route.unwrap_or("page").to_owned()), ("status", status.as_str().to_owned())];
    counter!(REQUESTS, &labels).increment(1);
    histogram!(REQUEST_SECONDS, &labels).record(duration);
}

/// To be called once that is committed.
pub fn import_ended(status: JobStatus) {
    counter!(IMPORTS, "status" => status.as_str()).increment(1);
}

/// To be called once the batch is committed.
pub fn rows_committed(counts: &Counts) {
    for (outcome, rows) in [
        ("created", counts.created),
        ("updated", counts.updated),
        ("unchanged", counts.unchanged),
        ("duplicates", counts.duplicates),
        ("rejected", counts.rejected),
    ] {
        counter!(ROWS, "outcome" => outcome).increment(u64::try_from(rows).unwrap_or(0));
    }
}

/// An attempt ended with a status or an error.
pub fn delivery_attempted(code: Option<u16>, error: Option<AttemptError>, duration: Duration) {
    let result = match (code, error) {
        (Some(code), _) => format!("{}xx", code / 100),
        (None, error) => error.map_or("unknown", AttemptError::as_str).to_owned(),
    };
    counter!(DELIVERIES, "result" => result.clone()).increment(1);
    histogram!(DELIVERY_SECONDS, "result" => result).record(duration);
}

/// An event was handed to a stream that was open when it happened.
pub fn event_handed_over(lag: Duration) {
    histogram!(EVENT_LAG).record(lag);
}

/// Counts a stream for as long as it is held.
pub struct OpenStream(());

impl OpenStream {
    pub fn new() -> Self {
        gauge!(STREAMS).increment(1);
        Self(())
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        gauge!(STREAMS).decrement(1);
    }
}

/// Rows that are due, by queue; `None` where the database does not answer.
pub fn queues(depths: Option<&[(&'static str, i64)]>) {
    gauge!(DATABASE_UP).set(f64::from(u8::from(depths.is_some())));
    for (queue, rows) in depths.unwrap_or_default() {
        #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
        gauge!(QUEUE, "queue" => *queue).set(*rows as f64);
    }
}

pub fn pool(pool: &db::Pool) {
    let status = pool.status();
    let number = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    gauge!(POOL, "state" => "idle").set(number(status.available));
    gauge!(POOL, "state" => "busy").set(number(status.size.saturating_sub(status.available)));
    gauge!(POOL_MAX).set(number(status.max_size));
    gauge!(POOL_WAITING).set(number(status.waiting));
}
