//! A web process that loses PostgreSQL, or only the connection on which it listens for events.

use std::time::{Duration, Instant};

use shared::{event::EventKind, job::JobStatus};
use tests::{TestApp, csv::Csv, proxy::Proxy, setting, sse::assert_numbered};

const LISTENING: &str = "Listening for events";

#[tokio::test]
async fn a_stream_survives_an_outage_of_the_database_and_misses_nothing() {
    let server = setting("TEST_DATABASE_URL");
    let (before, host) = server.rsplit_once('@').unwrap();
    let proxy = Proxy::to(host).await;
    let direct = TestApp::serve(&[("IMPORT_BATCH_ROWS", "20")]).await;
    let _worker = direct.worker(&[]).await;
    // Another web process, which reaches the database through the proxy; the worker connects directly.
    let name = direct.db.url.rsplit('/').next().unwrap();
    let through = format!("{before}@{}/{name}", proxy.address);
    let (web, base) = direct.another_with("serve", &[("DATABASE_URL", &through)]).await;
    web.wait_for_line(LISTENING).await;
    let import = direct.upload(Csv::random(20_000, 71).bytes()).await;
    let mut stream = tests::sse::EventStream::open(&direct.client, &base, import.id, None).await;
    let mut seen = vec![stream.next_event().await.unwrap().unwrap()];
    proxy.cut();
    web.wait_for_line("No notifications from the database").await;
    let before = direct.import_now(import.id).await.counts.read;
    direct.rows_read(import.id, before + 1_000).await;
    proxy.restore();
    while let Some(event) = stream.next_event().await.expect("the stream is not cut") {
        seen.push(event);
    }
    assert_numbered(&seen, 1);
    assert_eq!(seen.last().unwrap().status, JobStatus::Completed);
    tests::eventually("the listener to be back", || async { (web.count_lines(LISTENING) == 2).then_some(()) }).await;
}

#[tokio::test]
async fn without_its_listener_a_web_process_polls() {
    let app = TestApp::serve(&[]).await;
    app.web.wait_for_line(LISTENING).await;
    let import = app.upload("sku,name\na,b\n").await;
    let mut stream = app.watch(import.id, None).await;
    assert_eq!(stream.next_event().await.unwrap().unwrap().kind, EventKind::Queued);
    // Each new listener connection is terminated; the other connections stay.
    let lose = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                WHERE datname = current_database() AND query LIKE 'LISTEN %'";
    let (waited, event) = {
        let losing = async {
            loop {
                app.db.execute(lose).await;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let receiving = async {
            app.web.wait_for_line("No notifications from the database").await;
            let cancelled = Instant::now();
            app.db.execute("UPDATE imports SET cancel_requested = false").await;
            app.send(reqwest::Method::POST, &format!("/api/v1/imports/{}/cancel", import.id)).await;
            let event = stream.next_event().await.unwrap().unwrap();
            (cancelled.elapsed(), event)
        };
        tokio::select! {
            () = losing => unreachable!("it never ends"),
            received = receiving => received,
        }
    };
    assert_eq!(event.kind, EventKind::Cancelled);
    assert!(waited < Duration::from_secs(3), "{waited:?}");
}
