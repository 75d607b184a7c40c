//! Processes stop without losing anything.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use reqwest::StatusCode;
use shared::{
    event::EventKind,
    health::{Health, HealthState},
    job::JobStatus,
};
use tests::{TestApp, csv::Csv, eventually, oracle::Table, sse::assert_numbered};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const BODY: &str = "name,sku,description\nupload,slow,\n";

/// Sends a request with half of its body.
async fn half_sent(app: &TestApp) -> TcpStream {
    let address = app.base.strip_prefix("http://").unwrap();
    let files = "SELECT count(*) FROM stored_files";
    let before = app.db.number(files).await;
    let mut peer = TcpStream::connect(address).await.unwrap();
    let length = BODY.len();
    let head = format!(
        "POST /api/v1/imports HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/csv\r\ncontent-length: {length}\r\n\r\n"
    );
    peer.write_all((head + &BODY[..10]).as_bytes()).await.unwrap();
    // The handler has started once it has recorded its file.
    eventually("the upload to be in progress", || async { (app.db.number(files).await > before).then_some(()) }).await;
    peer
}

#[tokio::test]
async fn a_stop_closes_streams_completes_requests_and_releases_the_import() {
    let settings = [("IMPORT_BATCH_ROWS", "20"), ("BROKER_QUEUE", "stop-all")];
    let mut app = TestApp::start_with(&settings).await;
    let file = Csv::random(20_000, 61);
    let mut expected = Table::default();
    let counts = expected.apply(&file);
    let import = app.upload(file.bytes()).await;
    app.rows_read(import.id, 500).await;
    let mut stream = app.watch(import.id, None).await;
    let mut seen = vec![stream.next_event().await.unwrap().unwrap()];
    let mut slow = half_sent(&app).await;

    let asked = Instant::now();
    app.web.signal(Signal::SIGTERM);
    while let Some(event) = stream.next_event().await.expect("the stream is ended, not cut") {
        seen.push(event);
    }
    let streams_closed = asked.elapsed();
    assert!(streams_closed < Duration::from_secs(2), "{streams_closed:?}");
    assert!(app.web.exit_status().is_none(), "it waits for the request in progress");
    tokio::time::sleep(Duration::from_secs(3)).await;
    slow.write_all(&BODY.as_bytes()[10..]).await.unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    assert!(app.web.ended().await.success(), "exit 0");
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());

    // Both continue in the next process, and clients of the stream miss nothing.
    let (next, base) = app.another("all").await;
    (app.web, app.base) = (next, base);
    let last = seen.last().unwrap().seq;
    let rest = app.watch(import.id, Some(last)).await.to_end().await;
    seen.extend(rest);
    assert_numbered(&seen, 1);
    assert_eq!(seen.iter().filter(|event| event.kind == EventKind::Interrupted).count(), 1);
    let end = app.import_now(import.id).await;
    assert_eq!((end.status, end.counts), (JobStatus::Completed, counts));
    assert_eq!(app.end_of(import.id + 1).await.counts.created, 1, "the slow upload");
    expected.apply(&Csv::from(BODY));
    app.table().await.assert_equals(&expected);
}

#[tokio::test]
async fn a_request_that_never_ends_does_not_block_a_stop() {
    let mut app = TestApp::serve(&[]).await;
    app.upload("sku,name\na,b\n").await;
    let _slow = half_sent(&app).await;
    let asked = Instant::now();
    app.web.signal(Signal::SIGTERM);
    assert!(app.web.ended().await.success(), "exit 0");
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
}

#[tokio::test]
async fn a_process_that_stops_is_not_ready_and_still_answers() {
    let mut app = TestApp::serve(&[("DRAIN_MS", "2000")]).await;
    assert_eq!(app.get("/readyz").await.status(), StatusCode::OK);
    app.web.signal(Signal::SIGTERM);
    app.web.wait_for_line("Stopping").await;
    // New connections, as a load balancer opens them: none is refused yet.
    let fresh = reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap();
    let ready = fresh.get(app.url("/readyz")).send().await.unwrap();
    assert_eq!(ready.status(), StatusCode::SERVICE_UNAVAILABLE);
    let health: Health = ready.json().await.unwrap();
    assert_eq!(health.state, HealthState::Stopping);
    assert!(health.database.ok && health.migrations.ok && health.broker.ok && health.storage.ok);
    assert_eq!(fresh.get(app.url("/livez")).send().await.unwrap().status(), StatusCode::OK);
    assert_eq!(fresh.get(app.url("/api/v1/imports")).send().await.unwrap().status(), StatusCode::OK);
    assert!(app.web.ended().await.success());
    assert!(fresh.get(app.url("/livez")).send().await.is_err(), "then it has stopped");
}
