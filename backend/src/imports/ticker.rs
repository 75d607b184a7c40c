//! The sign of life of an import: a few times a second it sums the lanes, writes the next event, renews the lease and
//! looks whether somebody wants it to stop. When it falls silent, the page says so, and in the end others take over.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::{
    app::App,
    imports::{
        fetch::Progress,
        job::{self, Bytes, Claim, Fenced},
    },
};

/// At most four events a second; a little slower, since a tick that is late makes the next one seem early.
const PERIOD: Duration = Duration::from_millis(280);
/// An event at least so often, even if nothing moved.
const SIGN_OF_LIFE: Duration = Duration::from_secs(2);

/// What the worker and its ticker tell each other.
#[derive(Default)]
pub struct Signals {
    /// Bytes of the file that the survey has read.
    pub bytes_surveyed: AtomicU64,
    pub fetch: Progress,
    /// A person wants the import to stop.
    pub cancelled: AtomicBool,
}

/// Ticks until it is dropped. Trouble with the database is waited out: it is the lease that ends a claim.
///
/// # Errors
/// [`Fenced`] when the claim is lost.
pub async fn tick(
    app: &App,
    claim: &Claim,
    signals: &Signals,
    stop: &CancellationToken,
) -> Result<std::convert::Infallible, Fenced> {
    let mut period = tokio::time::interval_at(tokio::time::Instant::now() + PERIOD, PERIOD);
    period.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut spoke = Instant::now();
    loop {
        period.tick().await;
        let number = |bytes: &AtomicU64| i64::try_from(bytes.load(Relaxed)).unwrap_or(i64::MAX);
        let bytes = Bytes {
            surveyed: number(&signals.bytes_surveyed),
            fetched: number(&signals.fetch.bytes),
            announced: number(&signals.fetch.announced),
        };
        let Ok(mut conn) = app.pool.get().await else {
            continue;
        };
        match job::tick(&mut conn, claim, bytes, spoke.elapsed() >= SIGN_OF_LIFE, app.config.lease()).await {
            Ok(None) => return Err(Fenced),
            Ok(Some((import, published))) => {
                if published {
                    spoke = Instant::now();
                }
                if import.cancel_requested {
                    signals.cancelled.store(true, Relaxed);
                    stop.cancel();
                }
            }
            Err(error) => {
                tracing::warn!(import.id = claim.import.id, "No event for import {}: {error}", claim.import.id);
            }
        }
    }
}
