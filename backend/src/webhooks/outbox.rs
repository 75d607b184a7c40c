//! Writes messages and their deliveries, in the transaction of the change that they report.

use chrono::{DateTime, Utc};
use diesel::{
    prelude::*,
    sql_types::{Array, BigInt, Bool, Nullable, Text},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use rand::distr::{Alphanumeric, SampleString};
use shared::webhook::WebhookEvent;

use crate::{
    db, events,
    webhooks::message::{self, Message},
};

/// Letters after `msg_`: 62^24 ids, so no two are ever equal.
const EVENT_ID_LETTERS: usize = 24;

/// New deliveries per notification, so that many of them wake more than one worker; and the limit of notifications.
const DELIVERIES_PER_NOTIFICATION: i64 = 64;
const MAX_NOTIFICATIONS: i64 = 8;

/// Writes `messages`, and their deliveries to the enabled webhooks that subscribe to `event`, in the caller's transaction.
/// One statement, however many there are. Workers are notified when it is committed.
///
/// More than one message is a mass change, whose deliveries wait behind those of single changes (see `queue`).
///
/// The webhooks are locked for share: a change of one of them is waited for, so that what is written agrees with their state
/// at the commit.
pub async fn fan_out(
    conn: &mut AsyncPgConnection,
    event: WebhookEvent,
    at: DateTime<Utc>,
    messages: &[Message],
) -> QueryResult<()> {
    if messages.is_empty() {
        return Ok(());
    }
    let ids: Vec<_> = messages.iter().map(|_| new_event_id()).collect();
    let bodies: Vec<_> = messages.iter().map(|message| message::body(event, at, &message.data)).collect();
    let products: Vec<_> = messages.iter().map(|message| message.product_id).collect();
    db::prepared(
        diesel::sql_query(
            "WITH subscriber AS MATERIALIZED ( \
                 SELECT id FROM webhooks WHERE enabled AND $1 = ANY (events) ORDER BY id FOR SHARE \
             ), message AS ( \
                 INSERT INTO webhook_events (event_id, kind, product_id, payload) \
                 SELECT m.event_id, $1, m.product_id, m.payload \
                 FROM unnest($2, $3, $4) WITH ORDINALITY AS m (event_id, product_id, payload, place) \
                 WHERE EXISTS (SELECT FROM subscriber) ORDER BY m.place RETURNING id, product_id \
             ), delivery AS ( \
                 INSERT INTO webhook_deliveries (webhook_id, event, kind, product_id, bulk) \
                 SELECT subscriber.id, message.id, $1, message.product_id, $5 \
                 FROM message CROSS JOIN subscriber ORDER BY message.id RETURNING id \
             ), notified AS ( \
                 SELECT id FROM (SELECT id, row_number() OVER (ORDER BY id) AS place FROM delivery) AS placed \
                 WHERE (place - 1) % $6 = 0 ORDER BY id LIMIT $7 \
             ) \
             SELECT pg_notify($8, string_agg(id::text, ',')) FROM notified HAVING count(*) > 0",
        )
        .bind::<Text, _>(event.as_str())
        .bind::<Array<Text>, _>(ids)
        .bind::<Array<Nullable<BigInt>>, _>(products)
        .bind::<Array<Text>, _>(bodies)
        .bind::<Bool, _>(messages.len() > 1)
        .bind::<BigInt, _>(DELIVERIES_PER_NOTIFICATION)
        .bind::<BigInt, _>(MAX_NOTIFICATIONS)
        .bind::<Text, _>(events::DELIVERIES_DUE),
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Returns a new value for `webhook-id`.
pub fn new_event_id() -> String {
    format!("msg_{}", Alphanumeric.sample_string(&mut rand::rng(), EVENT_ID_LETTERS))
}
