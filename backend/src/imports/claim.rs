//! Claims of an import: how a worker gets it, and how it releases it. Each function is one transaction.

use std::time::Duration;

use diesel::{dsl::sql, prelude::*};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use shared::{event::EventKind, import::ImportPhase};

use crate::{
    imports::{
        finish::{self, Ending},
        queries::{self, ImportRow},
    },
    jobs::{
        JobError,
        lease::{self, JobTable, Lease, MAX_ATTEMPTS, Release},
    },
    schema::{import_partitions, imports},
};

/// The right to work on an import; see [`Lease`].
#[derive(Debug, Clone)]
pub struct Claim {
    pub lease: Lease,
    pub import: ImportRow,
    /// By partition.
    pub checkpoints: Vec<Checkpoint>,
}

impl Claim {
    /// The same claim, with the current row of the import.
    pub fn with(&self, import: ImportRow) -> Self {
        Self { import, ..self.clone() }
    }
}

/// Progress of one partition.
#[derive(Debug, Clone, Copy, Queryable)]
pub struct Checkpoint {
    /// Number of the partition.
    pub partition_no: i32,
    /// Every row of the partition up to this row number has been processed.
    pub rows_done: i64,
    /// Rows of the partition that were rejected.
    pub rejected: i64,
}

/// Claims the import. `None` if there is nothing to do: it has ended, another worker has claimed it, or it was ended just
/// now, because it was cancelled or its attempts are exhausted.
pub async fn claim(
    conn: &mut AsyncPgConnection,
    id: i64,
    partitions: u16,
    duration: Duration,
) -> Result<Option<Claim>, JobError> {
    let claimed = conn
        .transaction(async |conn| match lease::claim(conn, JobTable::Imports, id, duration).await? {
            lease::Claim::NotDue => Ok(Claimed::NotDue),
            lease::Claim::Cancelled => Ok(Claimed::Ended(finish::end(conn, id, Ending::Cancelled).await?)),
            lease::Claim::Exhausted => {
                let row = queries::get(conn, id).await?.ok_or(JobError::Fenced)?;
                let reason = format!(
                    "The worker stopped responding {MAX_ATTEMPTS} times without getting past row {}. Check the rows after it, or import the file in parts.",
                    row.counts().read
                );
                Ok(Claimed::Ended(finish::end(conn, id, Ending::Failed(&reason)).await?))
            }
            lease::Claim::Acquired(lease) => start(conn, lease, partitions).await.map(Claimed::Acquired),
        })
        .await?;
    match claimed {
        Claimed::NotDue => Ok(None),
        Claimed::Ended(import) => {
            finish::count(&import);
            Ok(None)
        }
        Claimed::Acquired(claim) => Ok(Some(claim)),
    }
}

enum Claimed {
    NotDue,
    Ended(ImportRow),
    Acquired(Claim),
}

async fn start(conn: &mut AsyncPgConnection, lease: Lease, partitions: u16) -> Result<Claim, JobError> {
    let id = lease.id;
    let row = queries::get(conn, id).await?.ok_or(JobError::Fenced)?;
    // The scan is repeated, quickly; it is shown only as long as its result is not known.
    let phase = match row.rows_total {
        _ if !row.is_fetched() => ImportPhase::Fetch,
        None => ImportPhase::Scan,
        Some(_) => ImportPhase::Load,
    };
    diesel::update(imports::table.find(id))
        .set((imports::phase.eq(phase.as_str()), imports::started_at.eq(sql("coalesce(started_at, now())"))))
        .execute(conn)
        .await?;
    let checkpoints = claim_partitions(conn, &lease, partitions).await?;
    let kind = if row.started_at.is_none() { EventKind::Started } else { EventKind::Resumed };
    let import = queries::publish(conn, id, kind).await?;
    Ok(Claim { lease, import, checkpoints })
}

/// Writes the new epoch to the partitions, which waits for a batch that is being committed and shuts out all later ones.
async fn claim_partitions(
    conn: &mut AsyncPgConnection,
    lease: &Lease,
    partitions: u16,
) -> QueryResult<Vec<Checkpoint>> {
    let columns = (import_partitions::partition_no, import_partitions::rows_done, import_partitions::rejected);
    let mut checkpoints: Vec<Checkpoint> =
        diesel::update(import_partitions::table.filter(import_partitions::import_id.eq(lease.id)))
            .set(import_partitions::epoch.eq(lease.epoch))
            .returning(columns)
            .get_results(conn)
            .await?;
    if checkpoints.is_empty() {
        let new: Vec<_> = (0..i32::from(partitions))
            .map(|number| {
                (
                    import_partitions::import_id.eq(lease.id),
                    import_partitions::partition_no.eq(number),
                    import_partitions::epoch.eq(lease.epoch),
                )
            })
            .collect();
        checkpoints =
            diesel::insert_into(import_partitions::table).values(new).returning(columns).get_results(conn).await?;
    }
    checkpoints.sort_unstable_by_key(|checkpoint| checkpoint.partition_no);
    Ok(checkpoints)
}

/// Releases the import, so that any worker can claim it; or ends it as failed, if its attempts are exhausted.
///
/// # Errors
/// [`JobError::Fenced`] when the claim is lost.
pub async fn release(conn: &mut AsyncPgConnection, lease: &Lease, release: &Release<'_>) -> Result<(), JobError> {
    let ended = conn
        .transaction(async |conn| {
            lease::limit_transaction(conn, lease.duration).await?;
            let job = lease.lock(conn).await?;
            let exhausted = lease.release(conn, &job, release).await?;
            match release {
                Release::Fault(reason) if exhausted => {
                    finish::end(conn, lease.id, Ending::Failed(reason)).await.map(Some)
                }
                Release::SliceOver => {
                    finish::sum_partitions(conn, lease.id).await?;
                    Ok(None)
                }
                _ => {
                    finish::sum_partitions(conn, lease.id).await?;
                    queries::publish(conn, lease.id, EventKind::Interrupted).await?;
                    Ok(None)
                }
            }
        })
        .await?;
    if let Some(import) = ended {
        finish::count(&import);
    }
    Ok(())
}
