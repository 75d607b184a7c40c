//! Web and workers as separate processes, with a real RabbitMQ.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod amqps;
mod deliveries;
mod listener;
mod postgres_tls;
mod stop;
mod storage;

use std::time::Instant;

use nix::sys::signal::Signal;
use shared::{
    event::EventKind,
    health::{Health, HealthState},
    job::JobStatus,
};
use tests::{TestApp, csv::Csv, eventually, oracle::Table, process::Process, proxy::Proxy, setting};

/// A proxy to RabbitMQ, and the broker's URL through it.
async fn broker_behind_proxy() -> (Proxy, String) {
    let real = setting("TEST_BROKER_URL");
    let (before, rest) = real.split_once('@').unwrap();
    let (host, vhost) = rest.split_once('/').unwrap();
    let proxy = Proxy::to(host).await;
    let url = format!("{before}@{}/{vhost}", proxy.address);
    (proxy, url)
}

#[tokio::test]
async fn an_upload_to_one_process_is_imported_by_another() {
    let app = TestApp::serve(&[]).await;
    let _worker = app.worker(&[]).await;
    let import = app.import_exactly(&Csv::random(2_000, 21)).await;
    assert_eq!(import.status, JobStatus::Completed);
}

#[tokio::test]
async fn a_message_starts_a_worker_sooner_than_the_scheduler_would() {
    let app = TestApp::serve(&[]).await;
    let _worker = app.worker(&[]).await;
    // The scheduler does not enqueue an import in its first ten seconds, so the message starts it.
    let start = Instant::now();
    let import = app.import("sku,name\na,b\n").await;
    assert_eq!(import.status, JobStatus::Completed);
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
}

#[tokio::test]
async fn several_workers_share_imports_and_none_is_done_twice() {
    let app = TestApp::serve(&[]).await;
    let workers = [app.worker(&[]).await, app.worker(&[]).await];
    let mut ids = Vec::new();
    for seed in 0..8 {
        ids.push(app.upload(Csv::random(1_500, 100 + seed).bytes()).await.id);
    }
    for id in &ids {
        assert_eq!(app.end_of(*id).await.status, JobStatus::Completed);
    }
    // The end of an import raises the epoch, too.
    assert_eq!(app.db.number("SELECT max(epoch) FROM imports").await, 2, "each was claimed once");
    for worker in &workers {
        assert!(worker.count_lines(": claimed") > 0, "a worker claimed no import");
    }
}

#[tokio::test]
async fn uploads_are_accepted_while_the_broker_is_down_and_imported_later() {
    let (proxy, url) = broker_behind_proxy().await;
    let app = TestApp::serve(&[("BROKER_URL", &url)]).await;
    let worker = app.worker(&[]).await;
    proxy.cut();
    worker.wait_for_line("The connection to the broker was lost").await;
    let first = app.upload(Csv::random(500, 22).bytes()).await;
    let second = app.upload(Csv::random(500, 23).bytes()).await;
    assert_eq!(app.import_now(first.id).await.status, JobStatus::Queued);
    proxy.restore();
    for import in [first, second] {
        assert_eq!(app.end_of(import.id).await.status, JobStatus::Completed);
    }
}

#[tokio::test]
async fn processes_start_without_a_broker_and_connect_later() {
    let (proxy, url) = broker_behind_proxy().await;
    proxy.cut();
    let app = TestApp::serve(&[("BROKER_URL", &url)]).await;
    let worker = app.process("work", &[]);
    worker.wait_for_line("The connection to the broker was lost").await;
    let import = app.upload("sku,name\na,b\n").await;
    proxy.restore();
    assert_eq!(app.end_of(import.id).await.status, JobStatus::Completed);
}

#[tokio::test]
async fn an_import_continues_while_the_broker_is_down() {
    let (proxy, url) = broker_behind_proxy().await;
    let app = TestApp::serve(&[("BROKER_URL", &url), ("IMPORT_BATCH_ROWS", "20")]).await;
    let _worker = app.worker(&[]).await;
    let file = Csv::random(10_000, 24);
    let mut expected = Table::default();
    let counts = expected.apply(&file);
    let import = app.upload(file.bytes()).await;
    app.rows_read(import.id, 100).await;
    proxy.cut();
    let end = app.end_of(import.id).await;
    assert_eq!((end.status, end.counts), (JobStatus::Completed, counts));
    app.table().await.assert_equals(&expected);
    proxy.restore();
    assert_eq!(app.import("sku,name\nzz,b\n").await.status, JobStatus::Completed);
}

#[tokio::test]
async fn a_worker_that_is_asked_to_stop_releases_its_import() {
    let app = TestApp::serve(&[("IMPORT_BATCH_ROWS", "20")]).await;
    let mut first = app.worker(&[]).await;
    let file = Csv::random(20_000, 25);
    let mut expected = Table::default();
    let counts = expected.apply(&file);
    let import = app.upload(file.bytes()).await;
    app.rows_read(import.id, 500).await;
    let asked = Instant::now();
    first.signal(Signal::SIGTERM);
    assert!(first.ended().await.success(), "exit 0");
    assert!(asked.elapsed().as_secs() < 10);
    let events = app.db.number("SELECT count(*) FROM import_events WHERE kind = 'interrupted'").await;
    assert_eq!(events, 1);
    let _second = app.worker(&[]).await;
    let end = app.end_of(import.id).await;
    assert_eq!((end.status, end.counts), (JobStatus::Completed, counts));
    app.table().await.assert_equals(&expected);
}

#[tokio::test]
async fn a_web_process_stops_immediately_although_streams_are_open() {
    let mut app = TestApp::serve(&[]).await;
    let import = app.upload("sku,name\na,b\n").await;
    let mut stream = app.watch(import.id, None).await;
    assert_eq!(stream.next_event().await.unwrap().unwrap().kind, EventKind::Queued);
    let asked = Instant::now();
    app.web.signal(Signal::SIGTERM);
    assert!(app.web.ended().await.success());
    assert!(asked.elapsed().as_secs() < 5, "{:?}", asked.elapsed());
    assert!(stream.next_event().await.unwrap().is_none(), "the stream is closed, not cut");
}

#[tokio::test]
async fn an_invalid_setting_is_reported_by_name_at_start() {
    let settings = |name: &'static str, value: &str| {
        vec![("DATABASE_URL", "postgres://127.0.0.1:1/x".to_owned()), (name, value.to_owned())]
    };
    for (role, name, value, expected) in [
        ("all", "BROKER_URL", "redis://127.0.0.1", "amqp://"),
        ("all", "STORAGE_URL", "/var/files", "file:///folder"),
        ("all", "BIND", "everywhere", "--bind"),
        ("work", "IMPORT_WRITERS", "0", "--import-writers"),
        ("migrate", "UNUSED", "", "DATABASE_URL"),
    ] {
        let mut process = Process::start(role, &settings(name, value));
        assert!(!process.ended().await.success());
        eventually("the reason", || async { process.log().contains(expected).then_some(()) }).await;
    }
    let mut process = Process::start("serve", &[("STORAGE_URL", "memory:///".into())]);
    assert!(!process.ended().await.success());
    eventually("the reason", || async { process.log().contains("--database-url").then_some(()) }).await;
}

#[tokio::test]
async fn without_the_broker_a_web_process_is_degraded_not_unready() {
    let (proxy, url) = broker_behind_proxy().await;
    let app = TestApp::serve(&[("BROKER_URL", &url)]).await;
    let state = || async { serde_json::from_value::<Health>(app.json("/readyz").await).unwrap() };
    assert_eq!(state().await.state, HealthState::Ready);
    proxy.cut();
    app.upload("sku,name\na,b\n").await;
    let health = eventually("the broker to be reported as unavailable", || async {
        Some(state().await).filter(|health| health.state == HealthState::Degraded)
    })
    .await;
    assert!(health.database.ok && !health.broker.ok, "{health:?}");
    proxy.restore();
    eventually("the broker to be reported as available", || async {
        (state().await.state == HealthState::Ready).then_some(())
    })
    .await;
}
