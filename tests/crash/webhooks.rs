//! Deliveries whose receiver, worker and broker fail, and changes that are rolled back at the last moment.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use rand::{Rng, SeedableRng, rngs::StdRng};
use reqwest::Method;
use serde_json::json;
use shared::webhook::ReplayOutcome;
use tests::{
    TestApp, eventually,
    receiver::{Answer, Receiver},
    webhooks::LOCAL,
};

use crate::{say, seed, services};

const CHANGES: usize = 10_000;
const PRODUCTS: usize = 200;
const KILLS: usize = 20;
/// A response within this time before a worker is killed may not have been recorded.
const RECORDING_TIME: Duration = Duration::from_millis(500);

/// Starts a receiver that fails three times out of ten, in each way.
async fn flaky(seed: u64) -> Receiver {
    let mut random = StdRng::seed_from_u64(seed);
    Receiver::behaving(move |_| match random.random_range(0..40) {
        0..3 => Answer::Status(500),
        3..6 => Answer::Hang,
        6..9 => Answer::Reset,
        9..12 => Answer::TakeAndReset,
        _ => Answer::Status(200),
    })
    .await
}

/// Makes the database refuse a change to this name at the commit, after all of its statements have succeeded.
async fn refuse_at_commit(app: &TestApp) {
    app.db
        .execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused at the commit'; END $$; \
             CREATE CONSTRAINT TRIGGER refuse AFTER UPDATE ON products DEFERRABLE INITIALLY DEFERRED \
             FOR EACH ROW WHEN (NEW.name = 'refuse') EXECUTE FUNCTION refuse()",
        )
        .await;
}

/// Makes the changes, some of which are rolled back, and returns the marks of the committed ones.
async fn change(app: &TestApp, ids: &[i64], seed: u64) -> HashSet<String> {
    let committed = Mutex::new(HashSet::new());
    let random = Mutex::new(StdRng::seed_from_u64(seed));
    futures_util::stream::iter(0..CHANGES)
        .for_each_concurrent(8, async |number| {
            let mark = format!("change {number}");
            let rolled_back = random.lock().unwrap().random_ratio(1, 50);
            let name = if rolled_back { "refuse" } else { "Tea" };
            // Eight at the same time, of different products, which do not wait for each other.
            let path = format!("/api/v1/products/{}", ids[number % PRODUCTS]);
            let response = app.send_json(Method::PATCH, &path, &json!({ "name": name, "description": mark })).await;
            assert_eq!(response.status().is_success(), !rolled_back, "{mark}: {}", response.status());
            if !rolled_back {
                committed.lock().unwrap().insert(mark);
            }
        })
        .await;
    committed.into_inner().unwrap()
}

fn accepted(receiver: &Receiver) -> usize {
    receiver.received().iter().filter(|request| request.accepted).count()
}

/// Kills workers as the deliveries progress, and restarts the broker once. Returns the times of the kills.
async fn kill_workers(app: &TestApp, receiver: &Receiver, seed: u64) -> Vec<Instant> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut worker = app.worker(&[]).await;
    let mut kills = Vec::new();
    for kill in 0..KILLS {
        let reached = (kill + 1) * CHANGES * 9 / 10 / KILLS;
        eventually("deliveries to get on", || async {
            app.let_time_pass().await;
            (accepted(receiver) >= reached).then_some(())
        })
        .await;
        tokio::time::sleep(Duration::from_millis(random.random_range(0..100))).await;
        worker.kill();
        kills.push(Instant::now());
        // Ends the leases of its attempts.
        app.db
            .execute("UPDATE webhook_deliveries SET wake_at = now() WHERE status = 'pending' AND wake_at > now()")
            .await;
        if kill == KILLS / 2 {
            services(&["restart-broker"]).await;
        }
        worker = app.process("work", &[]);
    }
    finish(app).await;
    kills
}

/// Waits until no delivery is pending or failed.
async fn finish(app: &TestApp) {
    let start = Instant::now();
    loop {
        app.let_time_pass().await;
        let (pending, failed) = (
            app.db.number("SELECT count(*) FROM webhook_deliveries WHERE status = 'pending'").await,
            app.db.number("SELECT count(*) FROM webhook_deliveries WHERE status = 'failed'").await,
        );
        if pending + failed == 0 {
            return;
        }
        if failed > 0 {
            // Ten failures in a row do happen in ten thousand deliveries.
            let id = app.db.number("SELECT id FROM webhooks").await;
            let _: ReplayOutcome = app
                .done(
                    Method::POST,
                    &format!("/api/v1/webhooks/{id}/replay"),
                    &json!({ "since": "2026-01-01T00:00:00Z" }),
                )
                .await;
        }
        assert!(start.elapsed() < Duration::from_mins(4), "{pending} deliveries still wait");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn ten_thousand_changes_reach_a_flaky_receiver_although_workers_are_killed_and_the_broker_restarts() {
    let seed = seed();
    // A short deadline, since hundreds of requests get no response; all else is as usual.
    let app = TestApp::serve(&[LOCAL, ("WEBHOOK_DEADLINE_MS", "300")]).await;
    let receiver = Arc::new(flaky(seed).await);
    {
        let _worker = app.worker(&[]).await;
        let rows: String = (0..PRODUCTS).map(|number| format!("sku-{number},Tea\n")).collect();
        app.import(format!("sku,name\n{rows}")).await;
    }
    let rows = app.db.client.query("SELECT id FROM products ORDER BY id", &[]).await.unwrap();
    let ids: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
    app.webhook(&receiver).await;
    refuse_at_commit(&app).await;
    let (committed, kills) = tokio::join!(change(&app, &ids, seed ^ 1), kill_workers(&app, &receiver, seed ^ 2));

    let mut times: HashMap<String, Vec<Instant>> = HashMap::new();
    for request in receiver.received().iter() {
        let mark = request.json()["data"]["changed"]["description"]["to"].as_str().unwrap().to_owned();
        assert!(committed.contains(&mark), "{mark} was rolled back, and sent");
        let times = times.entry(mark).or_default();
        if request.accepted {
            times.push(request.at);
        }
    }
    let lost: Vec<_> = committed.iter().filter(|mark| times.get(*mark).is_none_or(Vec::is_empty)).collect();
    assert!(lost.is_empty(), "{} changes never arrived, {:?} among them", lost.len(), lost.first());
    let twice: Vec<_> = times.values().filter(|times| times.len() > 1).collect();
    let lost_with_a_worker = |at: &Instant| kills.iter().any(|kill| *at <= *kill && *kill < *at + RECORDING_TIME);
    let unexplained = twice.iter().filter(|times| !times[..times.len() - 1].iter().all(lost_with_a_worker)).count();
    say(&format!(
        "{} changes committed, {} requests, {} arrived more than once, {unexplained} of them without a killed worker",
        committed.len(),
        receiver.count(),
        twice.len(),
    ));
    assert!(committed.len() > CHANGES * 9 / 10 && committed.len() < CHANGES);
    assert!(unexplained * 100 < committed.len(), "{unexplained} of {} arrived twice", committed.len());
}
