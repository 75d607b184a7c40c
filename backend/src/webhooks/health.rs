//! Recent results of receivers.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::{
    prelude::*,
    sql_types::{Array, BigInt, Nullable, Text, Timestamptz},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::webhook::{RecentDelivery, WebhookHealth};

use crate::{db, webhooks::log::millis};

#[derive(QueryableByName)]
struct FiguresRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = BigInt)]
    attempts: i64,
    #[diesel(sql_type = BigInt)]
    succeeded: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    p95: Option<i64>,
    #[diesel(sql_type = BigInt)]
    pending: i64,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    failing_since: Option<DateTime<Utc>>,
}

#[derive(QueryableByName)]
struct RecentRow {
    #[diesel(sql_type = BigInt)]
    webhook_id: i64,
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = BigInt)]
    duration_us: i64,
    #[diesel(sql_type = Timestamptz)]
    at: DateTime<Utc>,
}

/// Returns the health of each of `webhooks`, by id.
pub async fn load(conn: &mut AsyncPgConnection, webhooks: &[i64]) -> QueryResult<HashMap<i64, WebhookHealth>> {
    let figures: Vec<FiguresRow> = diesel::sql_query(
        "SELECT w.id, day.attempts, day.succeeded, day.p95, queue.pending, failing.since AS failing_since \
         FROM unnest($1) AS w (id) \
         CROSS JOIN LATERAL ( \
             SELECT count(*) AS attempts, count(*) FILTER (WHERE a.code BETWEEN 200 AND 299) AS succeeded, \
                 percentile_disc(0.95) WITHIN GROUP (ORDER BY a.duration_us) AS p95 \
             FROM webhook_attempts AS a \
             WHERE a.webhook_id = w.id AND NOT a.test AND a.at > now() - interval '24 hours' \
         ) AS day \
         CROSS JOIN LATERAL ( \
             SELECT count(*) AS pending FROM webhook_deliveries AS d \
             WHERE d.webhook_id = w.id AND d.status = 'pending' \
         ) AS queue \
         CROSS JOIN LATERAL ( \
             SELECT min(a.at) AS since FROM webhook_attempts AS a \
             WHERE a.webhook_id = w.id AND NOT a.test AND a.at > coalesce(( \
                 SELECT max(t.at) FROM webhook_attempts AS t \
                 WHERE t.webhook_id = w.id AND NOT t.test AND t.code BETWEEN 200 AND 299 \
             ), '-infinity') \
         ) AS failing",
    )
    .bind::<Array<BigInt>, _>(webhooks)
    .load(conn)
    .await?;
    let mut health: HashMap<_, _> = figures
        .into_iter()
        .map(|row| {
            let FiguresRow { attempts, succeeded, pending, failing_since, .. } = row;
            let p95_ms = row.p95.map(millis);
            (row.id, WebhookHealth { attempts, succeeded, p95_ms, pending, failing_since, recent: Vec::new() })
        })
        .collect();
    for row in recent(conn, webhooks).await? {
        let delivery = RecentDelivery {
            id: row.id,
            status: db::parse_enum(&row.status),
            duration_ms: millis(row.duration_us),
            at: row.at,
        };
        health.entry(row.webhook_id).or_default().recent.push(delivery);
    }
    Ok(health)
}

async fn recent(conn: &mut AsyncPgConnection, webhooks: &[i64]) -> QueryResult<Vec<RecentRow>> {
    diesel::sql_query(
        "SELECT w.id AS webhook_id, d.id, d.status, last.duration_us, last.at \
         FROM unnest($1) AS w (id) \
         CROSS JOIN LATERAL ( \
             SELECT d.id, d.status FROM webhook_deliveries AS d \
             WHERE d.webhook_id = w.id AND NOT d.test AND EXISTS ( \
                 SELECT FROM webhook_attempts AS a WHERE a.delivery_id = d.id) \
             ORDER BY d.id DESC LIMIT 50 \
         ) AS d \
         CROSS JOIN LATERAL ( \
             SELECT a.duration_us, a.at FROM webhook_attempts AS a \
             WHERE a.delivery_id = d.id ORDER BY a.no DESC LIMIT 1 \
         ) AS last \
         ORDER BY d.id",
    )
    .bind::<Array<BigInt>, _>(webhooks)
    .load(conn)
    .await
}
