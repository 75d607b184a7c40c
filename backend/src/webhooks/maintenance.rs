//! Periodic work for webhooks, and the query for deliveries that are due.

use diesel::{
    prelude::*,
    sql_types::{BigInt, Integer},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::app::App;

/// Messages that one round deletes.
const DELETE_BATCH_SIZE: i64 = 5_000;

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

/// Returns one delivery that is due, if any is: a worker that is woken for it claims the others as well.
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

/// Disables the webhooks whose attempts have all failed for five days. Their first and their last failure must be five days
/// apart: a webhook that is seldom called is not disabled for one failure long ago. Pending deliveries are kept.
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

/// Deletes messages older than `days`, with their deliveries and attempts, except those that wait for an attempt. Returns
/// their number.
async fn delete_old_messages(conn: &mut AsyncPgConnection, days: u16) -> QueryResult<usize> {
    diesel::sql_query(
        "DELETE FROM webhook_events WHERE id IN ( \
             SELECT e.id FROM webhook_events AS e \
             WHERE e.created_at < now() - make_interval(days => $1) AND NOT EXISTS ( \
                 SELECT FROM webhook_deliveries AS d WHERE d.event = e.id AND d.status = 'pending') \
             ORDER BY e.created_at LIMIT $2)",
    )
    .bind::<Integer, _>(i32::from(days))
    .bind::<BigInt, _>(DELETE_BATCH_SIZE)
    .execute(conn)
    .await
}

/// Disables failing webhooks, and deletes old messages.
pub async fn run_maintenance(app: &App) -> anyhow::Result<()> {
    let mut conn = app.pool.get().await?;
    for id in disable_failing(&mut conn).await? {
        tracing::warn!(webhook.id = id, "Webhook {id} is disabled: all attempts have failed for five days");
    }
    let deleted = delete_old_messages(&mut conn, app.config.webhook_retention_days).await?;
    if deleted > 0 {
        tracing::info!(deleted, "Deleted {deleted} old webhook messages");
    }
    Ok(())
}
