//! Three web processes behind nginx, two workers, and browsers that reconnect: each receives every event exactly once.

use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, rngs::StdRng};
use shared::{event::ImportEvent, job::JobStatus};
use tests::{
    TestApp,
    csv::Csv,
    nginx::{Nginx, free_port},
    oracle::Table,
    process::Process,
    sse::{self, Block, EventStream},
};

const ROWS: usize = 100_000;
const CLIENTS: u64 = 24;
/// Maximum time between opening a stream and its first event.
const FIRST_EVENT: Duration = Duration::from_secs(1);

/// What all clients saw in total.
#[derive(Default)]
struct Tally {
    openings: AtomicUsize,
    breaks: AtomicUsize,
    refusals: AtomicUsize,
    slowest_first_event_ms: AtomicUsize,
}

/// A web process that keeps its address when it is restarted.
struct Web {
    process: Process,
    address: String,
}

impl Web {
    async fn start(app: &TestApp, address: String) -> Self {
        let process = app.process("serve", &[("BIND", &address)]);
        process.wait_for_line("Loadify is at http://").await;
        Self { process, address }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_client_behind_nginx_gets_every_event_once_though_web_processes_are_killed() {
    let seed = seed();
    // Small batches, so that the import takes long. Short slices, so that the workers take turns.
    let slow = [("IMPORT_BATCH_ROWS", "100"), ("IMPORT_WRITERS", "1"), ("IMPORT_SLICE_SECONDS", "4")];
    let app = TestApp::serve(&slow).await;
    let mut webs = Vec::new();
    for _ in 0..3 {
        webs.push(Web::start(&app, format!("127.0.0.1:{}", free_port())).await);
    }
    let servers: String = webs.iter().map(|web| format!("server {} max_fails=0; ", web.address)).collect();
    // Only the servers, as in deploy/nginx-upstream.conf: buffering and timeouts are nginx's defaults. Not HTTP/1.0, by which
    // Loadify recognizes a proxy, which it refuses without accounts.
    // By default, nginx sends the upstream's name as the host; without accounts, it must be this machine's.
    let nginx = Nginx::start(|port| {
        format!(
            "upstream localhost {{ {servers} }}\nserver {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://localhost; proxy_http_version 1.1; proxy_set_header Connection ''; }} }}"
        )
    })
    .await;
    let workers = [app.worker(&[]).await, app.worker(&[]).await];

    let file = Csv::random(ROWS, seed);
    let mut expected = Table::default();
    let counts = expected.apply(&file);
    let import = app.upload(file.bytes()).await;
    let tally = Arc::new(Tally::default());
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let random = StdRng::seed_from_u64(seed ^ (client + 1));
            tokio::spawn(browse(nginx.base.clone(), import.id, random, Arc::clone(&tally)))
        })
        .collect();

    let ended = Arc::new(AtomicBool::new(false));
    let killing = tokio::spawn(kill_at_random(app, webs, StdRng::seed_from_u64(seed), Arc::clone(&ended)));
    let mut all_events = Vec::new();
    for client in clients {
        all_events.push(client.await.unwrap());
    }
    ended.store(true, Relaxed);
    let (app, kills) = killing.await.unwrap();

    let end = app.end_of(import.id).await;
    assert_eq!((end.status, end.counts), (JobStatus::Completed, counts));
    app.table().await.assert_equals(&expected);
    for events in &all_events {
        sse::assert_numbered(events, 1);
        assert_eq!(events.last().unwrap().seq, end.last_seq, "1..N");
    }
    let [openings, breaks, refusals, slowest] =
        [&tally.openings, &tally.breaks, &tally.refusals, &tally.slowest_first_event_ms]
            .map(|count| count.load(Relaxed));
    let shares = workers.each_ref().map(|worker| worker.count_lines(": claimed"));
    say(&format!(
        "{CLIENTS} clients, {} events each, {openings} connections, {breaks} interrupted, {refusals} refused by nginx, {kills} kills of web processes; slowest first event {slowest} ms; slices by worker {shares:?}",
        end.last_seq
    ));
    assert!(kills >= 1 && breaks > 0, "the test must interrupt streams: {kills} kills, {breaks} interruptions");
    assert_eq!(refusals, 0, "two of three processes are always running");
    assert!(openings > all_events.len() * 3, "the clients must reconnect");
    assert!(Duration::from_millis(slowest as u64) <= FIRST_EVENT, "the first event came after {slowest} ms");
}

/// Kills and restarts web processes, one at a time, until the clients are done.
async fn kill_at_random(
    app: TestApp,
    mut webs: Vec<Web>,
    mut random: StdRng,
    ended: Arc<AtomicBool>,
) -> (TestApp, usize) {
    let mut kills = 0;
    while !ended.load(Relaxed) {
        tokio::time::sleep(Duration::from_millis(random.random_range(50..500))).await;
        let victim = random.random_range(0..webs.len());
        webs[victim].process.kill();
        kills += 1;
        tokio::time::sleep(Duration::from_millis(random.random_range(0..300))).await;
        webs[victim] = Web::start(&app, webs[victim].address.clone()).await;
    }
    (app, kills)
}

/// A browser that loses or closes its stream now and then, and reconnects with the last event number that it has.
async fn browse(base: String, import: i64, mut random: StdRng, tally: Arc<Tally>) -> Vec<ImportEvent> {
    let mut seen: Vec<ImportEvent> = Vec::new();
    // Connections are not reused: each one may lead to another web process.
    let client = reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap();
    loop {
        let opened = Instant::now();
        let last = seen.last().map(|event| event.seq);
        let mut stream = EventStream::open(&client, &base, import, last).await;
        if stream.status != 200 {
            // 502: nginx found no web process.
            tally.refusals.fetch_add(1, Relaxed);
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        }
        tally.openings.fetch_add(1, Relaxed);
        let time = Duration::from_millis(random.random_range(100..3_000));
        let watching = watch(&mut stream, &mut seen, opened, &tally);
        match tokio::time::timeout(time, watching).await {
            Ok(true) => return seen,
            Ok(false) => {
                tally.breaks.fetch_add(1, Relaxed);
            }
            // It closes the stream, and reconnects.
            Err(_) => tokio::time::sleep(Duration::from_millis(random.random_range(0..300))).await,
        }
    }
}

/// Reads until the import has ended (`true`) or the stream breaks.
async fn watch(stream: &mut EventStream, seen: &mut Vec<ImportEvent>, opened: Instant, tally: &Tally) -> bool {
    let mut is_first = true;
    loop {
        let Ok(block) = stream.next().await else { return false };
        if is_first && matches!(block, Block::State(_) | Block::Event(_)) {
            is_first = false;
            let waited = usize::try_from(opened.elapsed().as_millis()).unwrap();
            tally.slowest_first_event_ms.fetch_max(waited, Relaxed);
        }
        match block {
            Block::Event(event) => {
                let is_last = event.status.is_final();
                seen.push(event);
                if is_last {
                    return true;
                }
            }
            Block::End => return false,
            _ => {}
        }
    }
}

fn seed() -> u64 {
    let seed = std::env::var("DEPLOY_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().expect("a number"));
    say(&format!("DEPLOY_SEED={seed}"));
    seed
}

/// Bypasses the test runner, which does not show the output of tests that pass.
#[expect(clippy::explicit_write, reason = "eprintln! is what the runner captures")]
fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").unwrap();
}
