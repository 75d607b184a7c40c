//! Deleting the whole catalogue.

use std::time::Instant;

use nix::sys::signal::Signal;
use reqwest::Method;
use serde_json::{Value, json};
use shared::job::JobStatus;
use tests::{TestApp, app::problem, csv::Csv, eventually};

#[tokio::test]
async fn everything_is_deleted_only_if_the_count_is_right() {
    let app = TestApp::start().await;
    app.import("sku,name\na,A\nb,B\nc,C\n").await;
    app.delete(app.db.number("SELECT min(id) FROM products").await).await;
    let mut seen = Vec::new();
    for path in ["/api/v1/products", "/api/v1/products?confirm=3", "/api/v1/products?confirm=all"] {
        let problem = problem(app.send(Method::DELETE, path).await).await;
        seen.push(format!("{} {:?} {}", problem.status, problem.code, problem.detail));
    }
    insta::assert_debug_snapshot!(seen, @r#"
    [
        "400 BadRequest Confirm is missing; set it to the number of products that /api/v1/products/count returns.",
        "409 Conflict There are 2 products, not 3; nothing was deleted.",
        "400 BadRequest A query parameter is not valid: Query deserialize error: invalid digit found in string; see /api/docs.",
    ]
    "#);
    let response = app.send(Method::DELETE, "/api/v1/products?confirm=2").await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.json::<Value>().await.unwrap(), json!({ "deleted": 2 }));
    for table in ["products", "search_segments", "search_postings", "search_keys", "deleted_products"] {
        assert_eq!(app.db.number(&format!("SELECT count(*) FROM {table}")).await, 0, "{table}");
    }
    assert_eq!(app.db.number("SELECT count(*) FROM imports").await, 1, "imports stay");
}

#[tokio::test]
async fn many_products_are_deleted_quickly_and_statistics_are_updated() {
    let app = TestApp::start().await;
    app.db
        .execute(
            "INSERT INTO products (sku_key, sku, name, description) \
             SELECT 's' || n, 'S' || n, 'Product ' || n, repeat('x', 80) FROM generate_series(1, 200000) n; ANALYZE products",
        )
        .await;
    let start = Instant::now();
    let response = app.send(Method::DELETE, "/api/v1/products?confirm=200000").await;
    assert_eq!(response.status(), 200);
    assert!(start.elapsed().as_millis() < 1_000, "{:?}", start.elapsed());
    let estimated = "SELECT reltuples::bigint FROM pg_class WHERE relname = 'products'";
    assert_eq!(app.db.number(estimated).await, 0);
}

#[tokio::test]
async fn deleting_waits_only_some_seconds_for_a_locked_catalogue() {
    let app = TestApp::start().await;
    app.import("sku,name\na,A\n").await;
    app.db.execute("BEGIN; UPDATE products SET name = 'held'").await;
    let refused = app.send(Method::DELETE, "/api/v1/products?confirm=1").await;
    assert_eq!(refused.headers()["retry-after"], "5");
    assert_eq!(problem(refused).await.status, 503);
    app.db.execute("ROLLBACK").await;
    assert_eq!(app.send(Method::DELETE, "/api/v1/products?confirm=1").await.status(), 200);
}

#[tokio::test]
async fn a_running_import_continues_and_its_result_adds_up() {
    let app = TestApp::serve(&[("IMPORT_BATCH_ROWS", "5"), ("IMPORT_WRITERS", "1")]).await;
    let worker = app.worker(&[]).await;
    let file = Csv::random(20_000, 31);
    let mut expected = tests::oracle::Table::default();
    let counts = expected.apply(&file);
    let import = app.upload(file.bytes()).await;
    app.rows_read(import.id, 500).await;
    // The worker is stopped between two batches, so that the count stays right until it is used.
    let deleted = eventually("everything to be deleted", || async {
        worker.signal(Signal::SIGSTOP);
        let writing =
            "SELECT count(*) FROM pg_locks WHERE relation = 'products'::regclass AND mode = 'RowExclusiveLock'";
        let mut deleted = None;
        if app.db.number(writing).await == 0 {
            let count = app.json("/api/v1/products/count").await["count"].as_i64().unwrap();
            let response = app.send(Method::DELETE, &format!("/api/v1/products?confirm={count}")).await;
            deleted = (response.status() == 200).then_some(count);
        }
        worker.signal(Signal::SIGCONT);
        deleted
    })
    .await;
    assert!(deleted > 0 && deleted < counts.created, "{deleted} were deleted: not while the import runs");
    let end = app.end_of(import.id).await;
    assert_eq!((end.status, end.counts), (JobStatus::Completed, counts));
    assert_eq!(app.db.number("SELECT count(*) FROM products").await, counts.created - deleted);
}
