//! The event stream of an import.

use std::time::Duration;

use shared::{event::EventKind, job::JobStatus};
use tests::{
    TestApp,
    csv::Csv,
    sse::{Block, assert_numbered},
};

#[tokio::test]
async fn a_stream_begins_with_the_state_and_is_not_cached_compressed_or_buffered() {
    let app = TestApp::serve(&[]).await;
    let import = app.upload("sku,name\na,b\n").await;
    let mut stream = app.watch(import.id, None).await;
    assert_eq!(stream.status, 200);
    assert_eq!(stream.headers["content-type"], "text/event-stream");
    assert_eq!(stream.headers["cache-control"], "no-cache");
    assert_eq!(stream.headers["x-accel-buffering"], "no");
    assert!(stream.headers.get("content-encoding").is_none_or(|encoding| encoding == "identity"));
    let mut first = Vec::new();
    while first.len() < 3 {
        match stream.next().await.unwrap() {
            Block::Comment(_) => {}
            block => first.push(block),
        }
    }
    let [Block::Retry(retry), Block::State(state), Block::Event(event)] = &first[..] else { panic!("{first:?}") };
    assert!(*retry <= Duration::from_secs(5));
    assert_eq!((state.import.id, state.import.status), (import.id, JobStatus::Queued));
    assert_eq!((event.seq, event.kind), (1, EventKind::Queued));
}

#[tokio::test]
async fn events_are_numbered_from_one_without_gaps_or_duplicates() {
    let app = TestApp::start_with(&[("IMPORT_BATCH_ROWS", "1")]).await;
    let import = app.upload(Csv::random(6_000, 11).bytes()).await;
    // One reader stays connected, another reconnects after every event.
    let faithful = tokio::spawn(app.watch(import.id, None).await.to_end());
    let mut fickle = Vec::new();
    let mut seen = None;
    loop {
        let mut stream = app.watch(import.id, seen).await;
        if stream.status == 204 {
            break;
        }
        if let Some(event) = stream.next_event().await.unwrap() {
            seen = Some(event.seq);
            fickle.push(event);
        }
    }
    let faithful = faithful.await.unwrap();
    assert_numbered(&faithful, 1);
    assert_eq!(faithful, fickle);
    assert!(faithful.iter().filter(|event| event.kind == EventKind::Progress).count() >= 3, "{faithful:?}");
}

#[tokio::test]
async fn at_most_four_events_are_sent_per_second() {
    let app = TestApp::start_with(&[("IMPORT_BATCH_ROWS", "1")]).await;
    let import = app.upload(Csv::random(8_000, 12).bytes()).await;
    let events = app.watch(import.id, None).await.to_end().await;
    let progress: Vec<_> = events.iter().filter(|event| event.kind == EventKind::Progress).collect();
    assert!(progress.len() > 5, "the import was too short for this test");
    for five in progress.windows(5) {
        assert!((five[4].at - five[0].at).num_milliseconds() >= 990, "five events within a second: {five:?}");
    }
}

#[tokio::test]
async fn a_stream_ends_after_the_last_event_and_a_reader_that_has_it_gets_204() {
    let app = TestApp::start().await;
    let import = app.import("sku,name\na,b\n").await;
    let from_start = app.watch(import.id, None).await.to_end().await;
    assert_numbered(&from_start, 1);
    assert_eq!(from_start.last().unwrap().seq, import.last_seq);
    let rest = app.watch(import.id, Some(2)).await.to_end().await;
    assert_eq!(rest, from_start[2..]);
    assert_eq!(app.watch(import.id, Some(import.last_seq)).await.status, 204);
    assert_eq!(app.watch(import.id + 1, None).await.status, 404);
}

#[tokio::test]
async fn a_quiet_stream_is_kept_alive_by_comments() {
    let app = TestApp::serve(&[]).await;
    let import = app.upload("sku,name\na,b\n").await;
    let mut stream = app.watch(import.id, None).await;
    let start = std::time::Instant::now();
    let mut comments = 0;
    while comments < 2 {
        if let Block::Comment(_) = stream.next().await.unwrap() {
            comments += 1;
        }
    }
    assert!(start.elapsed() < Duration::from_secs(15), "two comments took {:?}", start.elapsed());
}

#[tokio::test]
async fn events_arrive_at_once_also_from_another_web_process() {
    let app = TestApp::serve(&[]).await;
    let (other, base) = app.another_web().await;
    other.wait_for_line("Listening for events").await;
    let _worker = app.worker(&[("IMPORT_BATCH_ROWS", "5")]).await;
    let import = app.upload(Csv::random(3_000, 13).bytes()).await;
    let here = app.watch(import.id, None).await.to_end();
    let there = tests::sse::EventStream::open(&app.client, &base, import.id, None).await.to_end();
    let (here, there) = tokio::join!(here, there);
    assert_numbered(&here, 1);
    assert_eq!(here, there);
}

#[tokio::test]
async fn a_stream_survives_the_loss_of_database_sessions() {
    let app = TestApp::start_with(&[("IMPORT_BATCH_ROWS", "1"), ("IMPORT_LEASE_SECONDS", "2")]).await;
    let import = app.upload(Csv::random(5_000, 14).bytes()).await;
    let mut stream = app.watch(import.id, None).await;
    let first = stream.next_event().await.unwrap().unwrap();
    assert_eq!(first.seq, 1);
    app.db.terminate_sessions().await;
    let rest = stream.to_end().await;
    assert_numbered(&rest, 2);
    assert_eq!(rest.last().unwrap().status, JobStatus::Completed);
}

#[tokio::test]
async fn a_silent_worker_is_distinguished_from_a_slow_one() {
    // A lock on one product blocks the only batch; the worker still sends heartbeats.
    let app = TestApp::start().await;
    app.import("sku,name\na,b\n").await;
    app.db.execute("BEGIN; UPDATE products SET name = 'held' WHERE sku_key = 'a'").await;
    let import = app.upload("sku,name\na,c\n").await;
    let mut stream = app.watch(import.id, None).await;
    let mut signs = 0;
    while signs < 2 {
        let event = stream.next_event().await.unwrap().expect("the batch is blocked");
        signs += i32::from(event.kind == EventKind::Progress);
    }
    app.db.execute("ROLLBACK").await;
    let rest = stream.to_end().await;
    assert_eq!(rest.last().unwrap().status, JobStatus::Completed);
}
