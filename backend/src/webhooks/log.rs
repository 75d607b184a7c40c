//! The log of deliveries and their attempts.

use chrono::{DateTime, Utc};
use diesel::{
    prelude::*,
    sql_types::{Array, BigInt, Bool, Integer, Nullable, SmallInt, Text, Timestamptz},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::webhook::{
    Attempt, AttemptError, Delivery, DeliveryDetail, DeliveryStatus, MAX_LOGGED_ATTEMPTS, WebhookEvent,
};

use crate::{
    db,
    schema::{webhook_attempts, webhook_deliveries, webhook_events, webhooks},
    webhooks::request::ExchangeLog,
};

/// Deliveries with the result of their last attempt; conditions are appended.
const DELIVERIES: &str = "SELECT d.id, d.webhook_id, e.event_id, d.kind, d.status, d.test, d.wake_at, \
     d.created_at, w.enabled, \
     last.attempts, last.code, last.error, last.duration_us, last.at \
     FROM webhook_deliveries AS d JOIN webhook_events AS e ON e.id = d.event JOIN webhooks AS w ON w.id = d.webhook_id \
     LEFT JOIN LATERAL ( \
         SELECT a.code, a.error, a.duration_us, a.at, count(*) OVER () AS attempts \
         FROM webhook_attempts AS a WHERE a.delivery_id = d.id ORDER BY a.no DESC LIMIT 1 \
     ) AS last ON true";

#[derive(QueryableByName)]
struct DeliveryRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = BigInt)]
    webhook_id: i64,
    #[diesel(sql_type = Text)]
    event_id: String,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = Bool)]
    test: bool,
    #[diesel(sql_type = Timestamptz)]
    wake_at: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    created_at: DateTime<Utc>,
    #[diesel(sql_type = Bool)]
    enabled: bool,
    #[diesel(sql_type = Nullable<BigInt>)]
    attempts: Option<i64>,
    #[diesel(sql_type = Nullable<SmallInt>)]
    code: Option<i16>,
    #[diesel(sql_type = Nullable<Text>)]
    error: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    duration_us: Option<i64>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    at: Option<DateTime<Utc>>,
}

impl From<DeliveryRow> for Delivery {
    fn from(row: DeliveryRow) -> Self {
        let status = db::parse_enum(&row.status);
        let pending = status == DeliveryStatus::Pending;
        Self {
            id: row.id,
            webhook_id: row.webhook_id,
            event_id: row.event_id,
            kind: db::parse_enum(&row.kind),
            status,
            test: row.test,
            attempts: row.attempts.unwrap_or(0),
            last_code: row.code.and_then(|code| u16::try_from(code).ok()),
            last_error: row.error.as_deref().map(db::parse_enum),
            last_duration_ms: row.duration_us.map(millis),
            last_attempt_at: row.at,
            next_attempt_at: (pending && row.enabled).then_some(row.wake_at),
            // A test is sent whether or not its webhook is enabled.
            paused: pending && !row.enabled && !row.test,
            created_at: row.created_at,
        }
    }
}

/// Rounds up, so that no duration is 0.
pub fn millis(micros: i64) -> i64 {
    micros.div_euclid(1_000) + i64::from(micros.rem_euclid(1_000) > 0)
}

/// Which deliveries to list.
pub struct Filter {
    pub webhook: Option<i64>,
    pub status: Option<DeliveryStatus>,
    pub kind: Option<WebhookEvent>,
    pub since: Option<DateTime<Utc>>,
    pub before: Option<i64>,
}

/// Returns deliveries, newest first.
pub async fn list(conn: &mut AsyncPgConnection, filter: &Filter, limit: i64) -> QueryResult<Vec<Delivery>> {
    let rows: Vec<DeliveryRow> = diesel::sql_query(format!(
        "{DELIVERIES} WHERE ($1 IS NULL OR d.webhook_id = $1) AND ($2 IS NULL OR d.status = $2) \
         AND ($3 IS NULL OR d.kind = $3) AND ($4 IS NULL OR d.created_at >= $4) AND ($5 IS NULL OR d.id < $5) \
         ORDER BY d.id DESC LIMIT $6"
    ))
    .bind::<Nullable<BigInt>, _>(filter.webhook)
    .bind::<Nullable<Text>, _>(filter.status.map(DeliveryStatus::as_str))
    .bind::<Nullable<Text>, _>(filter.kind.map(WebhookEvent::as_str))
    .bind::<Nullable<Timestamptz>, _>(filter.since)
    .bind::<Nullable<BigInt>, _>(filter.before)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// Returns the deliveries of `ids` that exist, by id.
pub async fn by_ids(conn: &mut AsyncPgConnection, ids: &[i64]) -> QueryResult<Vec<Delivery>> {
    let rows: Vec<DeliveryRow> = diesel::sql_query(format!("{DELIVERIES} WHERE d.id = ANY ($1) ORDER BY d.id"))
        .bind::<Array<BigInt>, _>(ids)
        .load(conn)
        .await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// Returns one delivery with its message and its newest attempts.
pub async fn detail(conn: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<DeliveryDetail>> {
    let Some(delivery) = by_ids(conn, &[id]).await?.pop() else {
        return Ok(None);
    };
    let (url, payload) = webhook_deliveries::table
        .inner_join(webhook_events::table)
        .inner_join(webhooks::table)
        .filter(webhook_deliveries::id.eq(id))
        .select((webhooks::url, webhook_events::payload))
        .first(conn)
        .await?;
    // A delivery can be sent again any number of times.
    let attempts: Vec<AttemptRow> = AttemptRow::query()
        .filter(webhook_attempts::delivery_id.eq(id))
        .order(webhook_attempts::no.desc())
        .limit(MAX_LOGGED_ATTEMPTS)
        .load(conn)
        .await?;
    Ok(Some(DeliveryDetail { delivery, url, payload, log: attempts.into_iter().rev().map(Into::into).collect() }))
}

#[derive(HasQuery)]
#[diesel(table_name = webhook_attempts)]
struct AttemptRow {
    no: i32,
    at: DateTime<Utc>,
    code: Option<i16>,
    error: Option<String>,
    duration_us: i64,
    exchange: serde_json::Value,
}

impl From<AttemptRow> for Attempt {
    fn from(row: AttemptRow) -> Self {
        // Only an `ExchangeLog` is ever written there.
        let exchange: ExchangeLog = serde_json::from_value(row.exchange).unwrap_or_default();
        Self {
            no: row.no.into(),
            at: row.at,
            url: exchange.url,
            address: exchange.address,
            code: row.code.and_then(|code| u16::try_from(code).ok()),
            error: row.error.as_deref().map(db::parse_enum::<AttemptError>),
            message: exchange.message,
            duration_ms: millis(row.duration_us),
            timings: exchange.timings,
            request_headers: exchange.request_headers,
            response_headers: exchange.response_headers,
            response_body: exchange.response_body,
            truncated: exchange.truncated,
        }
    }
}

/// Makes a delivery pending again, due now. One whose attempt is in flight stays as it is. Returns `None` where there is none.
pub async fn redeliver(conn: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<Delivery>> {
    diesel::sql_query(
        "UPDATE webhook_deliveries AS d SET status = 'pending', failures = 0, wake_at = now() \
         WHERE d.id = $1 AND NOT (d.status = 'pending' AND d.epoch > 0 AND d.wake_at > now() AND NOT EXISTS ( \
             SELECT FROM webhook_attempts AS a WHERE a.delivery_id = d.id AND a.no = d.epoch))",
    )
    .bind::<BigInt, _>(id)
    .execute(conn)
    .await?;
    Ok(by_ids(conn, &[id]).await?.pop())
}

/// Makes all failed deliveries of a webhook since `since`, except tests, pending again, due now. Returns their number.
pub async fn replay(conn: &mut AsyncPgConnection, webhook_id: i64, since: DateTime<Utc>) -> QueryResult<usize> {
    diesel::update(webhook_deliveries::table)
        .filter(webhook_deliveries::webhook_id.eq(webhook_id))
        .filter(webhook_deliveries::status.eq(DeliveryStatus::Failed.as_str()))
        .filter(webhook_deliveries::test.eq(false).and(webhook_deliveries::created_at.ge(since)))
        .set((
            webhook_deliveries::status.eq(DeliveryStatus::Pending.as_str()),
            webhook_deliveries::failures.eq(0),
            webhook_deliveries::wake_at.eq(diesel::dsl::now),
        ))
        .execute(conn)
        .await
}

/// Writes a test: a message for one webhook, whose only attempt belongs to the caller until `lease_seconds` have passed.
/// Returns the id of the delivery.
pub async fn insert_test(
    conn: &mut AsyncPgConnection,
    webhook_id: i64,
    kind: WebhookEvent,
    event_id: &str,
    body: &str,
    lease_seconds: i32,
) -> QueryResult<i64> {
    #[derive(QueryableByName)]
    struct Id {
        #[diesel(sql_type = BigInt)]
        id: i64,
    }
    let row: Id = diesel::sql_query(
        "WITH message AS ( \
             INSERT INTO webhook_events (event_id, kind, payload) VALUES ($2, $3, $4) RETURNING id \
         ) \
         INSERT INTO webhook_deliveries (webhook_id, event, kind, test, epoch, wake_at) \
         SELECT $1, id, $3, true, 1, now() + make_interval(secs => $5) FROM message RETURNING id",
    )
    .bind::<BigInt, _>(webhook_id)
    .bind::<Text, _>(event_id)
    .bind::<Text, _>(kind.as_str())
    .bind::<Text, _>(body)
    .bind::<Integer, _>(lease_seconds)
    .get_result(conn)
    .await?;
    Ok(row.id)
}
