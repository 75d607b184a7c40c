//! Deliveries as jobs: written with what they tell of, claimed in batches, recorded in batches.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::{
    prelude::*,
    sql_types::{Array, BigInt, Bool, Double, Integer, Jsonb, Nullable, SmallInt, Text, Timestamptz},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use rand::distr::{Alphanumeric, SampleString};
use shared::webhook::{DeliveryStatus, WebhookEvent};

use crate::{
    db, events,
    webhooks::{exchange::Outcome, message, schedule},
};

/// Letters after `msg_`: 62^24, so that no two are ever the same.
const EVENT_ID_LETTERS: usize = 24;

/// Rings for new deliveries: one for each so many, so that few are cheap and many wake more than one worker; and at most.
const DELIVERIES_PER_RING: i64 = 64;
const MOST_RINGS: i64 = 8;

/// Writes one message for each of `data`, and its deliveries to the enabled webhooks that want `kind`, in the caller's
/// transaction. One statement, however many there are; the bell is rung by itself once that is committed.
///
/// The webhooks are locked for share: one that is being switched off or changed is waited for, so that what is written
/// agrees with its state at the commit.
pub async fn fan_out(
    conn: &mut AsyncPgConnection,
    kind: WebhookEvent,
    at: DateTime<Utc>,
    data: &[serde_json::Value],
) -> QueryResult<()> {
    if data.is_empty() {
        return Ok(());
    }
    let ids: Vec<_> = data.iter().map(|_| new_event_id()).collect();
    let bodies: Vec<_> = data.iter().map(|data| message::body(kind, at, data)).collect();
    db::prepared(
        diesel::sql_query(
            "WITH wanting AS MATERIALIZED ( \
                 SELECT id FROM webhooks WHERE enabled AND $1 = ANY (events) ORDER BY id FOR SHARE \
             ), message AS ( \
                 INSERT INTO webhook_events (event_id, kind, payload) \
                 SELECT e.event_id, $1, e.payload \
                 FROM unnest($2, $3) WITH ORDINALITY AS e (event_id, payload, place) \
                 WHERE EXISTS (SELECT FROM wanting) ORDER BY e.place RETURNING id \
             ), delivery AS ( \
                 INSERT INTO webhook_deliveries (webhook_id, event, kind) \
                 SELECT wanting.id, message.id, $1 FROM message CROSS JOIN wanting ORDER BY message.id RETURNING id \
             ), rung AS ( \
                 SELECT id FROM (SELECT id, row_number() OVER (ORDER BY id) AS place FROM delivery) AS placed \
                 WHERE (place - 1) % $4 = 0 ORDER BY id LIMIT $5 \
             ) \
             SELECT pg_notify($6, string_agg(id::text, ',')) FROM rung HAVING count(*) > 0",
        )
        .bind::<Text, _>(kind.as_str())
        .bind::<Array<Text>, _>(ids)
        .bind::<Array<Text>, _>(bodies)
        .bind::<BigInt, _>(DELIVERIES_PER_RING)
        .bind::<BigInt, _>(MOST_RINGS)
        .bind::<Text, _>(events::DUE),
    )
    .execute(conn)
    .await
    .map(drop)
}

pub fn new_event_id() -> String {
    format!("msg_{}", Alphanumeric.sample_string(&mut rand::rng(), EVENT_ID_LETTERS))
}

/// The right to make one attempt until the lease ends.
#[derive(Debug, QueryableByName)]
pub struct Claimed {
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    /// Number of the attempt.
    #[diesel(sql_type = Integer)]
    pub epoch: i32,
    #[diesel(sql_type = Integer)]
    pub failures: i32,
    #[diesel(sql_type = Bool)]
    pub test: bool,
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

/// Takes up to `places` deliveries that are due, for each webhook as many as `rooms` says, or `room`, webhooks in turn: so
/// one with a long queue does not hold up the others.
pub async fn claim(
    conn: &mut AsyncPgConnection,
    places: usize,
    room: u16,
    rooms: &[(i64, i32)],
    lease: Duration,
) -> QueryResult<Vec<Claimed>> {
    let (webhooks, numbers): (Vec<i64>, Vec<i32>) = rooms.iter().copied().unzip();
    diesel::sql_query(
        "WITH picked AS ( \
             SELECT due.id \
             FROM webhooks AS w \
             LEFT JOIN unnest($3, $4) AS own (webhook_id, room) ON own.webhook_id = w.id \
             CROSS JOIN LATERAL ( \
                 SELECT free.id, row_number() OVER () AS turn FROM ( \
                     SELECT d.id FROM webhook_deliveries AS d \
                     WHERE d.webhook_id = w.id AND d.status = 'pending' AND d.wake_at <= now() \
                     ORDER BY d.wake_at, d.id LIMIT coalesce(own.room, $2) FOR UPDATE SKIP LOCKED \
                 ) AS free \
             ) AS due \
             WHERE w.enabled ORDER BY due.turn, due.id LIMIT $1 \
         ) \
         UPDATE webhook_deliveries AS d \
         SET epoch = d.epoch + 1, wake_at = now() + make_interval(secs => $5) \
         FROM picked, webhook_events AS e, webhooks AS w \
         WHERE d.id = picked.id AND e.id = d.event AND w.id = d.webhook_id \
         RETURNING d.id, d.epoch, d.failures, d.test, d.webhook_id, e.event_id, e.payload, w.url, w.secret, \
             CASE WHEN w.old_secret_until > now() THEN w.old_secret END AS old_secret",
    )
    .bind::<BigInt, _>(i64::try_from(places).unwrap_or(i64::MAX))
    .bind::<Integer, _>(i32::from(room))
    .bind::<Array<BigInt>, _>(webhooks)
    .bind::<Array<Integer>, _>(numbers)
    .bind::<Double, _>(lease.as_secs_f64())
    .load(conn)
    .await
}

/// Gives claims back that were not used, due at once.
pub async fn release(conn: &mut AsyncPgConnection, claims: &[Claimed]) -> QueryResult<()> {
    diesel::sql_query(
        "UPDATE webhook_deliveries AS d SET wake_at = now() FROM unnest($1, $2) AS c (id, epoch) \
         WHERE d.id = c.id AND d.epoch = c.epoch AND d.status = 'pending'",
    )
    .bind::<Array<BigInt>, _>(claims.iter().map(|claim| claim.id).collect::<Vec<_>>())
    .bind::<Array<Integer>, _>(claims.iter().map(|claim| claim.epoch).collect::<Vec<_>>())
    .execute(conn)
    .await
    .map(drop)
}

/// An attempt that has ended.
#[derive(Debug)]
pub struct Attempted {
    pub claimed: Claimed,
    pub outcome: Outcome,
}

/// What a delivery comes to by an attempt.
struct Verdict {
    status: DeliveryStatus,
    /// Before the next attempt, in seconds.
    pause: f64,
}

impl Attempted {
    fn verdict(&self) -> Verdict {
        if self.outcome.is_success() {
            return Verdict { status: DeliveryStatus::Delivered, pause: 0.0 };
        }
        let failures = usize::try_from(self.claimed.failures).unwrap_or(0) + 1;
        match schedule::pause(failures, rand::random_range(-1.0..=1.0), self.outcome.wish) {
            Some(pause) if !self.claimed.test => {
                Verdict { status: DeliveryStatus::Pending, pause: pause.as_secs_f64() }
            }
            _ => Verdict { status: DeliveryStatus::Failed, pause: 0.0 },
        }
    }
}

/// Writes what became of attempts, in the caller's transaction, and tells those who watch.
///
/// A success counts whenever it comes home. A failure counts only for the attempt under way: an earlier one, of a worker
/// that was thought dead, is a line of the log and no more. Deliveries that were deleted meanwhile are left out.
pub async fn record(conn: &mut AsyncPgConnection, attempts: &[Attempted]) -> QueryResult<()> {
    if attempts.is_empty() {
        return Ok(());
    }
    write_verdicts(conn, attempts).await?;
    write_attempts(conn, attempts).await?;
    let gone: Vec<_> = attempts
        .iter()
        .filter(|attempt| attempt.outcome.is_gone() && !attempt.claimed.test)
        .map(|attempt| attempt.claimed.webhook_id)
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
    let ids: Vec<_> = attempts.iter().map(|attempt| attempt.claimed.id).collect();
    events::deliveries_attempted(conn, &ids).await
}

async fn write_verdicts(conn: &mut AsyncPgConnection, attempts: &[Attempted]) -> QueryResult<()> {
    let verdicts: Vec<_> = attempts.iter().map(Attempted::verdict).collect();
    let column = |value: fn(&Attempted) -> i64| attempts.iter().map(value).collect::<Vec<_>>();
    diesel::sql_query(
        "UPDATE webhook_deliveries AS d \
         SET status = v.status, failures = d.failures + (v.status <> 'delivered')::int, \
             wake_at = now() + make_interval(secs => v.pause) \
         FROM unnest($1, $2, $3, $4) AS v (id, epoch, status, pause) \
         WHERE d.id = v.id AND d.status = 'pending' AND (d.epoch = v.epoch OR v.status = 'delivered')",
    )
    .bind::<Array<BigInt>, _>(column(|attempt| attempt.claimed.id))
    .bind::<Array<BigInt>, _>(column(|attempt| attempt.claimed.epoch.into()))
    .bind::<Array<Text>, _>(verdicts.iter().map(|verdict| verdict.status.as_str()).collect::<Vec<_>>())
    .bind::<Array<Double>, _>(verdicts.iter().map(|verdict| verdict.pause).collect::<Vec<_>>())
    .execute(conn)
    .await
    .map(drop)
}

async fn write_attempts(conn: &mut AsyncPgConnection, attempts: &[Attempted]) -> QueryResult<()> {
    fn column<T>(attempts: &[Attempted], value: impl Fn(&Attempted) -> T) -> Vec<T> {
        attempts.iter().map(value).collect()
    }
    let wires: Vec<_> = attempts
        .iter()
        .map(|attempt| serde_json::to_value(&attempt.outcome.wire))
        .collect::<Result<_, _>>()
        .map_err(|error| diesel::result::Error::SerializationError(error.into()))?;
    diesel::sql_query(
        "INSERT INTO webhook_attempts (delivery_id, no, webhook_id, test, at, code, error, duration_us, wire) \
         SELECT d.id, a.no, d.webhook_id, d.test, a.at, a.code, a.error, a.duration_us, a.wire \
         FROM unnest($1, $2, $3, $4, $5, $6, $7) AS a (id, no, at, code, error, duration_us, wire) \
         JOIN webhook_deliveries AS d ON d.id = a.id \
         FOR KEY SHARE OF d \
         ON CONFLICT DO NOTHING",
    )
    .bind::<Array<BigInt>, _>(column(attempts, |attempt| attempt.claimed.id))
    .bind::<Array<Integer>, _>(column(attempts, |attempt| attempt.claimed.epoch))
    .bind::<Array<Timestamptz>, _>(column(attempts, |attempt| attempt.outcome.at))
    .bind::<Array<Nullable<SmallInt>>, _>(column(attempts, |a| {
        a.outcome.code.and_then(|code| i16::try_from(code).ok())
    }))
    .bind::<Array<Nullable<Text>>, _>(column(attempts, |a| a.outcome.error.map(shared::webhook::AttemptError::as_str)))
    .bind::<Array<BigInt>, _>(column(attempts, |a| i64::try_from(a.outcome.duration.as_micros()).unwrap_or(i64::MAX)))
    .bind::<Array<Jsonb>, _>(wires)
    .execute(conn)
    .await
    .map(drop)
}
