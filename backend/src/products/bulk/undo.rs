//! The products that a job has changed, recorded so that another job can revert it.

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use trigram_index::{pack_ids, unpack_ids};

use crate::schema::bulk_job_changes;

/// Records, in their transaction, the products that a job has changed.
pub async fn record(conn: &mut AsyncPgConnection, job_id: i64, mut ids: Vec<i64>) -> QueryResult<()> {
    ids.sort_unstable();
    let Some(last_id) = ids.last() else { return Ok(()) };
    diesel::insert_into(bulk_job_changes::table)
        .values((
            bulk_job_changes::job_id.eq(job_id),
            bulk_job_changes::last_id.eq(last_id),
            bulk_job_changes::ids.eq(pack_ids(&ids)),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// Returns the ids, ascending and greater than `after`, of the next batch of products that a job has changed; none at the end.
pub async fn next_batch(conn: &mut AsyncPgConnection, job_id: i64, after: i64) -> QueryResult<Vec<i64>> {
    let packed: Option<Vec<u8>> = bulk_job_changes::table
        .filter(bulk_job_changes::job_id.eq(job_id).and(bulk_job_changes::last_id.gt(after)))
        .select(bulk_job_changes::ids)
        .order(bulk_job_changes::last_id)
        .first(conn)
        .await
        .optional()?;
    Ok(packed.map_or(Vec::new(), |ids| unpack_ids(&ids).filter(|id| *id > after).collect()))
}
