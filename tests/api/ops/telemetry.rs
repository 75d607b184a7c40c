//! Logs, request ids and metrics.

use std::collections::HashMap;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use shared::{job::JobStatus, webhook::WebhookEvent};
use tests::{TestApp, app::problem, csv::Csv, eventually, receiver::Receiver, webhooks::LOCAL};

const JSON: (&str, &str) = ("LOG_FORMAT", "json");

/// Returns the lines of a log in JSON.
fn lines(log: &str) -> Vec<Value> {
    log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"))).collect()
}

/// Returns the lines that were logged within a span with this field.
fn within(log: &str, field: &str, value: &Value) -> Vec<Value> {
    let is_within =
        |line: &Value| line["spans"].as_array().is_some_and(|spans| spans.iter().any(|s| &s[field] == value));
    lines(log).into_iter().filter(is_within).collect()
}

/// Returns all samples of `/metrics`, by name with labels.
async fn samples(app: &TestApp) -> HashMap<String, f64> {
    samples_at(app, &app.url("/metrics")).await
}

async fn samples_at(app: &TestApp, url: &str) -> HashMap<String, f64> {
    let response = app.client.get(url).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let text = response.text().await.unwrap();
    let sample = |line: &str| {
        let (name, value) = line.rsplit_once(' ').unwrap();
        (name.to_owned(), value.parse().unwrap())
    };
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(sample).collect()
}

#[tokio::test]
async fn a_request_keeps_a_valid_id_of_the_client_or_gets_a_new_one() {
    let app = TestApp::start_with(&[JSON]).await;
    let id_of = |sent: Option<&'static str>| {
        let mut request = app.client.get(app.url("/api/v1/imports?limit=1&token=hush"));
        if let Some(id) = sent {
            request = request.header("X-Request-Id", id).header("Authorization", "Bearer hush");
        }
        async move { request.send().await.unwrap().headers()["x-request-id"].to_str().unwrap().to_owned() }
    };
    assert_eq!(id_of(Some("from-proxy.1")).await, "from-proxy.1");
    let first = id_of(None).await;
    assert_eq!(first.len(), 32);
    assert_ne!(id_of(None).await, first);
    for invalid in ["two words", "quote\"", &"x".repeat(65).leak()[..]] {
        assert_eq!(id_of(Some(invalid)).await.len(), 32, "{invalid}");
    }
    // 401, because its bearer token is not a key.
    let found = eventually("the line of the request", || async {
        within(&app.web.log(), "request.id", &json!("from-proxy.1")).pop()
    })
    .await;
    assert_eq!(
        (&found["http.method"], &found["http.path"], &found["http.status"], &found["level"]),
        (&json!("GET"), &json!("/api/v1/imports"), &json!(401), &json!("INFO"))
    );
    assert!(found["duration_ms"].is_u64());
    assert!(!app.web.log().contains("hush"), "neither queries nor headers are logged");
}

#[tokio::test]
async fn an_error_names_its_request() {
    let app = TestApp::start_with(&[JSON]).await;
    app.db.execute("ALTER TABLE imports RENAME COLUMN error TO mislaid").await;
    let response = app.get("/api/v1/imports").await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    let problem = problem(response).await;
    assert_eq!(problem.request_id.as_ref(), Some(&id));
    assert!(problem.detail.contains(&id), "{}", problem.detail);
    let found = eventually("both lines of the request", || async {
        Some(within(&app.web.log(), "request.id", &json!(id))).filter(|found| found.len() == 2)
    })
    .await;
    assert!(found[0]["message"].as_str().unwrap().contains("imports.error"), "{found:?}");
    let refused = app.get("/api/v1/imports/1x").await;
    assert_eq!(tests::app::problem(refused).await.request_id, None, "only errors of the server have it");
}

#[tokio::test]
async fn health_checks_and_scrapes_are_not_logged() {
    let app = TestApp::start_with(&[JSON]).await;
    for path in ["/livez", "/readyz", "/metrics", "/", "/no-such-file.js"] {
        assert!(app.get(path).await.headers().contains_key("x-request-id"), "{path}");
    }
    app.get("/api/v1/products").await;
    eventually("the line of the last request", || async { app.web.log().contains("/api/v1/products").then_some(()) })
        .await;
    assert_eq!(app.web.count_lines("http.path"), 1, "{}", app.web.log());
}

#[tokio::test]
async fn log_lines_about_an_import_or_a_job_have_its_id() {
    let app = TestApp::start_with(&[JSON]).await;
    let import = app.import("sku,name\na,b\n").await;
    let job = app.begin_job("deactivate", json!({})).await;
    app.end_of_job(job.id).await;
    for (field, id) in [("import.id", import.id), ("job.id", job.id)] {
        eventually("a line", || async { within(&app.web.log(), field, &json!(id)).pop() }).await;
    }
    assert!(lines(&app.web.log()).iter().all(|line| line["timestamp"].is_string() && line["level"].is_string()));
}

#[tokio::test]
async fn metrics_count_requests_imports_rows_and_deliveries() {
    let app = TestApp::start_with(&[LOCAL]).await;
    let receiver = Receiver::start().await;
    app.webhook_to(&receiver.url(), &[WebhookEvent::ProductCreated]).await;
    let import = app.import_exactly(&Csv::random(2_000, 31)).await;
    assert_eq!(import.status, JobStatus::Completed);
    app.create_product("one").await;
    receiver.wait_for(1).await;
    app.send(Method::from_bytes(b"BREW").unwrap(), "/api/v1/products/1").await;
    let found = eventually("the delivery to be counted", || async {
        Some(samples(&app).await).filter(|s| s.contains_key("loadify_webhook_deliveries_total{result=\"2xx\"}"))
    })
    .await;
    let value = |name: &str| found.get(name).copied().unwrap_or_else(|| panic!("no {name} among {found:#?}"));
    for (outcome, rows) in [
        ("created", import.counts.created),
        ("duplicates", import.counts.duplicates),
        ("rejected", import.counts.rejected),
        ("unchanged", 0),
    ] {
        let counted = value(&format!("loadify_import_rows_total{{outcome=\"{outcome}\"}}"));
        assert!((counted - f64::from(i32::try_from(rows).unwrap())).abs() < 0.5, "{outcome}: {counted}, not {rows}");
    }
    for (name, expected) in [
        ("loadify_imports_ended_total{status=\"completed\"}", 1.0),
        ("loadify_webhook_deliveries_total{result=\"2xx\"}", 1.0),
        ("loadify_webhook_delivery_duration_seconds_count{result=\"2xx\"}", 1.0),
        ("loadify_http_requests_total{method=\"POST\",route=\"/api/v1/imports\",status=\"201\"}", 1.0),
        (
            "loadify_http_request_duration_seconds_count{method=\"GET\",route=\"/api/v1/imports/{id}\",status=\"200\"}",
            1.0,
        ),
        ("loadify_http_requests_total{method=\"OTHER\",route=\"/api/v1/products/{id}\",status=\"405\"}", 1.0),
        ("loadify_database_up", 1.0),
        ("loadify_queue_due_rows{queue=\"deliveries\"}", 0.0),
    ] {
        assert!((value(name) - expected).abs() < 0.5, "{name}: {}", value(name));
    }
    assert!(value("loadify_event_lag_seconds_count") >= 1.0);
    assert!(value("loadify_database_pool_max_connections") >= 4.0);
}

#[tokio::test]
async fn metrics_count_due_tasks_and_open_streams() {
    let app = TestApp::serve(&[("METRICS_BIND", "127.0.0.1:0")]).await;
    // This endpoint needs no authentication, which would need the database.
    let line = app.web.wait_for_line("Metrics are at http://").await;
    let url = line.split("Metrics are at ").nth(1).unwrap().trim();
    app.upload("sku,name\na,b\n").await;
    let import = app.upload("sku,name\na,b\n").await;
    let mut stream = app.watch(import.id, None).await;
    stream.next_event().await.unwrap();
    eventually("two imports to be due, and one stream", || async {
        let found = samples(&app).await;
        let is = |name: &str, value: f64| found.get(name).is_some_and(|found| (found - value).abs() < 0.5);
        (is("loadify_queue_due_rows{queue=\"imports\"}", 2.0) && is("loadify_event_streams", 1.0)).then_some(())
    })
    .await;
    drop(stream);
    app.db.allow_connections(false).await;
    app.db.terminate_sessions().await;
    eventually("the end of both to be seen", || async {
        let found = samples_at(&app, url).await;
        let is_zero = |name: &str| found.get(name).is_some_and(|found| found.abs() < 0.5);
        (is_zero("loadify_event_streams") && is_zero("loadify_database_up")).then_some(())
    })
    .await;
    app.db.allow_connections(true).await;
}

#[tokio::test]
async fn a_worker_serves_its_metrics_on_a_separate_address() {
    let app = TestApp::serve(&[]).await;
    let worker = app.worker(&[("METRICS_BIND", "127.0.0.1:0")]).await;
    app.import("sku,name\na,b\n").await;
    let line = worker.wait_for_line("Metrics are at http://").await;
    let url = line.split("Metrics are at ").nth(1).unwrap().trim();
    let text = app.client.get(url).send().await.unwrap().text().await.unwrap();
    for expected in [
        "# HELP loadify_import_rows_total Rows of files",
        "# TYPE loadify_import_rows_total counter",
        "loadify_import_rows_total{outcome=\"created\"} 1",
        "loadify_imports_ended_total{status=\"completed\"} 1",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
}
