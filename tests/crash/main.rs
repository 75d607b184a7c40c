//! Imports whose workers, messages and servers disappear in the middle, against real processes.
//!
//! In every case the table equals the file, row by row, the counts are exact, and the events are numbered 1..N. The random
//! moments come from a seed that is printed; `CRASH_SEED` repeats a run.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]
#![expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "shares of small numbers of rows")]

mod webhooks;

use std::{
    io::Write,
    process::Command,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use rand::{Rng, SeedableRng, rngs::StdRng};
use shared::{import::Import, job::JobStatus};
use tests::{TestApp, csv::Csv, eventually, oracle::Table, setting, sse};

const ROWS: usize = 50_000;
/// Short, so that the death of a worker is noticed soon.
const LEASE: (&str, &str) = ("IMPORT_LEASE_SECONDS", "2");

/// Bypasses the test runner, which does not show the output of tests that pass.
#[expect(clippy::explicit_write, reason = "eprintln! is what the runner captures")]
fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").unwrap();
}

fn seed() -> u64 {
    let seed = std::env::var("CRASH_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().expect("a number"));
    say(&format!("CRASH_SEED={seed}"));
    seed
}

/// A running import, and the expected result.
struct Running {
    app: TestApp,
    import: Import,
    expected: Table,
    counts: shared::import::Counts,
}

impl Running {
    /// Imports a file over a catalogue that already has some of its products.
    async fn start(app: TestApp, seed: u64) -> Self {
        let mut expected = Table::default();
        let before = Csv::random(ROWS / 5, seed ^ 1);
        expected.apply(&before);
        app.import(before.bytes()).await;
        let file = Csv::random(ROWS, seed);
        let counts = expected.apply(&file);
        let import = app.upload(file.bytes()).await;
        Self { app, import, expected, counts }
    }

    /// Number of claims so far.
    async fn epoch(&self) -> i64 {
        self.app.db.number(&format!("SELECT epoch FROM imports WHERE id = {}", self.import.id)).await
    }

    /// Waits until about `share` of the rows has been read.
    async fn reached(&self, share: f64) -> Import {
        let rows = (self.counts.read as f64 * share) as i64;
        self.app.rows_read(self.import.id, rows).await
    }

    async fn completes(&self) {
        let end = self.app.end_of(self.import.id).await;
        assert_eq!((end.status, end.error.as_deref()), (JobStatus::Completed, None));
        assert_eq!(end.counts, self.counts);
        self.app.table().await.assert_equals(&self.expected);
        let events = self.app.watch(self.import.id, None).await.to_end().await;
        sse::assert_numbered(&events, 1);
        let errors = format!("SELECT count(*) FROM import_errors WHERE import_id = {}", self.import.id);
        assert_eq!(self.app.db.number(&errors).await, self.counts.rejected);
    }
}

/// Small batches, so that there are many moments to interrupt.
fn small_batches() -> [(&'static str, &'static str); 2] {
    [LEASE, ("IMPORT_BATCH_ROWS", "100")]
}

/// Not blocking: the test's own connections need the runtime.
async fn services(arguments: &[&str]) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/services");
    let status = tokio::process::Command::new(script)
        .arg(arguments[0])
        .arg(setting("TEST_SERVICES"))
        .args(&arguments[1..])
        .status()
        .await;
    assert!(status.unwrap().success(), "scripts/services {arguments:?}");
}

#[tokio::test]
async fn a_worker_that_is_killed_twenty_times_loses_and_repeats_nothing() {
    let seed = seed();
    let mut random = StdRng::seed_from_u64(seed);
    // So small that twenty workers are not enough to finish.
    let app = TestApp::serve(&[LEASE, ("IMPORT_BATCH_ROWS", "4")]).await;
    let mut worker = app.worker(&[]).await;
    let running = Running::start(app, seed).await;
    let mut read = 0;
    for kill in 0..20 {
        if kill % 4 == 3 {
            // Anywhere: while it connects, scans, or waits for a lease to end.
            tokio::time::sleep(Duration::from_millis(random.random_range(0..700))).await;
        } else {
            let import = running.app.rows_read(running.import.id, read + 1).await;
            assert!(!import.status.is_final(), "the import was over after {kill} kills: it needs more rows");
            read = import.counts.read;
            tokio::time::sleep(Duration::from_millis(random.random_range(0..100))).await;
        }
        worker.kill();
        worker = running.app.process("work", &[]);
    }
    let claims = running.epoch().await;
    say(&format!("killed 20 times, of which {claims} times with a claim, at row {read} the last time"));
    assert!(claims >= 15);
    running.completes().await;
}

#[tokio::test]
async fn a_job_whose_worker_is_killed_again_and_again_changes_each_product_once() {
    let mut random = StdRng::seed_from_u64(seed());
    let app = TestApp::serve(&[LEASE, ("BULK_BATCH_ROWS", "4")]).await;
    let mut worker = app.worker(&[]).await;
    let rows: String = (0..20_000).map(|n| format!("s{n},{}\n", if n % 4 == 0 { "Cup" } else { "Tea" })).collect();
    app.import(format!("sku,name\n{rows}")).await;
    // Some are inactive already: counted as done, and not changed.
    let already = app.begin_job("deactivate", serde_json::json!({ "q": "s1999" })).await;
    let already = app.end_of_job(already.id).await;
    assert_eq!((already.status, already.changed), (JobStatus::Completed, 11));
    let inactive = "SELECT count(*) FROM products WHERE NOT active AND name = 'Tea'";
    let before = app.db.number(inactive).await;

    let job = app.begin_job("deactivate", serde_json::json!({ "q": "tea" })).await;
    assert_eq!(job.total, 15_000);
    let mut done = 0;
    for kill in 0..6 {
        let now = eventually("the job to move", || async {
            let job = app.job(job.id).await;
            (job.done > done || job.status.is_final()).then_some(job)
        })
        .await;
        assert!(!now.status.is_final(), "the job was over after {kill} kills: it needs more products");
        tokio::time::sleep(Duration::from_millis(random.random_range(0..100))).await;
        worker.kill();
        done = app.job(job.id).await.done;
        worker = app.process("work", &[]);
    }
    say(&format!("killed 6 times, at product {done} of 15000 the last time"));
    let end = app.end_of_job(job.id).await;
    assert_eq!((end.status, end.done, end.changed), (JobStatus::Completed, 15_000, 15_000 - before));
    for (expected, which) in [
        (15_000, "NOT active AND version = 2 AND name = 'Tea'"),
        (5_000 - (11 - before), "active AND version = 1 AND name = 'Cup'"),
        (11 - before, "NOT active AND version = 2 AND name = 'Cup'"),
    ] {
        assert_eq!(app.db.number(&format!("SELECT count(*) FROM products WHERE {which}")).await, expected, "{which}");
    }
    assert!(app.db.number(&format!("SELECT epoch FROM bulk_jobs WHERE id = {}", job.id)).await > 5);
}

#[tokio::test]
async fn a_worker_that_sleeps_past_its_lease_cannot_write_when_it_wakes() {
    let seed = seed();
    let app = TestApp::serve(&small_batches()).await;
    let first = app.worker(&[]).await;
    let running = Running::start(app, seed).await;
    let second = running.app.worker(&[]).await;
    for nap in 0..3 {
        let import = running.reached(0.1 + 0.2 * f64::from(nap)).await;
        assert!(!import.status.is_final(), "the import was over before the worker was stopped");
        let epoch = running.epoch().await;
        let taken = format!("Import {}: claimed import.id={} epoch={epoch}", import.id, import.id);
        let sleeper = [&first, &second].into_iter().find(|worker| worker.count_lines(&taken) > 0).unwrap();
        let noticed = sleeper.count_lines("another worker has claimed it");
        sleeper.signal(Signal::SIGSTOP);
        eventually("the other worker to take over", || async { (running.epoch().await > epoch).then_some(()) }).await;
        // It continues in the middle of a batch, with everything that it needs to commit it.
        sleeper.signal(Signal::SIGCONT);
        eventually("the sleeper to notice", || async {
            (sleeper.count_lines("another worker has claimed it") > noticed).then_some(())
        })
        .await;
    }
    running.completes().await;
}

#[tokio::test]
async fn a_worker_that_is_asked_to_stop_leaves_a_checkpoint_and_exits_within_ten_seconds() {
    let seed = seed();
    let mut random = StdRng::seed_from_u64(seed);
    let app = TestApp::serve(&small_batches()).await;
    let mut worker = app.worker(&[]).await;
    let running = Running::start(app, seed).await;
    for stop in 0..5 {
        running.reached(f64::from(stop) * 0.15 + random.random_range(0.0..0.1)).await;
        let asked = Instant::now();
        worker.signal(Signal::SIGTERM);
        let status = worker.ended().await;
        assert!(status.success() && asked.elapsed() < Duration::from_secs(10), "{status} after {:?}", asked.elapsed());
        // A released import is claimed at once, not after the lease.
        worker = running.app.worker(&[]).await;
    }
    running.completes().await;
}

#[tokio::test]
async fn jobs_whose_messages_are_lost_are_enqueued_again() {
    let seed = seed();
    let app = TestApp::serve(&small_batches()).await;
    let queue = app.settings.iter().find(|(name, _)| *name == "BROKER_QUEUE").unwrap().1.clone();
    // No worker yet: the message waits in the queue, and is purged there.
    let import = app.upload("sku,name\nfirst,x\n").await;
    eventually("the message", || async {
        let listed = Command::new("sh")
            .args([
                "-c",
                ". \"$TEST_SERVICES/rabbit.env\"; /usr/lib/rabbitmq/bin/rabbitmqctl -q list_queues name messages",
            ])
            .output()
            .unwrap();
        String::from_utf8(listed.stdout)
            .unwrap()
            .lines()
            .any(|line| line.starts_with(&queue) && line.ends_with('1'))
            .then_some(())
    })
    .await;
    services(&["purge", &queue]).await;
    let mut worker = app.worker(&[]).await;
    assert_eq!(app.end_of(import.id).await.status, JobStatus::Completed);

    app.db.execute("TRUNCATE products").await;
    let running = Running::start(app, seed).await;
    running.reached(0.3).await;
    // The worker dies, and the message that would be redelivered is purged.
    worker.kill();
    services(&["purge", &queue]).await;
    let _next = running.app.worker(&[]).await;
    running.completes().await;
}

#[tokio::test]
async fn a_restart_of_the_broker_delays_nothing() {
    let seed = seed();
    let app = TestApp::serve(&small_batches()).await;
    let worker = app.worker(&[]).await;
    let running = Running::start(app, seed).await;
    running.reached(0.1).await;
    services(&["restart-broker"]).await;
    // The import may have ended by now; the worker must accept the next one in any case.
    running.completes().await;
    let next = running.app.import("sku,name\nafter-the-restart,x\n").await;
    assert_eq!(next.status, JobStatus::Completed);
    assert!(worker.count_lines("The connection to the broker was lost") > 0, "the worker did not notice");
}

#[tokio::test]
async fn database_sessions_that_are_terminated_interrupt_and_do_not_fail_an_import() {
    let seed = seed();
    let mut random = StdRng::seed_from_u64(seed);
    let app = TestApp::serve(&small_batches()).await;
    let _worker = app.worker(&[]).await;
    let running = Running::start(app, seed).await;
    let mut cuts = 0;
    while cuts < 8 {
        tokio::time::sleep(Duration::from_millis(random.random_range(50..800))).await;
        if running.app.db.number("SELECT count(*) FROM imports WHERE status IN ('queued', 'running')").await == 0 {
            break;
        }
        running.app.db.terminate_sessions().await;
        cuts += 1;
    }
    assert!(cuts >= 3, "the import was over after {cuts} cuts");
    running.completes().await;
}

#[tokio::test]
async fn a_file_that_kills_its_workers_fails_with_a_reason() {
    let app = TestApp::serve(&[LEASE]).await;
    // No worker gets past the first row: products cannot be written.
    app.db.execute("BEGIN; LOCK TABLE products IN SHARE MODE").await;
    let import = app.upload(Csv::random(1_000, 1).bytes()).await;
    for life in 1..=5 {
        let mut worker = app.process("work", &[]);
        eventually("the worker to claim it", || async {
            (app.db.number("SELECT epoch FROM imports").await == life).then_some(())
        })
        .await;
        worker.kill();
    }
    let _worker = app.worker(&[]).await;
    let end = app.end_of(import.id).await;
    assert_eq!(end.status, JobStatus::Failed);
    let reason = end.error.unwrap();
    assert!(reason.contains("stopped responding 5 times"), "{reason}");
}

#[tokio::test]
async fn a_cancelled_import_whose_worker_died_has_exact_counts() {
    let seed = seed();
    let app = TestApp::serve(&small_batches()).await;
    let mut worker = app.worker(&[]).await;
    let running = Running::start(app, seed).await;
    running.reached(0.3).await;
    // In the middle of a batch, between two reports of its progress.
    worker.kill();
    let app = &running.app;
    app.send(reqwest::Method::POST, &format!("/api/v1/imports/{}/cancel", running.import.id)).await;
    let _next = app.worker(&[]).await;
    let end = app.end_of(running.import.id).await;
    assert_eq!(end.status, JobStatus::Cancelled);
    let sums = "SELECT sum(created + updated + unchanged + duplicates + rejected)::bigint FROM import_partitions";
    assert_eq!(app.db.number(&format!("{sums} WHERE import_id = {}", end.id)).await, end.counts.read);
    let written = format!("SELECT count(*) FROM products WHERE import_id = {}", end.id);
    assert_eq!(app.db.number(&written).await, end.counts.created + end.counts.updated);
    assert!(end.counts.adds_up(), "{:?}", end.counts);
}

#[tokio::test]
async fn another_worker_resumes_within_two_seconds_after_the_lease() {
    let seed = seed();
    let app = TestApp::serve(&[LEASE, ("IMPORT_BATCH_ROWS", "20")]).await;
    let mut first = app.worker(&[]).await;
    let running = Running::start(app, seed).await;
    running.reached(0.1).await;
    let epoch = running.epoch().await;
    first.kill();
    let killed = Instant::now();
    let _second = running.app.worker(&[]).await;
    eventually("the second worker to claim it", || async { (running.epoch().await > epoch).then_some(()) }).await;
    let recovered = killed.elapsed();
    say(&format!("resumed {recovered:?} after the death of the worker, with a lease of 2 s"));
    assert!(recovered < Duration::from_secs(2 + 2), "{recovered:?}");
    running.completes().await;
}
