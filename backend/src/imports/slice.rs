//! The task of an import: claims it, works on it for one slice of time, and leaves it in a state from which any worker can
//! continue.

use std::{
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

use crate::{
    app::App,
    imports::{
        claim::{self, Claim},
        finish::{self, Ending},
        load::{self, Loaded},
        progress::{self, Signals},
        records::{Records, Unreadable},
        scan, verify,
    },
    jobs::{
        Fault, JobError, Progress,
        lease::{self, Release},
    },
};

/// Pause before the end of a slice is recorded again, if the database does not answer: the first and the longest.
const RETRY_DELAY: Duration = Duration::from_secs(1);
const MAX_RETRY_DELAY: Duration = Duration::from_secs(10);
/// Time that batches in progress have to finish once the import is to stop; after it they are rolled back.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// How much of the import a slice has done.
enum Slice {
    Whole,
    Part,
}

/// Works on the import until it ends, or for one slice. Safe to call at any time and any number of times: one worker has the
/// claim, and a call that finds nothing to do returns.
///
/// # Errors
/// Only when the database does not answer; the import is then resumed after its lease.
pub async fn run_slice(app: &App, id: i64) -> anyhow::Result<Progress> {
    let (writers, duration) = (app.config.import_writers, app.config.lease());
    let claimed = lease::with_connection(&app.pool, lease::TRANSACTION_TIMEOUT, async |conn| {
        claim::claim(conn, id, writers, duration).await
    });
    let Some(claim) = claimed.await? else {
        return Ok(Progress::Done);
    };
    tracing::info!(import.id = id, epoch = claim.lease.epoch, "Import {id}: claimed");
    let started = Instant::now();
    let signals = Signals::default();
    let stop = app.shutdown.child_token();
    let result = tokio::select! {
        result = work(app, &claim, &signals, &stop) => result,
        Err(error) = progress::beat(app, &claim, &signals, &stop) => Err(error.into()),
        () = async { stop.cancelled().await; tokio::time::sleep(STOP_TIMEOUT).await } => Ok(Slice::Part),
    };
    let progress = record_end(app, &claim, &result, signals.cancelled.load(Relaxed)).await?;
    let duration_ms = started.elapsed().as_millis();
    tracing::info!(import.id = id, duration_ms, "Import {id}: released after {duration_ms} ms");
    Ok(progress)
}

async fn work(app: &App, claim: &Claim, signals: &Signals, stop: &CancellationToken) -> anyhow::Result<Slice> {
    let Some(claim) = &fetched(app, claim, signals, stop).await? else {
        return Ok(Slice::Part);
    };
    let file = claim.import.file()?;
    let records = Records::open(&app.storage, &file.object_key, &file.format).await?;
    // Once per import, before its first row is written.
    let is_verified = claim.import.rows_total.is_some();
    if !is_verified && !verify::verify(&app.storage, &file, &signals.load_steps, stop).await? {
        return Ok(Slice::Part);
    }
    let Some(scan) = scan::scan(records, &file.format, &signals.bytes_scanned, stop).await? else {
        return Ok(Slice::Part);
    };
    lease::with_connection(&app.pool, lease::TRANSACTION_TIMEOUT, async |conn| {
        progress::scanned(conn, claim, scan.rows).await
    })
    .await?;
    let deadline = Instant::now() + app.config.slice();
    match load::load(app, claim, &file, &scan, signals, stop, deadline).await? {
        Loaded::Whole => Ok(Slice::Whole),
        Loaded::Part => Ok(Slice::Part),
    }
}

/// The claim with its file in storage; fetches the file first if only its URL is known. `None` when it was stopped.
async fn fetched(
    app: &App,
    claim: &Claim,
    signals: &Signals,
    stop: &CancellationToken,
) -> anyhow::Result<Option<Claim>> {
    let import = &claim.import;
    let Some(url) = import.source_url.as_ref().filter(|_| !import.is_fetched()) else {
        return Ok(Some(claim.clone()));
    };
    let Some(stored) = app.fetcher.fetch(app, import.user_id, url, &signals.fetch, stop).await? else {
        return Ok(None);
    };
    let recorded = lease::with_connection(&app.pool, lease::TRANSACTION_TIMEOUT, async |conn| {
        progress::fetched(conn, claim, &stored).await
    });
    // If that fails, the file is removed when its lease ends, unless it was recorded nevertheless.
    let import = recorded.await?;
    tracing::info!(import.id, stored.size_bytes, "Import {}: {} bytes fetched", import.id, stored.size_bytes);
    Ok(Some(claim.with(import)))
}

/// Records how the slice ended; if the database does not answer, again until it does or the process stops.
async fn record_end(
    app: &App,
    claim: &Claim,
    result: &anyhow::Result<Slice>,
    cancelled: bool,
) -> Result<Progress, JobError> {
    let id = claim.import.id;
    let mut delay = RETRY_DELAY;
    loop {
        match record_end_once(app, claim, result, cancelled).await {
            Ok(progress) => return Ok(progress),
            Err(JobError::Fenced) => {
                tracing::warn!(import.id = id, "Import {id}: another worker has claimed it");
                return Ok(Progress::Done);
            }
            Err(error) if app.shutdown.is_cancelled() => return Err(error),
            Err(error) => {
                tracing::warn!(import.id = id, "Import {id}: the end of its slice was not recorded, retrying: {error}");
                let _ = tokio::time::timeout(delay, app.shutdown.cancelled()).await;
                delay = (delay * 2).min(MAX_RETRY_DELAY);
            }
        }
    }
}

async fn record_end_once(
    app: &App,
    claim: &Claim,
    result: &anyhow::Result<Slice>,
    cancelled: bool,
) -> Result<Progress, JobError> {
    let (id, lease) = (claim.import.id, &claim.lease);
    lease::with_connection(&app.pool, lease::TRANSACTION_TIMEOUT, async |conn| {
        let error = match result {
            Ok(Slice::Whole) => {
                let import = finish::finish(conn, lease, Ending::Completed).await?;
                let counts = import.counts();
                tracing::info!(import.id = id, ?counts, "Import {id}: {}", import.status().as_str());
                return Ok(Progress::Done);
            }
            Ok(Slice::Part) if cancelled => {
                return finish::finish(conn, lease, Ending::Cancelled).await.map(|_| Progress::Done);
            }
            Ok(Slice::Part) if app.shutdown.is_cancelled() => {
                let release = Release::Shutdown("The worker was stopped.");
                return claim::release(conn, lease, &release).await.map(|()| Progress::More);
            }
            Ok(Slice::Part) => return claim::release(conn, lease, &Release::SliceOver).await.map(|()| Progress::More),
            Err(error) => error,
        };
        if error.is::<Unreadable>() {
            tracing::warn!(import.id = id, "Import {id}: {error:#}");
            return finish::finish(conn, lease, Ending::Failed(&error.to_string())).await.map(|_| Progress::Done);
        }
        let fault = Fault::of(error);
        let released = match &fault {
            Fault::Fenced => return Err(JobError::Fenced),
            Fault::Environment(reason) => claim::release(conn, lease, &Release::Interrupted(reason)).await,
            Fault::Input(reason) => claim::release(conn, lease, &Release::Fault(reason)).await,
        };
        if matches!((&fault, &released), (Fault::Environment(_), Err(JobError::Fenced))) {
            lease.uncount(conn).await?;
        }
        released?;
        tracing::warn!(import.id = id, "Import {id}: interrupted: {error:#}");
        Ok(Progress::Done)
    })
    .await
}
