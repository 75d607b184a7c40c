//! One `LISTEN` connection per web process, for ever.

use std::{pin::pin, time::Duration};

use anyhow::Context;
use diesel_async::RunQueryDsl;
use futures_util::StreamExt;

use crate::{
    app::App,
    events::{ATTEMPTED, CATALOGUE, DUE, IMPORTS, JOBS, UPLOADS, ids},
};

/// Pauses between attempts to connect: the first, and the longest.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));
/// How often a quiet connection is asked whether it is still there.
const PULSE: Duration = Duration::from_secs(10);

/// Passes notifications on to the streams of this process until it stops. Streams poll as well, so that nothing is lost
/// while this is without a connection; it is only later.
pub async fn listen(app: &App) {
    let mut pause = BACK_OFF.0;
    while !app.shutdown.is_cancelled() {
        let error = tokio::select! {
            () = app.shutdown.cancelled() => return,
            Err(error) = hear(app, &mut pause) => error,
        };
        tracing::warn!("No notifications from the database, streams poll meanwhile: {error:#}");
        // Not a sleep: a stop must not wait for it.
        let _ = tokio::time::timeout(pause, app.shutdown.cancelled()).await;
        pause = (pause * 2).min(BACK_OFF.1);
    }
}

async fn hear(app: &App, pause: &mut Duration) -> anyhow::Result<std::convert::Infallible> {
    // A server that takes the connection and says nothing is no database.
    let server = app.config.database.server()?;
    let mut conn = tokio::time::timeout(PULSE, server.connect()).await.context("the database does not answer")??;
    for channel in [IMPORTS, JOBS, CATALOGUE, ATTEMPTED, DUE, UPLOADS] {
        diesel::sql_query(format!("LISTEN {channel}")).execute(&mut conn).await?;
    }
    app.wakeups.announce_gap();
    tracing::info!("Listening for events");
    *pause = BACK_OFF.0;
    loop {
        {
            let mut notifications = pin!(conn.notifications_stream());
            while let Ok(next) = tokio::time::timeout(PULSE, notifications.next()).await {
                let notification = next.context("the connection ended")??;
                if notification.channel == DUE {
                    app.queue.enqueue_deliveries(&ids(&notification.payload));
                }
                app.wakeups.announce(&notification.channel, &notification.payload);
            }
        }
        // A connection that died without a word looks like a quiet one.
        tokio::time::timeout(PULSE, diesel::sql_query("SELECT 1").execute(&mut conn)).await??;
    }
}
