//! The task of an import: takes it, works on it for a slice of time, and puts it down in a state from which any worker
//! can go on.

use std::{
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use shared::event::EventKind;
use tokio_util::sync::CancellationToken;

use crate::{
    app::App,
    db,
    imports::{
        job::{self, Claim, Fenced, Pause},
        load::{self, Loaded},
        records::{Records, Unreadable},
        survey, ticker,
    },
};

/// How often, and after which pause, the end of a slice is written again if the database does not answer.
const WRITE_AGAIN: (u32, Duration) = (5, Duration::from_secs(1));

/// How a slice ended.
enum Slice {
    Whole,
    Part,
}

/// Works on the import until it is done, or for one slice. Safe to call at any time and any number of times: there is one
/// holder, and a call that finds nothing to do returns. Gives `true` when the import should be rung for again.
///
/// # Errors
/// Only when the database does not answer; the import then goes on after its lease.
pub async fn run_slice(app: &App, id: i64) -> anyhow::Result<bool> {
    let claimed = job::claim(&mut *app.pool.get().await?, id, app.config.import_lanes, app.config.lease()).await?;
    let Some(claim) = claimed else {
        return Ok(false);
    };
    tracing::info!(import.id = id, epoch = claim.import.epoch, "Import {id}: taken");
    let started = Instant::now();
    let signals = ticker::Signals::default();
    let stop = app.shutdown.child_token();
    let result = tokio::select! {
        result = work(app, &claim, &signals, &stop) => result,
        Err(fenced) = ticker::tick(app, &claim, &signals, &stop) => Err(fenced.into()),
    };
    let mut attempt = 0;
    loop {
        attempt += 1;
        match put_down(app, &claim, &result, signals.cancelled.load(Relaxed)).await {
            Ok(again) => {
                let duration_ms = started.elapsed().as_millis();
                tracing::info!(import.id = id, duration_ms, "Import {id}: put down after {duration_ms} ms");
                return Ok(again);
            }
            Err(error) if attempt == WRITE_AGAIN.0 => return Err(error),
            Err(error) => {
                tracing::warn!(import.id = id, "Import {id}: its end cannot be written yet: {error:#}");
                tokio::time::sleep(WRITE_AGAIN.1).await;
            }
        }
    }
}

async fn work(app: &App, claim: &Claim, signals: &ticker::Signals, stop: &CancellationToken) -> anyhow::Result<Slice> {
    let Some(claim) = &fetched(app, claim, signals, stop).await? else {
        return Ok(Slice::Part);
    };
    let import = &claim.import;
    let layout = import.layout()?;
    let size_bytes = u64::try_from(import.size_bytes)?;
    let records = Records::open(&app.storage, &import.object_key, size_bytes, &layout).await?;
    let Some(survey) = survey::survey(records, &layout, &signals.bytes_surveyed, stop).await? else {
        return Ok(Slice::Part);
    };
    job::surveyed(&mut *app.pool.get().await?, claim, survey.rows).await??;
    let deadline = Instant::now() + app.config.slice();
    match load::load(app, claim, &layout, &survey, stop, deadline).await? {
        Loaded::Whole => Ok(Slice::Whole),
        Loaded::Part => Ok(Slice::Part),
    }
}

/// The claim with its file in storage; fetches that where it is only a URL so far. `None` when it was stopped.
async fn fetched(
    app: &App,
    claim: &Claim,
    signals: &ticker::Signals,
    stop: &CancellationToken,
) -> anyhow::Result<Option<Claim>> {
    let import = &claim.import;
    let Some(url) = import.source_url.as_ref().filter(|_| !import.is_fetched()) else {
        return Ok(Some(claim.clone()));
    };
    let Some(stored) = app.fetcher.fetch(app, url, &signals.fetch, stop).await? else {
        return Ok(None);
    };
    let recorded = async { anyhow::Ok(job::fetched(&mut *app.pool.get().await?, claim, &stored).await??) }.await;
    match recorded {
        Ok(import) => {
            tracing::info!(import.id, import.size_bytes, "Import {}: {} bytes fetched", import.id, import.size_bytes);
            Ok(Some(claim.with(import)))
        }
        Err(error) => {
            // A file that nobody knows of would be litter. It is fetched again.
            if let Err(error) = app.storage.delete(&stored.object_key).await {
                tracing::warn!("Object {} is left in storage: {error}", stored.object_key);
            }
            Err(error)
        }
    }
}

/// Writes how the slice ended. Gives `true` when there is more to do.
async fn put_down(app: &App, claim: &Claim, result: &anyhow::Result<Slice>, cancelled: bool) -> anyhow::Result<bool> {
    let id = claim.import.id;
    let conn = &mut *app.pool.get().await?;
    let outcome = match result {
        Ok(Slice::Whole) => job::complete(conn, claim).await?.map(|import| {
            let counts = import.counts();
            tracing::info!(import.id = id, ?counts, "Import {id}: {:?}", import.status());
            false
        }),
        Ok(Slice::Part) if cancelled => job::finish(conn, claim, EventKind::Cancelled, None).await?.map(|()| false),
        Ok(Slice::Part) if app.shutdown.is_cancelled() => {
            job::release(conn, claim, &Pause::Shutdown).await?.map(|()| true)
        }
        Ok(Slice::Part) => job::release(conn, claim, &Pause::SliceOver).await?.map(|()| true),
        Err(error) if error.is::<Fenced>() => Err(Fenced),
        Err(error) if error.is::<Unreadable>() => {
            tracing::warn!(import.id = id, "Import {id}: {error:#}");
            job::finish(conn, claim, EventKind::Failed, Some(&error.to_string())).await?.map(|()| false)
        }
        Err(error) => {
            tracing::warn!(import.id = id, "Import {id}: interrupted: {error:#}");
            let away = is_database_away(error);
            let reason = if away { "The database did not answer.".to_owned() } else { format!("{error:#}") };
            job::release(conn, claim, &Pause::Failed { reason: &reason, counts: !away }).await?.map(|()| false)
        }
    };
    // Who has lost the claim has nothing to say about the import.
    Ok(outcome.unwrap_or_else(|Fenced| {
        tracing::warn!(import.id = id, "Import {id}: another worker has taken over");
        false
    }))
}

fn is_database_away(error: &anyhow::Error) -> bool {
    error.is::<db::GetConnectionError>() || error.downcast_ref().is_some_and(db::is_unavailable)
}
