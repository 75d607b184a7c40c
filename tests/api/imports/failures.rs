//! Failures around an import that are not the fault of its file, and those that are.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use shared::{event::EventKind, import::Import, job::JobStatus, problem::ErrorCode};
use tests::{TestApp, csv::Csv, eventually, oracle::Table, proxy::Proxy, setting};

/// Returns the path of the manifest of an import in the storage folder.
async fn stored(app: &TestApp, id: i64) -> std::path::PathBuf {
    let sql = "SELECT object_key FROM imports WHERE id = $1";
    let key: String = app.db.client.query_one(sql, &[&id]).await.unwrap().get(0);
    app.storage.path().join(key)
}

/// Returns the path of the chunk of an import whose file has only one.
async fn only_chunk(app: &TestApp, id: i64) -> std::path::PathBuf {
    let manifest = std::fs::read(stored(app, id).await).unwrap();
    let chunks: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(chunks.as_array().unwrap().len(), 1);
    app.storage.path().join(chunks[0]["key"].as_str().unwrap())
}

async fn retry(app: &TestApp, id: i64) -> reqwest::Response {
    app.send(Method::POST, &format!("/api/v1/imports/{id}/retry")).await
}

async fn count_events(app: &TestApp, id: i64, kind: EventKind) -> i64 {
    let kind = kind.as_str();
    app.db.number(&format!("SELECT count(*) FROM import_events WHERE import_id = {id} AND kind = '{kind}'")).await
}

/// Starts an import whose worker reaches PostgreSQL through a proxy, and waits for the middle of its file.
async fn import_through_proxy(
    settings: &[(&'static str, &str)],
) -> (TestApp, Proxy, tests::process::Process, Csv, Import) {
    let server = setting("TEST_DATABASE_URL");
    let (before, host) = server.rsplit_once('@').unwrap();
    let proxy = Proxy::to(host).await;
    let app = TestApp::serve(settings).await;
    let name = app.db.url.rsplit('/').next().unwrap();
    let through = format!("{before}@{}/{name}", proxy.address);
    let worker = app.worker(&[("DATABASE_URL", &through)]).await;
    let file = Csv::random(20_000, 91);
    let import = app.upload(file.bytes()).await;
    app.rows_read(import.id, 500).await;
    (app, proxy, worker, file, import)
}

const IMPATIENT: [(&str, &str); 3] =
    [("IMPORT_BATCH_TIMEOUT_SECONDS", "1"), ("IMPORT_LEASE_SECONDS", "2"), ("IMPORT_BATCH_ROWS", "20")];

#[tokio::test]
async fn half_dead_connections_interrupt_an_import_and_do_not_hang_it() {
    let (app, proxy, _worker, file, import) = import_through_proxy(&IMPATIENT).await;
    proxy.swallow();
    let mut expected = Table::default();
    let counts = expected.apply(&file);
    let end = app.end_of(import.id).await;
    assert_eq!((end.status, end.counts), (JobStatus::Completed, counts));
    app.table().await.assert_equals(&expected);
}

#[tokio::test]
async fn half_dead_connections_do_not_delay_a_cancel() {
    let (app, proxy, _worker, _, import) = import_through_proxy(&IMPATIENT).await;
    proxy.swallow();
    app.send(Method::POST, &format!("/api/v1/imports/{}/cancel", import.id)).await;
    let end = app.end_of(import.id).await;
    assert_eq!(end.status, JobStatus::Cancelled);
    assert!(end.counts.adds_up());
    assert_eq!(app.db.number("SELECT count(*) FROM products").await, end.counts.created);
}

#[tokio::test]
async fn a_lock_of_minutes_interrupts_an_import_without_counting_as_an_attempt() {
    let app = TestApp::start_with(&IMPATIENT).await;
    app.db.execute("BEGIN; LOCK TABLE products IN SHARE MODE").await;
    let import = app.upload("sku,name\na,b\n").await;
    eventually("three interruptions", || async {
        (count_events(&app, import.id, EventKind::Interrupted).await >= 3).then_some(())
    })
    .await;
    let waiting = app.import_now(import.id).await;
    assert_eq!(waiting.status, JobStatus::Running);
    let attempts = app.db.number("SELECT attempts::bigint FROM imports").await;
    assert!(attempts <= 1, "{attempts} attempts are counted");
    let mut stream = app.watch(import.id, None).await;
    let interrupted = loop {
        let event = stream.next_event().await.unwrap().expect("an interruption");
        if event.kind == EventKind::Interrupted {
            break event;
        }
    };
    let reason = interrupted.error.unwrap();
    assert!(reason.contains("statement timeout"), "{reason}");
    assert!(interrupted.next_attempt_at.is_some_and(|at| at > interrupted.at), "{:?}", interrupted.next_attempt_at);
    app.db.execute("ROLLBACK").await;
    assert_eq!(app.end_of(import.id).await.status, JobStatus::Completed);
}

#[tokio::test]
async fn a_stored_file_that_differs_from_the_uploaded_one_fails_with_the_reason() {
    let app = TestApp::serve(&[]).await;
    let file = Csv::random(3_000, 92);
    let truncated = app.upload(file.bytes()).await;
    let changed = app.upload(file.bytes()).await;
    let path = only_chunk(&app, truncated.id).await;
    let bytes = std::fs::read(&path).unwrap();
    // At the end of a record, so the rest is a valid file.
    let half = bytes.len() / 2;
    let end = half + bytes[half..].windows(2).position(|pair| pair == b"\r\n").unwrap() + 2;
    std::fs::write(&path, &bytes[..end]).unwrap();
    let mut bytes = bytes;
    let name = bytes.windows(4).position(|text| text == b"Name").unwrap();
    bytes[name] = b'n';
    std::fs::write(only_chunk(&app, changed.id).await, &bytes).unwrap();
    let _worker = app.worker(&[]).await;
    for (import, expected) in [(truncated, format!("{end} bytes")), (changed, "SHA-256".to_owned())] {
        let end = app.end_of(import.id).await;
        assert_eq!((end.status, end.counts.read), (JobStatus::Failed, 0));
        let reason = end.error.unwrap();
        assert!(reason.contains(&expected), "{reason}");
        assert_eq!(count_events(&app, import.id, EventKind::Interrupted).await, 0, "no further attempts");
    }
    assert_eq!(app.db.number("SELECT count(*) FROM products").await, 0);
}

#[tokio::test]
async fn an_import_whose_rows_are_all_rejected_fails() {
    let app = TestApp::start().await;
    let import = app.import("sku,name\n,a\n,b\n").await;
    assert_eq!((import.status, import.counts.rejected, import.counts.read), (JobStatus::Failed, 2, 2));
    let reason = import.error.unwrap();
    assert!(reason.contains("All 2 rows were rejected. Row 1: sku is missing"), "{reason}");
    assert_eq!(app.rejected(import.id).await.len(), 2);
    let partly = app.import("sku,name\n,a\nb,b\n").await;
    assert_eq!((partly.status, partly.counts.rejected), (JobStatus::Completed, 1));
    let refused = retry(&app, import.id).await;
    assert_eq!(refused.status(), StatusCode::CONFLICT, "there is nothing to retry");
    assert!(tests::app::problem(refused).await.detail.starts_with("All rows"));
}

#[tokio::test]
async fn a_failed_import_is_retried_from_where_it_stopped() {
    let app = TestApp::start_with(&[("IMPORT_SLICE_SECONDS", "1"), ("IMPORT_BATCH_ROWS", "1")]).await;
    let file = Csv::random(8_000, 93);
    let import = app.upload(file.bytes()).await;
    app.rows_read(import.id, 100).await;
    let path = stored(&app, import.id).await;
    let aside = path.with_extension("aside");
    std::fs::rename(&path, &aside).unwrap();
    eventually("the missing file to be noticed", || async {
        (count_events(&app, import.id, EventKind::Interrupted).await > 0).then_some(())
    })
    .await;
    let refused = retry(&app, import.id).await;
    assert_eq!(tests::app::problem(refused).await.code, ErrorCode::Conflict, "it has not failed");
    // The earlier attempts had the same result.
    app.db.execute("UPDATE imports SET attempts = 4, wake_at = now()").await;
    let failed = app.end_of(import.id).await;
    assert_eq!(failed.status, JobStatus::Failed);
    assert!(failed.counts.read >= 100 && failed.counts.read < 8_000, "{:?}", failed.counts);

    std::fs::rename(&aside, &path).unwrap();
    let retried = retry(&app, import.id).await;
    assert_eq!(retried.status(), StatusCode::OK);
    let retried: Import = retried.json().await.unwrap();
    assert_eq!((retried.status, retried.error, retried.finished_at), (JobStatus::Queued, None, None));
    let mut expected = Table::default();
    let counts = expected.apply(&file);
    let end = app.end_of(import.id).await;
    // Rows that were processed twice would count as unchanged.
    assert_eq!((end.status, end.counts), (JobStatus::Completed, counts));
    app.table().await.assert_equals(&expected);
    assert_eq!(retry(&app, import.id).await.status(), StatusCode::CONFLICT);
    assert_eq!(retry(&app, import.id + 1).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_job_that_waits_for_its_next_attempt_is_cancelled_at_once() {
    let app = TestApp::start_with(&IMPATIENT).await;
    // In a separate session, so that the change of the import below is committed at once.
    let lock = app.db.connect().await;
    lock.batch_execute("BEGIN; LOCK TABLE products IN SHARE MODE").await.unwrap();
    let import = app.upload("sku,name\na,b\n").await;
    let postpone = "UPDATE imports SET wake_at = now() + interval '1 hour' WHERE error IS NOT NULL";
    eventually("an interruption", || async {
        (app.db.client.execute(postpone, &[]).await.unwrap() == 1).then_some(())
    })
    .await;
    app.send(Method::POST, &format!("/api/v1/imports/{}/cancel", import.id)).await;
    let end = tokio::time::timeout(Duration::from_secs(20), app.end_of(import.id)).await.expect("at once");
    assert_eq!(end.status, JobStatus::Cancelled);
    lock.batch_execute("ROLLBACK").await.unwrap();
}
