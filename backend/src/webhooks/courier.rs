//! The task of deliveries: takes what is due, sends it, records what became of it, until nothing is due.
//!
//! A message on the broker rings for one delivery; who hears it takes all that are due, so that ten thousand deliveries
//! are some hundreds of statements. In one process one task does so at a time, for all requests under way: in a turn, one
//! transaction records what has come home and claims as much as there is room for, which `lanes` send meanwhile. No
//! transaction is open while receivers are waited for.

use std::{
    collections::{HashMap, HashSet},
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use diesel_async::{AsyncConnection, SimpleAsyncConnection};
use futures_util::FutureExt;
use tokio::sync::{Mutex, Notify, mpsc};
use tracing::Instrument;

use crate::{
    app::App,
    config::Config,
    telemetry::metrics,
    webhooks::{
        connect::Connector,
        exchange::{self, Letter, Outcome},
        lanes::Lanes,
        outbox::{self, Attempted, Claimed},
    },
};

/// How long a task goes on before it rings again: RabbitMQ closes the channel of one that lasts for 30 minutes.
const SLICE: Duration = Duration::from_mins(10);
/// How long requests under way may take once the process is asked to stop. Those that take longer come again.
const LAST_CALL: Duration = Duration::from_secs(5);
/// Pause after the database did not answer.
const PAUSE: Duration = Duration::from_secs(1);
/// Turns begin so far apart, unless enough has come home: deliveries that trickle are recorded together. While more is due,
/// a fast receiver must not wait for long beside a slow one.
const TURN: Duration = Duration::from_millis(20);
const TURN_OF_MANY: Duration = Duration::from_millis(5);
/// Attempts to be recorded that are worth a turn at once.
const ENOUGH: usize = 64;
/// What a lease has beyond the deadline, for the answer to be recorded.
const RECORDING: Duration = Duration::from_secs(15);

/// How many deliveries are claimed beyond those under way, for each of these: for all webhooks, and for one that is brisk.
const AHEAD: u16 = 3;
/// A webhook that took so long at most for its last answer is brisk: what is claimed ahead is sent before its lease ends.
const BRISK: Duration = Duration::from_secs(1);

/// One per process.
pub struct Courier {
    pub connector: Connector,
    desk: Mutex<Desk>,
    /// Rung for since the last turn began.
    rung: AtomicBool,
    bell: Notify,
}

/// A claim that waits for a lane.
struct Waiting {
    claimed: Claimed,
    /// Too late to begin.
    until: Instant,
}

/// What is claimed and not recorded yet.
struct Desk {
    /// Claims that wait or are under way, by webhook.
    held: HashMap<i64, i32>,
    brisk: HashSet<i64>,
    lanes: Arc<Lanes<Waiting>>,
    /// It was rung since the last claim, or that one left something behind.
    more_due: bool,
    /// Attempts that have ended and are not recorded yet.
    home: Vec<Attempted>,
    door: mpsc::UnboundedReceiver<(i64, Option<Attempted>)>,
    key: mpsc::UnboundedSender<(i64, Option<Attempted>)>,
}

impl Courier {
    pub fn new(config: &Config) -> anyhow::Result<Self> {
        let connector = Connector::new(config.webhook_dns, config.webhook_allow_cidrs.clone())?;
        let (key, door) = mpsc::unbounded_channel();
        let lanes = Arc::new(Lanes::new(config.webhook_concurrency, config.webhook_endpoint_concurrency));
        let desk =
            Desk { held: HashMap::new(), brisk: HashSet::new(), lanes, more_due: false, home: Vec::new(), door, key };
        Ok(Self { connector, desk: Mutex::new(desk), rung: AtomicBool::new(false), bell: Notify::new() })
    }
}

/// How long an attempt is left to a worker.
pub fn lease(config: &Config) -> Duration {
    config.webhook_deadline() + RECORDING
}

/// Makes the attempts that are due, that of delivery `id` among them. Safe to call at any time and any number of times.
/// Gives `true` when there may be more to do.
///
/// # Errors
/// Only when the database does not answer while the process stops; leases then end by themselves.
pub async fn deliver(app: &Arc<App>, id: i64) -> anyhow::Result<bool> {
    let courier = &app.courier;
    courier.rung.store(true, SeqCst);
    courier.bell.notify_one();
    while courier.rung.load(SeqCst) {
        // Whoever is at the desk has been told.
        let Ok(mut desk) = courier.desk.try_lock() else { return Ok(false) };
        tracing::debug!(delivery.id = id, "Delivery {id} is rung for");
        if drain(app, &mut desk).await? {
            return Ok(!app.shutdown.is_cancelled());
        }
    }
    Ok(false)
}

/// Turn by turn until nothing is due and nothing under way. Gives `true` when it ended before that.
async fn drain(app: &Arc<App>, desk: &mut Desk) -> anyhow::Result<bool> {
    let mut until = Instant::now() + SLICE;
    let mut last_call = false;
    loop {
        desk.more_due |= app.courier.rung.swap(false, SeqCst);
        let begun = Instant::now();
        let more = !last_call && begun < until;
        if let Err(error) = desk.turn(app, more).await {
            if last_call {
                return Err(error);
            }
            tracing::warn!("Deliveries wait for the database: {error:#}");
            let _ = tokio::time::timeout(PAUSE, app.shutdown.cancelled()).await;
        } else if desk.held.is_empty() && !(more && desk.more_due) {
            return Ok(!more);
        }
        tokio::select! {
            Some(attempt) = desk.door.recv(), if !desk.held.is_empty() => desk.take(attempt),
            () = app.courier.bell.notified() => {}
            () = app.shutdown.cancelled(), if !last_call => {
                last_call = true;
                until = Instant::now() + LAST_CALL;
                if let Err(error) = desk.give_back(app).await {
                    tracing::warn!("Deliveries that were not begun wait for their lease to end: {error:#}");
                }
            }
            () = tokio::time::sleep_until(until.into()), if last_call => return Ok(true),
            // After trouble with the database there may be nothing to wait for.
            () = std::future::ready(()), if desk.held.is_empty() => {}
        }
        desk.gather(begun + if desk.more_due { TURN_OF_MANY } else { TURN }).await;
    }
}

impl Desk {
    /// Takes what comes home until there is enough of it, or it is time for the next turn.
    async fn gather(&mut self, until: Instant) {
        while let Ok(attempt) = self.door.try_recv() {
            self.take(attempt);
        }
        while self.home.len() < ENOUGH
            && !self.held.is_empty()
            && let Ok(Some(attempt)) = tokio::time::timeout_at(until.into(), self.door.recv()).await
        {
            self.take(attempt);
        }
    }

    fn take(&mut self, (webhook_id, attempt): (i64, Option<Attempted>)) {
        if let Some(number) = self.held.get_mut(&webhook_id) {
            *number -= 1;
        }
        self.held.retain(|_, number| *number > 0);
        match &attempt {
            Some(attempt) if attempt.outcome.duration <= BRISK => self.brisk.insert(webhook_id),
            _ => self.brisk.remove(&webhook_id),
        };
        self.home.extend(attempt);
    }

    /// How many more to claim of the webhooks that this process knows.
    fn rooms(&self, per_webhook: i32) -> Vec<(i64, i32)> {
        let known: HashSet<_> = self.held.keys().chain(&self.brisk).collect();
        let room = |webhook| {
            let most = if self.brisk.contains(webhook) { per_webhook * (1 + i32::from(AHEAD)) } else { per_webhook };
            (most - self.held.get(webhook).copied().unwrap_or(0)).max(0)
        };
        known.into_iter().map(|webhook| (*webhook, room(webhook))).collect()
    }

    /// Records what is home and, if there may be `more`, claims and sends off what is due.
    async fn turn(&mut self, app: &Arc<App>, more: bool) -> anyhow::Result<()> {
        let per_webhook = app.config.webhook_endpoint_concurrency;
        let rooms = self.rooms(per_webhook.into());
        let held: usize = self.held.values().map(|number| usize::try_from(*number).unwrap_or(0)).sum();
        let places = (usize::from(app.config.webhook_concurrency) * usize::from(1 + AHEAD)).saturating_sub(held);
        // Later than that, the lease would end before the deadline of the attempt.
        let until = Instant::now() + RECORDING;
        let home = &self.home;
        let claims = more && self.more_due && places > 0;
        let claimed = app
            .pool
            .get()
            .await?
            .transaction(async |conn| {
                // What a crash of the server would forget is sent again, which receivers have to bear in any case.
                conn.batch_execute("SET LOCAL synchronous_commit = off").await?;
                outbox::record(conn, home).await?;
                if !claims {
                    return Ok(Vec::new());
                }
                outbox::claim(conn, places, per_webhook, &rooms, lease(&app.config)).await
            })
            .await?;
        for attempt in self.home.drain(..) {
            let (id, code, error) = (attempt.claimed.id, attempt.outcome.code, attempt.outcome.error);
            metrics::delivery_attempted(code, error, attempt.outcome.duration);
            tracing::debug!(delivery.id = id, ?code, ?error, "Delivery {id}: attempted");
        }
        if claims {
            self.more_due = claimed.len() >= places || left_behind(&claimed, &rooms, per_webhook.into());
        }
        for claimed in claimed {
            let webhook_id = claimed.webhook_id;
            *self.held.entry(webhook_id).or_default() += 1;
            self.lanes.push(webhook_id, Waiting { claimed, until });
        }
        while let Some(first) = self.lanes.open() {
            tokio::spawn(lane(Arc::clone(app), Arc::clone(&self.lanes), first, self.key.clone()));
        }
        Ok(())
    }

    /// Gives back what waits, for other workers.
    async fn give_back(&mut self, app: &App) -> anyhow::Result<()> {
        let claims: Vec<_> = self.lanes.close().into_iter().map(|waiting| waiting.claimed).collect();
        for claim in &claims {
            self.take((claim.webhook_id, None));
        }
        Ok(outbox::release(&mut *app.pool.get().await?, &claims).await?)
    }
}

/// Whether there may be more for some webhook than there was room for.
fn left_behind(claimed: &[Claimed], rooms: &[(i64, i32)], room: i32) -> bool {
    let mut rooms: HashMap<_, _> = rooms.iter().copied().collect();
    for claim in claimed {
        *rooms.entry(claim.webhook_id).or_insert(room) -= 1;
    }
    rooms.values().any(|left| *left <= 0)
}

/// Makes one attempt after the other until nothing waits.
async fn lane(
    app: Arc<App>,
    lanes: Arc<Lanes<Waiting>>,
    first: (i64, Waiting),
    key: mpsc::UnboundedSender<(i64, Option<Attempted>)>,
) {
    let mut next = Some(first);
    while let Some((webhook_id, waiting)) = next {
        let attempted = if Instant::now() < waiting.until {
            // After a panic, which has written its own message, the lease ends by itself.
            let span = tracing::info_span!("delivery", delivery.id = waiting.claimed.id, webhook.id = webhook_id);
            AssertUnwindSafe(attempt(&app, waiting.claimed)).catch_unwind().instrument(span).await.ok()
        } else {
            // The receiver has become slow meanwhile; the lease ends by itself.
            None
        };
        drop(key.send((webhook_id, attempted)));
        next = lanes.next(webhook_id);
    }
}

async fn attempt(app: &App, claimed: Claimed) -> Attempted {
    let outcome = send(app, &claimed).await;
    Attempted { claimed, outcome }
}

/// Sends the message of a claim, once.
pub async fn send(app: &App, claimed: &Claimed) -> Outcome {
    let letter = Letter {
        url: &claimed.url,
        event_id: &claimed.event_id,
        secrets: [Some(claimed.secret.as_str()), claimed.old_secret.as_deref()].into_iter().flatten().collect(),
        body: &claimed.payload,
    };
    exchange::post(&app.courier.connector, &letter, app.config.webhook_deadline()).await
}
