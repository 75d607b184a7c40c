//! The metrics, and the only calls that record them. Names follow Prometheus: base units, `_total` for what only grows.

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

/// Upper bounds of histograms, in seconds: from a response from memory to a wait that no user accepts.
const BUCKETS_SECONDS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];

/// Starts to record; once per process.
pub fn install() -> anyhow::Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &BUCKETS_SECONDS)?
        .install_recorder()?;
    describe();
    Ok(handle)
}

fn describe() {
    describe_counter!(REQUESTS, "HTTP requests by method, route and status.");
    describe_histogram!(REQUEST_SECONDS, Unit::Seconds, "Time from an HTTP request to the head of its response.");
    describe_counter!(IMPORTS, "Imports that this process ended, by status.");
    describe_counter!(ROWS, "Rows of files that this process committed, by outcome.");
    describe_counter!(DELIVERIES, "Delivery attempts, by result: class of the status, or error.");
    describe_histogram!(DELIVERY_SECONDS, Unit::Seconds, "Duration of delivery attempts.");
    describe_histogram!(EVENT_LAG, Unit::Seconds, "Time from an event of an import until it is passed to a stream.");
    describe_gauge!(STREAMS, "Open streams of events.");
    describe_gauge!(QUEUE, "Rows that are due and not leased, by queue; the same in every process.");
    describe_gauge!(DATABASE_UP, "1 if the database answered the last query of a scrape, else 0.");
    describe_gauge!(POOL, "Connections to the database in the pool, by state.");
    describe_gauge!(POOL_MAX, "Maximum connections of the pool.");
    describe_gauge!(POOL_WAITING, "Tasks that wait for a connection.");
}

/// Records a response. `route` is the pattern of the path; without one it was a file of the page, or not found.
pub fn request_answered(method: &Method, route: Option<&str>, status: StatusCode, duration: Duration) {
    // Clients can send any method; each would be a series of its own.
    let known = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
    let method = if known.contains(method) { method.to_string() } else { "OTHER".to_owned() };
    let labels =
        [("method", method), ("route", route.unwrap_or("page").to_owned()), ("status", status.as_str().to_owned())];
    counter!(REQUESTS, &labels).increment(1);
    histogram!(REQUEST_SECONDS, &labels).record(duration);
}

/// Call after the commit.
pub fn import_ended(status: JobStatus) {
    counter!(IMPORTS, "status" => status.as_str()).increment(1);
}

/// Call after the commit of the batch.
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

/// Records a delivery attempt, which ended with a status or an error.
pub fn delivery_attempted(code: Option<u16>, error: Option<AttemptError>, duration: Duration) {
    let result = match (code, error) {
        (Some(code), _) => format!("{}xx", code / 100),
        (None, error) => error.map_or("unknown", AttemptError::as_str).to_owned(),
    };
    counter!(DELIVERIES, "result" => result.clone()).increment(1);
    histogram!(DELIVERY_SECONDS, "result" => result).record(duration);
}

/// Records the lag of an event that occurred while the stream was open.
pub fn event_sent(lag: Duration) {
    histogram!(EVENT_LAG).record(lag);
}

/// Counts a stream until it is dropped.
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

/// Records the rows that are due, by queue; `None` if the database does not answer.
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
    gauge!(POOL, "state" => "idle").set(number(status.idle));
    gauge!(POOL, "state" => "busy").set(number(status.busy));
    gauge!(POOL_MAX).set(number(status.max));
    gauge!(POOL_WAITING).set(number(status.waiting));
}
