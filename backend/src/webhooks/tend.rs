//! What is done for webhooks from time to time, and which deliveries are due.

use diesel::{
    prelude::*,
    sql_types::{BigInt, Integer},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::app::App;

/// Messages that one round of the sweep throws away.
const SWEPT_AT_ONCE: i64 = 5_000;

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

/// One delivery that is due, if any is: who is rung for it takes the others as well.
pub async fn due(conn: &mut AsyncPgConnection) -> QueryResult<Option<i64>> {
    let found = diesel::sql_query(
        "SELECT due.id FROM webhooks AS w CROSS JOIN LATERAL ( \
             SELECT d.id FROM webhook_deliveries AS d \
             WHERE d.webhook_id = w.id AND d.status = 'pending' AND d.wake_at <= now() ORDER BY d.wake_at LIMIT 1 \
         ) AS due WHERE w.enabled LIMIT 1",
    )
    .get_result::<Id>(conn)
    .await;
    Ok(found.optional()?.map(|row| row.id))
}

/// Switches off the webhooks that have failed for five days and taken nothing in between. Their last failure, too, has
/// to be that late: one that is hardly ever called is not judged by the calendar. What is pending for them stays.
async fn disable_failing(conn: &mut AsyncPgConnection) -> QueryResult<Vec<i64>> {
    let disabled: Vec<Id> = diesel::sql_query(
        "UPDATE webhooks AS w \
         SET enabled = false, disabled_reason = 'failing', disabled_at = now(), updated_at = now() \
         WHERE w.enabled AND w.enabled_at < now() - interval '5 days' AND ( \
             SELECT max(a.at) - min(a.at) >= interval '5 days' FROM webhook_attempts AS a \
             WHERE a.webhook_id = w.id AND NOT a.test AND a.at >= w.enabled_at AND a.at > coalesce(( \
                 SELECT max(t.at) FROM webhook_attempts AS t \
                 WHERE t.webhook_id = w.id AND NOT t.test AND t.code BETWEEN 200 AND 299 \
             ), '-infinity')) \
         RETURNING w.id",
    )
    .load(conn)
    .await?;
    Ok(disabled.into_iter().map(|row| row.id).collect())
}

/// Throws away messages older than `days`, with their deliveries and attempts; not those that still wait for an attempt.
/// Gives how many.
async fn sweep(conn: &mut AsyncPgConnection, days: u16) -> QueryResult<usize> {
    diesel::sql_query(
        "DELETE FROM webhook_events WHERE id IN ( \
             SELECT e.id FROM webhook_events AS e \
             WHERE e.created_at < now() - make_interval(days => $1) AND NOT EXISTS ( \
                 SELECT FROM webhook_deliveries AS d WHERE d.event = e.id AND d.status = 'pending') \
             ORDER BY e.created_at LIMIT $2)",
    )
    .bind::<Integer, _>(i32::from(days))
    .bind::<BigInt, _>(SWEPT_AT_ONCE)
    .execute(conn)
    .await
}

/// Keeps webhooks in order.
pub async fn tend(app: &App) -> anyhow::Result<()> {
    let mut conn = app.pool.get().await?;
    for id in disable_failing(&mut conn).await? {
        tracing::warn!(webhook.id = id, "Webhook {id} is switched off: nothing but failures for five days");
    }
    let swept = sweep(&mut conn, app.config.webhook_retention_days).await?;
    if swept > 0 {
        tracing::info!(swept, "Threw away {swept} old messages to webhooks");
    }
    Ok(())
}
