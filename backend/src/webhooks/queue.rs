//! Deliveries as jobs: claimed in batches, and the results of their attempts recorded in batches.

use std::time::Duration;

use diesel::{
    prelude::*,
    sql_types::{Array, BigInt, Bool, Double, Integer, Jsonb, Nullable, SmallInt, Text, Timestamptz},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::webhook::{AttemptError, DeliveryStatus};

use crate::{
    db, events,
    webhooks::{request::Outcome, schedule},
};

/// The right to make one attempt until the lease ends.
#[derive(Debug, QueryableByName)]
pub struct Claim {
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    /// Number of the attempt.
    #[diesel(sql_type = Integer)]
    pub epoch: i32,
    #[diesel(sql_type = Integer)]
    pub failures: i32,
    #[diesel(sql_type = Bool)]
    pub test: bool,
    /// Whether it belongs to a mass change.
    #[diesel(sql_type = Bool)]
    pub bulk: bool,
    #[diesel(sql_type = BigInt)]
    pub webhook_id: i64,
    #[diesel(sql_type = Text)]
    pub event_id: String,
    #[diesel(sql_type = Text)]
    pub payload: String,
    #[diesel(sql_type = Text)]
    pub url: String,
    #[diesel(sql_type = Text)]
    pub secret: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub old_secret: Option<String>,
}

/// Requests of this process to one webhook.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InFlight {
    pub single: i32,
    pub bulk: i32,
}

/// How many deliveries to claim.
#[derive(Debug)]
pub struct Capacity {
    /// In total.
    pub total: usize,
    /// Requests to one webhook at the same time.
    pub per_webhook: u16,
    /// Webhooks that have requests in flight.
    pub in_flight: Vec<(i64, InFlight)>,
}

/// A delivery may be attempted when it is due and no earlier message about the same product waits for its first attempt.
/// An earlier one that has failed does not delay later ones; `version` in the messages then says which one is newer.
///
/// The subquery is a scalar one, so that the planner reads the queue by its index and stops at the limit.
const IS_DUE: &str = "d.webhook_id = w.id AND d.status = 'pending' AND d.wake_at <= now() \
     AND (d.product_id IS NULL OR d.failures > 0 OR d.id = ( \
         SELECT min(earlier.id) FROM webhook_deliveries AS earlier \
         WHERE earlier.webhook_id = d.webhook_id AND earlier.product_id = d.product_id \
         AND earlier.status = 'pending' AND earlier.failures = 0))";

/// Claims deliveries that are due, for each webhook up to its free slots. The webhook with the fewest requests in flight is
/// served first, by lot if there are several, so that a long queue of one webhook does not hold up the others even if it
/// could take all slots.
///
/// Each webhook has two queues: single changes are served first, and mass changes get what is left. While a mass change
/// waits and none of its requests is in flight, one slot is its own (where a webhook has more than one slot), so that steady
/// single changes do not delay it forever.
pub async fn claim(conn: &mut AsyncPgConnection, capacity: &Capacity, lease: Duration) -> QueryResult<Vec<Claim>> {
    let ids: Vec<_> = capacity.in_flight.iter().map(|(id, _)| *id).collect();
    let in_flight = |count: fn(&InFlight) -> i32| capacity.in_flight.iter().map(|(_, n)| count(n)).collect::<Vec<_>>();
    let statement = diesel::sql_query(format!(
        "WITH slots AS ( \
             SELECT w.id, coalesce(busy.single + busy.bulk, 0) AS taken, \
                 greatest($2 - coalesce(busy.single + busy.bulk, 0), 0) AS free, \
                 CASE WHEN $2 > 1 AND coalesce(busy.bulk, 0) = 0 THEN 1 ELSE 0 END AS reserved \
             FROM webhooks AS w LEFT JOIN unnest($3, $4, $5) AS busy (id, single, bulk) ON busy.id = w.id \
             WHERE w.enabled \
         ), picked AS ( \
             SELECT next.id \
             FROM slots AS w CROSS JOIN LATERAL ( \
                 SELECT queued.id, row_number() OVER (ORDER BY queued.priority, queued.id) AS turn FROM ( \
                     SELECT single.id, row_number() OVER () AS priority FROM ( \
                         SELECT d.id FROM webhook_deliveries AS d WHERE NOT d.bulk AND {IS_DUE} \
                         ORDER BY d.wake_at, d.id LIMIT w.free FOR UPDATE SKIP LOCKED \
                     ) AS single \
                     UNION ALL \
                     SELECT bulk.id, CASE WHEN row_number() OVER () <= w.reserved THEN 0 \
                         ELSE w.free + row_number() OVER () END FROM ( \
                         SELECT d.id FROM webhook_deliveries AS d WHERE d.bulk AND {IS_DUE} \
                         ORDER BY d.wake_at, d.id LIMIT w.free FOR UPDATE SKIP LOCKED \
                     ) AS bulk \
                 ) AS queued ORDER BY turn LIMIT w.free \
             ) AS next \
             ORDER BY w.taken + next.turn, random() LIMIT $1 \
         ) \
         UPDATE webhook_deliveries AS d \
         SET epoch = d.epoch + 1, wake_at = now() + make_interval(secs => $6) \
         FROM picked, webhook_events AS e, webhooks AS w \
         WHERE d.id = picked.id AND e.id = d.event AND w.id = d.webhook_id \
         RETURNING d.id, d.epoch, d.failures, d.test, d.bulk, d.webhook_id, e.event_id, e.payload, w.url, w.secret, \
             CASE WHEN w.old_secret_until > now() THEN w.old_secret END AS old_secret"
    ))
    .bind::<BigInt, _>(i64::try_from(capacity.total).unwrap_or(i64::MAX))
    .bind::<Integer, _>(i32::from(capacity.per_webhook))
    .bind::<Array<BigInt>, _>(ids)
    .bind::<Array<Integer>, _>(in_flight(|count| count.single))
    .bind::<Array<Integer>, _>(in_flight(|count| count.bulk))
    .bind::<Double, _>(lease.as_secs_f64());
    db::prepared(statement).load(conn).await
}

/// An attempt that has ended.
#[derive(Debug)]
pub struct Attempted {
    pub claim: Claim,
    pub outcome: Outcome,
}

impl Attempted {
    /// Returns the status of the delivery after the attempt, and the delay until the next one, in seconds.
    fn next(&self) -> (DeliveryStatus, f64) {
        if self.outcome.is_success() {
            return (DeliveryStatus::Delivered, 0.0);
        }
        let failures = usize::try_from(self.claim.failures).unwrap_or(0) + 1;
        match schedule::delay(failures, rand::random_range(-1.0..=1.0), self.outcome.retry_after) {
            Some(delay) if !self.claim.test => (DeliveryStatus::Pending, delay.as_secs_f64()),
            _ => (DeliveryStatus::Failed, 0.0),
        }
    }
}

/// Records attempts in the caller's transaction, and notifies the streams of deliveries.
///
/// A success counts whenever it arrives. A failure counts only for the current attempt: an earlier one, of a worker whose
/// lease had ended, is only logged. Deliveries that were deleted in between are left out.
pub async fn record(conn: &mut AsyncPgConnection, attempts: &[Attempted]) -> QueryResult<()> {
    if attempts.is_empty() {
        return Ok(());
    }
    update_deliveries(conn, attempts).await?;
    insert_attempts(conn, attempts).await?;
    let gone: Vec<_> = attempts
        .iter()
        .filter(|attempt| attempt.outcome.is_gone() && !attempt.claim.test)
        .map(|attempt| attempt.claim.webhook_id)
        .collect();
    if !gone.is_empty() {
        diesel::sql_query(
            "UPDATE webhooks SET enabled = false, disabled_reason = 'gone', disabled_at = now(), updated_at = now() \
             WHERE id = ANY ($1) AND enabled",
        )
        .bind::<Array<BigInt>, _>(gone)
        .execute(conn)
        .await?;
    }
    let ids: Vec<_> = attempts.iter().map(|attempt| attempt.claim.id).collect();
    events::deliveries_attempted(conn, &ids).await
}

/// Returns one column of a batch.
fn column<T>(attempts: &[Attempted], value: impl Fn(&Attempted) -> T) -> Vec<T> {
    attempts.iter().map(value).collect()
}

async fn update_deliveries(conn: &mut AsyncPgConnection, attempts: &[Attempted]) -> QueryResult<()> {
    let next = column(attempts, Attempted::next);
    let statement = diesel::sql_query(
        "UPDATE webhook_deliveries AS d \
         SET status = n.status, failures = d.failures + (n.status <> 'delivered')::int, \
             wake_at = now() + make_interval(secs => n.delay) \
         FROM unnest($1, $2, $3, $4) AS n (id, epoch, status, delay) \
         WHERE d.id = n.id AND d.status = 'pending' AND (d.epoch = n.epoch OR n.status = 'delivered')",
    )
    .bind::<Array<BigInt>, _>(column(attempts, |attempt| attempt.claim.id))
    .bind::<Array<Integer>, _>(column(attempts, |attempt| attempt.claim.epoch))
    .bind::<Array<Text>, _>(next.iter().map(|(status, _)| status.as_str()).collect::<Vec<_>>())
    .bind::<Array<Double>, _>(next.iter().map(|(_, delay)| *delay).collect::<Vec<_>>());
    db::prepared(statement).execute(conn).await.map(drop)
}

async fn insert_attempts(conn: &mut AsyncPgConnection, attempts: &[Attempted]) -> QueryResult<()> {
    let exchanges: Vec<_> = attempts
        .iter()
        .map(|attempt| serde_json::to_value(&attempt.outcome.exchange))
        .collect::<Result<_, _>>()
        .map_err(|error| diesel::result::Error::SerializationError(error.into()))?;
    let statement = diesel::sql_query(
        "INSERT INTO webhook_attempts (delivery_id, no, webhook_id, test, at, code, error, duration_us, exchange) \
         SELECT d.id, a.no, d.webhook_id, d.test, a.at, a.code, a.error, a.duration_us, a.exchange \
         FROM unnest($1, $2, $3, $4, $5, $6, $7) AS a (id, no, at, code, error, duration_us, exchange) \
         JOIN webhook_deliveries AS d ON d.id = a.id \
         FOR KEY SHARE OF d \
         ON CONFLICT DO NOTHING",
    )
    .bind::<Array<BigInt>, _>(column(attempts, |attempt| attempt.claim.id))
    .bind::<Array<Integer>, _>(column(attempts, |attempt| attempt.claim.epoch))
    .bind::<Array<Timestamptz>, _>(column(attempts, |attempt| attempt.outcome.at))
    .bind::<Array<Nullable<SmallInt>>, _>(column(attempts, |a| {
        a.outcome.code.and_then(|code| i16::try_from(code).ok())
    }))
    .bind::<Array<Nullable<Text>>, _>(column(attempts, |a| a.outcome.error.map(AttemptError::as_str)))
    .bind::<Array<BigInt>, _>(column(attempts, |a| i64::try_from(a.outcome.duration.as_micros()).unwrap_or(i64::MAX)))
    .bind::<Array<Jsonb>, _>(exchanges);
    db::prepared(statement).execute(conn).await.map(drop)
}
