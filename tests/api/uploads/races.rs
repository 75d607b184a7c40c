//! Uploads whose requests break, are idle or compete with each other, in one process and in several.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use nix::sys::signal::Signal;
use sha2::Digest;
use shared::job::JobStatus;
use tests::{
    TestApp, eventually,
    process::Process,
    tus::{OpenPatch, Tus, import_of, offset_of},
};

const FILE: &[u8] = b"sku,name\na,Tea\nb,Cup\n";

/// Much less than the 30 seconds after which an idle body is ended.
const PROMPT_TIMEOUT: Duration = Duration::from_secs(4);

/// Creates an upload of [`FILE`], and starts a request for all of it that has the lock and has sent five bytes.
async fn half_sent(app: &TestApp, headers: &[(&str, &str)]) -> (Tus, String, OpenPatch) {
    let tus = Tus::of(app);
    let upload = tus.create(FILE.len()).await;
    let mut patch = OpenPatch::begin(&app.base, &upload, 0, FILE.len(), headers).await;
    patch.send(&FILE[..5]).await;
    locked(app).await;
    (tus, upload, patch)
}

/// Waits until a request has the lock, and thus reads its body.
async fn locked(app: &TestApp) {
    let sql = "SELECT count(*) FROM uploads WHERE lock_owner IS NOT NULL";
    eventually("a request to have the lock", || async { (app.db.number(sql).await == 1).then_some(()) }).await;
}

/// Sends the rest, and expects an import of the whole file.
async fn finish(app: &TestApp, tus: &Tus, upload: &str) {
    let offset = tus.offset(upload).await;
    let response = tus.patch(upload, offset, FILE[offset..].to_vec()).await;
    assert_eq!(response.status(), 204);
    let import = app.end_of(import_of(&response)).await;
    assert_eq!((import.status, import.counts.created), (JobStatus::Completed, 2));
    assert_eq!(import.sha256, Some(format!("{:x}", sha2::Sha256::digest(FILE))));
}

#[tokio::test]
async fn what_arrived_before_a_cut_is_kept() {
    let app = TestApp::start().await;
    let (tus, upload, patch) = half_sent(&app, &[]).await;
    drop(patch);
    eventually("the bytes to be stored", || async { (tus.offset(&upload).await == 5).then_some(()) }).await;
    finish(&app, &tus, &upload).await;
}

#[tokio::test]
async fn what_arrived_before_a_reset_is_kept() {
    let app = TestApp::start().await;
    let (tus, upload, patch) = half_sent(&app, &[]).await;
    patch.reset();
    let stored = "SELECT received FROM uploads";
    eventually("the bytes to be stored", || async { (app.db.number(stored).await == 5).then_some(()) }).await;
    finish(&app, &tus, &upload).await;
}

#[tokio::test]
async fn a_cut_body_with_a_checksum_is_discarded() {
    let app = TestApp::start().await;
    let checksum = ("Upload-Checksum", "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=");
    let (tus, upload, patch) = half_sent(&app, &[checksum]).await;
    drop(patch);
    let released = "SELECT count(*) FROM uploads WHERE lock_owner IS NULL";
    eventually("the end of the request", || async { (app.db.number(released).await == 1).then_some(()) }).await;
    assert_eq!(tus.offset(&upload).await, 0);
    assert_eq!(app.db.number("SELECT count(*) FROM upload_chunks").await, 0);
    finish(&app, &tus, &upload).await;
}

#[tokio::test]
async fn an_idle_body_is_ended_and_what_arrived_is_kept() {
    let app = TestApp::start_with(&[("UPLOAD_IDLE_SECONDS", "1")]).await;
    let (tus, upload, patch) = half_sent(&app, &[]).await;
    let answer = patch.response().await;
    assert!(answer.starts_with("http/1.1 204") && answer.contains("upload-offset: 5\r\n"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    let nothing = OpenPatch::begin(&app.base, &upload, 5, 16, &[]).await;
    let answer = nothing.response().await;
    assert!(answer.starts_with("http/1.1 408"), "{answer}");
    finish(&app, &tus, &upload).await;
}

#[tokio::test]
async fn a_newer_request_ends_the_older_one_on_any_process() {
    let app = TestApp::serve(&[]).await;
    let _worker = app.worker(&[]).await;
    let (_other, other_base) = app.another_web().await;
    for base in [&app.base, &other_base] {
        let newer = Tus::at(base);
        // HEAD, as sent by a client that reconnects.
        let (tus, upload, older) = half_sent(&app, &[]).await;
        let asked = Instant::now();
        assert_eq!(newer.offset(&upload).await, 5);
        assert!(asked.elapsed() < PROMPT_TIMEOUT, "{:?}", asked.elapsed());
        let answer = older.response().await;
        assert!(answer.starts_with("http/1.1 409") && answer.contains("upload-offset: 5\r\n"), "{answer}");
        let whole = newer.patch(&upload, 5, &FILE[5..]).await;
        assert_eq!(whole.status(), 204);
        assert_eq!(app.end_of(import_of(&whole)).await.status, JobStatus::Completed);

        // PATCH at the offset that its client knows: the response has the offset that the older one reached.
        let upload_2 = tus.create(FILE.len()).await;
        let mut older = OpenPatch::begin(&app.base, &upload_2, 0, FILE.len(), &[]).await;
        older.send(&FILE[..5]).await;
        locked(&app).await;
        let asked = Instant::now();
        let response = newer.patch(&upload_2, 0, FILE).await;
        assert_eq!((response.status().as_u16(), offset_of(&response)), (409, 5));
        assert!(asked.elapsed() < PROMPT_TIMEOUT, "{:?}", asked.elapsed());
        assert!(older.response().await.starts_with("http/1.1 409"));
        assert_eq!(newer.patch(&upload_2, 5, &FILE[5..]).await.status(), 204);

        // One that has sent nothing is replaced.
        let upload_3 = tus.create(FILE.len()).await;
        let older = OpenPatch::begin(&app.base, &upload_3, 0, FILE.len(), &[]).await;
        locked(&app).await;
        assert_eq!(newer.patch(&upload_3, 0, FILE).await.status(), 204);
        assert!(older.response().await.starts_with("http/1.1 409"));

        // DELETE.
        let (_, upload, older) = half_sent(&app, &[]).await;
        assert_eq!(newer.delete(&upload).await.status(), 204);
        assert!(older.response().await.starts_with("http/1.1 404"));
    }
    let chunks = "SELECT count(*) FROM upload_chunks";
    eventually("no chunk to be left", || async { (app.db.number(chunks).await == 0).then_some(()) }).await;
}

#[tokio::test]
async fn an_upload_resumes_on_another_process_after_its_own_was_killed() {
    let mut app = TestApp::serve(&[]).await;
    let _worker = app.worker(&[]).await;
    let (_other, other_base) = app.another_web().await;
    let (_, upload, _patch) = half_sent(&app, &[]).await;
    app.web.kill();
    let (tus, asked) = (Tus::at(&other_base), Instant::now());
    let offset = tus.offset(&upload).await;
    assert!(asked.elapsed() < Duration::from_secs(8), "{:?}", asked.elapsed());
    let asked = Instant::now();
    let response = tus.patch(&upload, offset, FILE[offset..].to_vec()).await;
    assert_eq!(response.status(), 204);
    assert!(asked.elapsed() < PROMPT_TIMEOUT, "waited only once: {:?}", asked.elapsed());
    app.base = other_base;
    assert_eq!(app.end_of(import_of(&response)).await.status, JobStatus::Completed);
}

#[tokio::test]
async fn a_process_that_is_asked_to_stop_keeps_what_has_arrived() {
    let mut app = TestApp::serve(&[]).await;
    let (_other, other_base) = app.another_web().await;
    let (_, upload, patch) = half_sent(&app, &[]).await;
    let asked = Instant::now();
    app.web.signal(Signal::SIGTERM);
    let answer = patch.response().await;
    assert!(answer.starts_with("http/1.1 204") && answer.contains("upload-offset: 5\r\n"), "{answer}");
    assert!(app.web.ended().await.success(), "exit 0");
    assert!(asked.elapsed() < STOP_TIMEOUT, "{:?}", asked.elapsed());
    assert_eq!(Tus::at(&other_base).offset(&upload).await, 5);
}

/// Time within which a process that is asked to stop has exited.
const STOP_TIMEOUT: Duration = Duration::from_secs(4);
const PROCESSES: usize = 3;
const ROUNDS: usize = 20;
/// Requests in each round; together they are 1,000.
const RACERS: usize = 50;

/// The body of a racer: a row that identifies it, as long as every other.
fn row(round: usize, racer: usize) -> Vec<u8> {
    format!("sku-{round:03}-{racer:03},{}\n", "name of a product ".repeat(20)).into_bytes()
}

/// Sends [`RACERS`] requests at `offset`, over all processes, at the same time. Returns the racers that succeeded.
async fn race(webs: &[Tus], upload: &str, offset: usize, round: usize) -> Vec<usize> {
    let racing = (0..RACERS).map(|racer| async move {
        let response = webs[racer % webs.len()].patch(upload, offset, row(round, racer)).await;
        match response.status().as_u16() {
            204 => {
                assert_eq!(offset_of(&response), offset + row(round, racer).len(), "all of it or nothing");
                Some(racer)
            }
            409 => {
                assert!(offset_of(&response) >= offset);
                None
            }
            status => panic!("racer {racer} of round {round}: {status}"),
        }
    });
    join_all(racing).await.into_iter().flatten().collect()
}

#[tokio::test]
async fn of_a_thousand_racing_requests_on_three_processes_never_two_win_at_one_offset() {
    let app = TestApp::serve(&[]).await;
    let _worker = app.worker(&[]).await;
    let mut others: Vec<(Process, String)> = Vec::new();
    for _ in 1..PROCESSES {
        others.push(app.another_web().await);
    }
    let mut webs = vec![Tus::of(&app)];
    webs.extend(others.iter().map(|(_, base)| Tus::at(base)));
    let mut expected = b"sku,name\n".to_vec();
    let (row_bytes, tail) = (row(0, 0).len(), b"last,row\n");
    let length = expected.len() + ROUNDS * row_bytes + tail.len();
    let response = webs[0].create_with(&[("Upload-Defer-Length", "1")], "").await;
    let upload = tests::tus::header(&response, "location").unwrap();
    assert_eq!(webs[0].patch(&upload, 0, expected.clone()).await.status(), 204);
    let mut won = 0;
    for round in 0..ROUNDS {
        let offset = expected.len();
        let winners = race(&webs, &upload, offset, round).await;
        assert!(winners.len() <= 1, "round {round}: {winners:?} all succeeded");
        let end = webs[round % PROCESSES].offset(&upload).await;
        match winners.first() {
            Some(racer) => expected.extend_from_slice(&row(round, *racer)),
            None => panic!("round {round} at {offset}: no request succeeded, the upload is at {end}"),
        }
        assert_eq!(end, expected.len());
        won += winners.len();
    }
    assert_eq!(won, ROUNDS);
    expected.extend_from_slice(tail);
    assert_eq!(expected.len(), length);
    let said = length.to_string();
    let response = webs[1].patch_with(&upload, length - tail.len(), &[("Upload-Length", &said)], &tail[..]).await;
    assert_eq!(response.status(), 204);
    let import = app.end_of(import_of(&response)).await;
    assert_eq!(app.stored_bytes(import.id).await, expected, "the bytes of the winners, in their order");
    assert_eq!(import.sha256, Some(format!("{:x}", sha2::Sha256::digest(&expected))));
    assert_eq!(import.counts.created, i64::try_from(ROUNDS).unwrap() + 1);
    assert_eq!(app.db.number("SELECT count(*) FROM upload_chunks").await, 0);
}
