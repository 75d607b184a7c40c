//! Imports whose workers, messages and servers are taken away in the middle, against real processes.
//!
//! However it goes: the table is what the file says, row by row; the balance sheet is exact; the events are numbered
//! 1..N. The random points come from a seed that is printed; `CRASH_SEED` repeats a run.
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
use shared::{
    bulk::BulkStatus,
    import::{Import, ImportStatus},
};
use tests::{TestApp, csv::Csv, eventually, oracle::Table, setting, sse};

const ROWS: usize = 50_000;
/// Short, so that a lost worker is missed soon.
const LEASE: (&str, &str) = ("IMPORT_LEASE_SECONDS", "2");

/// Past the test runner, which keeps to itself what a test prints that succeeds.
#[expect(clippy::explicit_write, reason = "eprintln! is what the runner keeps")]
fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").unwrap();
}

fn seed() -> u64 {
    let seed = std::env::var("CRASH_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().expect("a number"));
    say(&format!("CRASH_SEED={seed}"));
    seed
}

/// An import on its way, and what must come of it.
struct Ordeal {
    app: TestApp,
    import: Import,
    expected: Table,
    counts: shared::import::Counts,
}

impl Ordeal {
    /// A file over a catalogue that already has some of its products.
    async fn begin(app: TestApp, seed: u64) -> Self {
        let mut expected = Table::default();
        let before = Csv::random(ROWS / 5, seed ^ 1);
        expected.apply(&before);
        app.import(before.bytes()).await;
        let file = Csv::random(ROWS, seed);
        let counts = expected.apply(&file);
        let import = app.upload(file.bytes()).await;
        Self { app, import, expected, counts }
    }

    /// How often it has been taken.
    async fn epoch(&self) -> i64 {
        self.app.db.number(&format!("SELECT epoch FROM imports WHERE id = {}", self.import.id)).await
    }

    /// Waits until about this share of the rows has been read.
    async fn reached(&self, share: f64) -> Import {
        let rows = (self.counts.read as f64 * share) as i64;
        self.app.rows_read(self.import.id, rows).await
    }

    async fn ends_well(&self) {
        let end = self.app.end_of(self.import.id).await;
        assert_eq!((end.status, end.error.as_deref()), (ImportStatus::Completed, None));
        assert_eq!(end.counts, self.counts);
        self.app.table().await.assert_equals(&self.expected);
        let events = self.app.watch(self.import.id, None).await.to_end().await;
        sse::assert_numbered(&events, 1);
        let errors = format!("SELECT count(*) FROM import_errors WHERE import_id = {}", self.import.id);
        assert_eq!(self.app.db.number(&errors).await, self.counts.rejected);
    }
}

/// Small batches, so that there are many moments to be hit.
fn small_batches() -> [(&'static str, &'static str); 2] {
    [LEASE, ("IMPORT_BATCH_ROWS", "100")]
}

/// Not blocking: the test's own connections have to be looked after meanwhile.
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
async fn a_worker_that_is_killed_twenty_times_loses_and_doubles_nothing() {
    let seed = seed();
    let mut random = StdRng::seed_from_u64(seed);
    // So small that twenty lives are not enough to finish.
    let app = TestApp::serve(&[LEASE, ("IMPORT_BATCH_ROWS", "4")]).await;
    let mut worker = app.worker(&[]).await;
    let ordeal = Ordeal::begin(app, seed).await;
    let mut read = 0;
    for kill in 0..20 {
        if kill % 4 == 3 {
            // Anywhere: while it connects, surveys, or waits for a lease to end.
            tokio::time::sleep(Duration::from_millis(random.random_range(0..700))).await;
        } else {
            let import = ordeal.app.rows_read(ordeal.import.id, read + 1).await;
            assert!(!import.status.is_final(), "the import was over after {kill} kills: it needs more rows");
            read = import.counts.read;
            tokio::time::sleep(Duration::from_millis(random.random_range(0..100))).await;
        }
        worker.kill();
        worker = ordeal.app.process("work", &[]);
    }
    let lives = ordeal.epoch().await;
    say(&format!("killed 20 times, of which {lives} times with the import in hand, at row {read} the last time"));
    assert!(lives >= 15);
    ordeal.ends_well().await;
}

#[tokio::test]
async fn a_job_whose_worker_is_killed_again_and_again_changes_each_product_once() {
    let mut random = StdRng::seed_from_u64(seed());
    let app = TestApp::serve(&[LEASE, ("BULK_BATCH_ROWS", "4")]).await;
    let mut worker = app.worker(&[]).await;
    let rows: String = (0..20_000).map(|n| format!("s{n},{}\n", if n % 4 == 0 { "Cup" } else { "Tea" })).collect();
    app.import(format!("sku,name\n{rows}")).await;
    // Some are as they are wanted already: dealt with, and not changed.
    let already = app.begin_job("deactivate", serde_json::json!({ "q": "s1999" })).await;
    let already = app.end_of_job(already.id).await;
    assert_eq!((already.status, already.changed), (BulkStatus::Completed, 11));
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
    assert_eq!((end.status, end.done, end.changed), (BulkStatus::Completed, 15_000, 15_000 - before));
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
    let ordeal = Ordeal::begin(app, seed).await;
    let second = ordeal.app.worker(&[]).await;
    for nap in 0..3 {
        let import = ordeal.reached(0.1 + 0.2 * f64::from(nap)).await;
        assert!(!import.status.is_final(), "over before the nap");
        let epoch = ordeal.epoch().await;
        let taken = format!("Import {}: taken import.id={} epoch={epoch}", import.id, import.id);
        let sleeper = [&first, &second].into_iter().find(|worker| worker.count_lines(&taken) > 0).unwrap();
        let noticed = sleeper.count_lines("another worker has taken over");
        sleeper.signal(Signal::SIGSTOP);
        eventually("the other worker to take over", || async { (ordeal.epoch().await > epoch).then_some(()) }).await;
        // It wakes up in the middle of a batch, with all that it needs to commit it.
        sleeper.signal(Signal::SIGCONT);
        eventually("the sleeper to notice", || async {
            (sleeper.count_lines("another worker has taken over") > noticed).then_some(())
        })
        .await;
    }
    ordeal.ends_well().await;
}

#[tokio::test]
async fn a_worker_that_is_asked_to_stop_leaves_a_checkpoint_and_exits_within_ten_seconds() {
    let seed = seed();
    let mut random = StdRng::seed_from_u64(seed);
    let app = TestApp::serve(&small_batches()).await;
    let mut worker = app.worker(&[]).await;
    let ordeal = Ordeal::begin(app, seed).await;
    for stop in 0..5 {
        ordeal.reached(f64::from(stop) * 0.15 + random.random_range(0.0..0.1)).await;
        let asked = Instant::now();
        worker.signal(Signal::SIGTERM);
        let status = worker.ended().await;
        assert!(status.success() && asked.elapsed() < Duration::from_secs(10), "{status} after {:?}", asked.elapsed());
        // What was handed back is taken at once, not after the lease.
        worker = ordeal.app.worker(&[]).await;
    }
    ordeal.ends_well().await;
}

#[tokio::test]
async fn messages_that_are_thrown_away_are_rung_for_again() {
    let seed = seed();
    let app = TestApp::serve(&small_batches()).await;
    let queue = app.settings.iter().find(|(name, _)| *name == "BROKER_QUEUE").unwrap().1.clone();
    // No worker yet: the message waits in the queue, and is thrown away there.
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
    assert_eq!(app.end_of(import.id).await.status, ImportStatus::Completed);

    app.db.execute("TRUNCATE products").await;
    let ordeal = Ordeal::begin(app, seed).await;
    ordeal.reached(0.3).await;
    // The worker dies, and the message that would come again with it.
    worker.kill();
    services(&["purge", &queue]).await;
    let _next = ordeal.app.worker(&[]).await;
    ordeal.ends_well().await;
}

#[tokio::test]
async fn a_broker_that_restarts_holds_nothing_up() {
    let seed = seed();
    let app = TestApp::serve(&small_batches()).await;
    let worker = app.worker(&[]).await;
    let ordeal = Ordeal::begin(app, seed).await;
    ordeal.reached(0.1).await;
    services(&["restart-broker"]).await;
    // The import may be over by now; the worker must be there for the next one in any case.
    ordeal.ends_well().await;
    let next = ordeal.app.import("sku,name\nafter-the-restart,x\n").await;
    assert_eq!(next.status, ImportStatus::Completed);
    assert!(worker.count_lines("The broker is lost") > 0, "the worker did not notice");
}

#[tokio::test]
async fn database_sessions_that_are_terminated_interrupt_and_do_not_fail_an_import() {
    let seed = seed();
    let mut random = StdRng::seed_from_u64(seed);
    let app = TestApp::serve(&small_batches()).await;
    let _worker = app.worker(&[]).await;
    let ordeal = Ordeal::begin(app, seed).await;
    let mut cuts = 0;
    while cuts < 8 {
        tokio::time::sleep(Duration::from_millis(random.random_range(50..800))).await;
        if ordeal.app.db.number("SELECT count(*) FROM imports WHERE status IN ('queued', 'running')").await == 0 {
            break;
        }
        ordeal.app.db.terminate_sessions().await;
        cuts += 1;
    }
    assert!(cuts >= 3, "the import was over after {cuts} cuts");
    ordeal.ends_well().await;
}

#[tokio::test]
async fn a_file_that_kills_its_workers_is_given_up_with_a_reason() {
    let app = TestApp::serve(&[LEASE]).await;
    // However long a worker lives, it gets no row further: nobody can write products.
    app.db.execute("BEGIN; LOCK TABLE products IN SHARE MODE").await;
    let import = app.upload(Csv::random(1_000, 1).bytes()).await;
    for life in 1..=5 {
        let mut worker = app.process("work", &[]);
        eventually("the worker to take it", || async {
            (app.db.number("SELECT epoch FROM imports").await == life).then_some(())
        })
        .await;
        worker.kill();
    }
    let _worker = app.worker(&[]).await;
    let end = app.end_of(import.id).await;
    assert_eq!(end.status, ImportStatus::Failed);
    let reason = end.error.unwrap();
    assert!(reason.contains("died 5 times"), "{reason}");
}
