//! Making one segment of several, since a search asks each.
//!
//! A few parts at a time, so that neither a worker needs much memory for it nor whoever deletes everything waits for long:
//! the new lists stand under a number that no segment has, until the segment takes the place of those that it is made of.

use std::sync::Arc;

use diesel::prelude::*;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use tokio::task::spawn_blocking;

use super::{
    packing,
    segment::{PARTS, Part, Union},
};
use crate::schema::{search_lists, search_segments};

/// Largest segment that is made: rows, and bytes of lists. The larger they are, the fewer a search asks, fifteen among five
/// million products; and the longer one is in the making, and the more ids are in memory, at 20 bytes each.
const LARGEST_ROWS: i32 = 320_000;
const LARGEST_LISTS: i32 = 48 << 20;
/// A segment of fewer rows is small: made by hand, or by a small import.
pub const SMALL: i32 = 2_000;
/// Segments of fewer rows are made one, once there are so many of them.
pub const TIERS: [(i32, usize); 3] = [(SMALL, 16), (20_000, 4), (LARGEST_ROWS / 2, 4)];
/// As many as that become one at most.
const AT_ONCE: usize = 100;
/// Bytes of lists that are read by one transaction, more or less. Some four times that is in memory.
const STEP: usize = 1 << 20;

/// Makes one segment of those with fewer rows than `below`, once they are `many`. Gives `true` when there may be more to do.
pub async fn merge(conn: &mut AsyncPgConnection, (below, many): (i32, usize)) -> anyhow::Result<bool> {
    let chosen = choose(conn, below).await?;
    if chosen.len() < many {
        return Ok(false);
    }
    let (segments, bytes): (Vec<i64>, Vec<i32>) = chosen.into_iter().unzip();
    let ids: Vec<Vec<u8>> = search_segments::table
        .filter(search_segments::id.eq_any(&segments))
        .select(search_segments::ids)
        .order(search_segments::id)
        .load(conn)
        .await?;
    let unpack = move || Union::of(&ids.iter().map(|ids| packing::unpack_ids(ids).collect()).collect::<Vec<_>>());
    let union = Arc::new(spawn_blocking(unpack).await?);
    let id = super::next_segment(conn).await?;
    let all = bytes.iter().map(|bytes| usize::try_from(*bytes).unwrap_or(0)).sum::<usize>();
    let (mut first, mut written) = (0, 0);
    while first < PARTS {
        let end = (first + (PARTS * STEP / all.max(1)).max(1)).min(PARTS);
        let step = async |conn: &mut AsyncPgConnection| write(conn, &segments, &union, id, first..end).await;
        let Some(bytes) = conn.transaction(step).await? else { return forget(conn, id).await };
        written += bytes;
        first = end;
    }
    let replaced = conn.transaction(async |conn| replace(conn, &segments, id, &union.ids, written).await).await?;
    if replaced { Ok(true) } else { forget(conn, id).await }
}

/// The segments that may become one, and the bytes of their lists.
async fn choose(conn: &mut AsyncPgConnection, below: i32) -> QueryResult<Vec<(i64, i32)>> {
    let bytes = search_segments::lists_bytes.assume_not_null();
    let mut fit: Vec<(i64, i32, i32)> = search_segments::table
        .filter(search_segments::keyed.and(search_segments::lists_bytes.is_not_null()))
        .filter(search_segments::rows.lt(below).and(bytes.lt(LARGEST_LISTS / 2)))
        .select((search_segments::id, search_segments::rows, bytes))
        .load(conn)
        .await?;
    // The smallest first, so that if they are too large together, all are; of about the same size those that were made one
    // after the other, whose ids are neighbours.
    fit.sort_unstable_by_key(|(id, rows, _)| (rows.max(&1).ilog2(), *id));
    let mut sum = (0, 0);
    let together = fit.into_iter().take(AT_ONCE).take_while(|(_, rows, bytes)| {
        sum = (sum.0 + rows, sum.1 + bytes);
        sum.0 <= LARGEST_ROWS && sum.1 <= LARGEST_LISTS
    });
    let mut chosen: Vec<_> = together.map(|(id, _, bytes)| (id, bytes)).collect();
    chosen.sort_unstable();
    Ok(chosen)
}

/// Writes some parts of the new segment and gives the bytes of their lists; `None` where the old ones are gone.
async fn write(
    conn: &mut AsyncPgConnection,
    segments: &[i64],
    union: &Arc<Union>,
    id: i64,
    range: std::ops::Range<usize>,
) -> anyhow::Result<Option<usize>> {
    super::lock_in_order(conn).await?;
    let (first, end) = (i32::try_from(range.start)?, i32::try_from(range.end)?);
    let rows: Vec<(Vec<u8>, Vec<u8>)> = search_lists::table
        .filter(search_lists::segment_id.eq_any(segments))
        .filter(search_lists::part.ge(first).and(search_lists::part.lt(end)))
        .select((search_lists::directory, search_lists::lists))
        .order((search_lists::part, search_lists::segment_id))
        .load(conn)
        .await?;
    if rows.len() != segments.len() * range.len() {
        return Ok(None);
    }
    let (union, size) = (Arc::clone(union), segments.len());
    let parts = spawn_blocking(move || {
        let parts: Vec<Part> = rows.into_iter().map(|(directory, lists)| Part { directory, lists }).collect();
        parts.chunks(size).map(|parts| union.part(parts)).collect::<Vec<_>>()
    });
    let parts = parts.await?;
    super::insert_parts(conn, id, first, &parts).await?;
    Ok(Some(parts.iter().map(|part| part.lists.len()).sum()))
}

/// Puts the new segment in the place of the old ones, unless they are gone.
async fn replace(
    conn: &mut AsyncPgConnection,
    segments: &[i64],
    id: i64,
    ids: &[i64],
    lists_bytes: usize,
) -> QueryResult<bool> {
    super::lock_in_order(conn).await?;
    let there = search_segments::table.filter(search_segments::id.eq_any(segments)).count();
    if usize::try_from(there.get_result::<i64>(conn).await?) != Ok(segments.len()) {
        return Ok(false);
    }
    super::insert_segment(conn, id, ids, lists_bytes, None).await?;
    super::delete_segments(conn, segments).await?;
    Ok(true)
}

/// Everything was deleted meanwhile, and nothing is to be made of it.
async fn forget(conn: &mut AsyncPgConnection, id: i64) -> anyhow::Result<bool> {
    super::delete_segments(conn, &[id]).await?;
    Ok(false)
}

/// Deletes lists that were left by a process that died over them. Nobody else may be at it.
pub async fn tidy(conn: &mut AsyncPgConnection) -> QueryResult<()> {
    // As of one moment: an import writes both.
    conn.batch_execute("DELETE FROM search_lists WHERE segment_id NOT IN (SELECT id FROM search_segments)").await
}
