//! One `LISTEN` connection per web process.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use anyhow::Context;
use backon::{BackoffBuilder, ExponentialBuilder};
use diesel_async::RunQueryDsl;
use futures_util::StreamExt;

use crate::{
    app::App,
    db,
    events::{CATALOGUE, DELIVERIES_ATTEMPTED, DELIVERIES_DUE, IMPORTS, JOBS, UPLOADS, parse_ids},
};

/// Delays between attempts to connect.
const MIN_RETRY_DELAY: Duration = Duration::from_millis(200);
const MAX_RETRY_DELAY: Duration = Duration::from_secs(5);
/// How often a quiet connection is checked.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(10);

/// Publishes the database's notifications in this process until it stops. Streams poll as well, so without a
/// connection notifications are only delayed, not lost.
pub async fn listen(app: &App) {
    let delays = || {
        ExponentialBuilder::default()
            .with_min_delay(MIN_RETRY_DELAY)
            .with_max_delay(MAX_RETRY_DELAY)
            .without_max_times()
            .build()
    };
    let mut delay = delays();
    loop {
        let start = Instant::now();
        let error = tokio::select! {
            () = app.shutdown.cancelled() => return,
            Err(error) = run(app) => error,
        };
        tracing::warn!("No notifications from the database; streams poll until the connection is back: {error:#}");
        if start.elapsed() > MAX_RETRY_DELAY {
            delay = delays();
        }
        tokio::select! {
            () = app.shutdown.cancelled() => return,
            () = tokio::time::sleep(delay.next().unwrap_or(MAX_RETRY_DELAY)) => {}
        }
    }
}

async fn run(app: &App) -> anyhow::Result<std::convert::Infallible> {
    let mut conn = db::connect(&app.config.database).await?;
    for channel in [IMPORTS, JOBS, CATALOGUE, DELIVERIES_ATTEMPTED, DELIVERIES_DUE, UPLOADS] {
        diesel::sql_query(format!("LISTEN {channel}")).execute(&mut conn).await?;
    }
    app.notifications.publish_gap();
    tracing::info!("Listening for events");
    loop {
        {
            let mut notifications = pin!(conn.notifications_stream());
            while let Ok(next) = tokio::time::timeout(HEARTBEAT_INTERVAL, notifications.next()).await {
                let notification = next.context("the connection ended")??;
                if notification.channel == DELIVERIES_DUE {
                    app.queue.enqueue_deliveries(&parse_ids(&notification.payload));
                }
                app.notifications.publish(&notification.channel, &notification.payload);
            }
        }
        // A dead connection looks like a quiet one.
        tokio::time::timeout(HEARTBEAT_INTERVAL, diesel::sql_query("SELECT 1").execute(&mut conn)).await??;
    }
}
