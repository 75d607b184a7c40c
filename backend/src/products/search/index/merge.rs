//! Merging segments, since a search reads each of them.
//!
//! A few blocks per transaction, so that a worker needs little memory and deleting everything does not wait for long: the new
//! blocks are stored under an unused segment id until the merged segment replaces the others.

use std::sync::Arc;

use diesel::prelude::*;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use tokio::task::spawn_blocking;
use trigram_index::{BLOCKS, Block, FORMAT_VERSION, Merger, unpack_ids};

use super::{delete_segments, insert_blocks, insert_segment, next_segment_id};
use crate::{
    products::search::lock_in_order,
    schema::{search_postings, search_segments},
};

/// Maximum size of a merged segment: rows, and bytes of posting lists. Larger segments make fewer to read (fifteen for five
/// million products), but take longer to merge and 20 bytes of memory per row.
const MAX_ROWS: i32 = 320_000;
const MAX_POSTING_BYTES: i32 = 48 << 20;
/// Segments with fewer rows are small: of single edits, or of a small import.
pub const SMALL_ROWS: i32 = 2_000;
/// Segments with fewer rows than the first number are merged once there are at least as many as the second.
pub const TIERS: [(i32, usize); 3] = [(SMALL_ROWS, 16), (20_000, 4), (MAX_ROWS / 2, 4)];
/// Maximum number of segments that become one.
const MAX_SEGMENTS: usize = 100;
/// Approximate bytes of posting lists that one transaction reads. Merging them takes about four times that memory.
const STEP_BYTES: usize = 1 << 20;

/// What a round of merging has left to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merged {
    /// There may be more segments to merge.
    Some,
    Nothing,
}

/// Merges the segments with fewer rows than `below`, once there are at least `min_segments`.
pub async fn merge(conn: &mut AsyncPgConnection, (below, min_segments): (i32, usize)) -> anyhow::Result<Merged> {
    let chosen = choose(conn, below).await?;
    if chosen.len() < min_segments {
        return Ok(Merged::Nothing);
    }
    let (segments, bytes): (Vec<i64>, Vec<i32>) = chosen.into_iter().unzip();
    let ids: Vec<Vec<u8>> = search_segments::table
        .filter(search_segments::id.eq_any(&segments))
        .select(search_segments::ids)
        .order(search_segments::id)
        .load(conn)
        .await?;
    let unpack = move || Merger::new(&ids.iter().map(|ids| unpack_ids(ids).collect()).collect::<Vec<_>>());
    let merger = Arc::new(spawn_blocking(unpack).await?);
    let id = next_segment_id(conn).await?;
    let all = bytes.iter().map(|bytes| usize::try_from(*bytes).unwrap_or(0)).sum::<usize>();
    let (mut first, mut written) = (0, 0);
    while first < BLOCKS {
        let end = (first + (BLOCKS * STEP_BYTES / all.max(1)).max(1)).min(BLOCKS);
        let step = async |conn: &mut AsyncPgConnection| write(conn, &segments, &merger, id, first..end).await;
        let Some(bytes) = conn.transaction(step).await? else { return abandon(conn, id).await };
        written += bytes;
        first = end;
    }
    let replaced = conn.transaction(async |conn| replace(conn, &segments, id, merger.ids(), written).await).await?;
    if replaced { Ok(Merged::Some) } else { abandon(conn, id).await }
}

/// Returns the segments to merge, with the bytes of their posting lists.
async fn choose(conn: &mut AsyncPgConnection, below: i32) -> QueryResult<Vec<(i64, i32)>> {
    let bytes = search_segments::posting_bytes.assume_not_null();
    let mut fit: Vec<(i64, i32, i32)> = search_segments::table
        .filter(search_segments::has_keys.and(search_segments::format.eq(FORMAT_VERSION)))
        .filter(search_segments::rows.lt(below).and(bytes.lt(MAX_POSTING_BYTES / 2)))
        .select((search_segments::id, search_segments::rows, bytes))
        .load(conn)
        .await?;
    // The smallest first, so that if they are too large together, any others would be too. Among segments of about the same
    // size in the order of creation, because their ids are close to each other.
    fit.sort_unstable_by_key(|(id, rows, _)| (rows.max(&1).ilog2(), *id));
    let mut sum = (0, 0);
    let together = fit.into_iter().take(MAX_SEGMENTS).take_while(|(_, rows, bytes)| {
        sum = (sum.0 + rows, sum.1 + bytes);
        sum.0 <= MAX_ROWS && sum.1 <= MAX_POSTING_BYTES
    });
    let mut chosen: Vec<_> = together.map(|(id, _, bytes)| (id, bytes)).collect();
    chosen.sort_unstable();
    Ok(chosen)
}

/// Writes some blocks of the merged segment. Returns the bytes of their posting lists; `None` if a segment no longer exists.
async fn write(
    conn: &mut AsyncPgConnection,
    segments: &[i64],
    merger: &Arc<Merger>,
    id: i64,
    range: std::ops::Range<usize>,
) -> anyhow::Result<Option<usize>> {
    lock_in_order(conn).await?;
    let (first, end) = (i32::try_from(range.start)?, i32::try_from(range.end)?);
    let rows: Vec<(Vec<u8>, Vec<u8>)> = search_postings::table
        .filter(search_postings::segment_id.eq_any(segments))
        .filter(search_postings::block.ge(first).and(search_postings::block.lt(end)))
        .select((search_postings::offsets, search_postings::postings))
        .order((search_postings::block, search_postings::segment_id))
        .load(conn)
        .await?;
    if rows.len() != segments.len() * range.len() {
        return Ok(None);
    }
    let (merger, size) = (Arc::clone(merger), segments.len());
    let blocks = spawn_blocking(move || {
        let blocks: Vec<Block> = rows.into_iter().map(|(offsets, postings)| Block { offsets, postings }).collect();
        blocks.chunks(size).map(|blocks| merger.block(blocks)).collect::<Vec<_>>()
    });
    let blocks = blocks.await?;
    insert_blocks(conn, id, first, &blocks).await?;
    Ok(Some(blocks.iter().map(|block| block.postings.len()).sum()))
}

/// Replaces the segments by the merged one. Returns `false` if one of them no longer exists.
async fn replace(
    conn: &mut AsyncPgConnection,
    segments: &[i64],
    id: i64,
    ids: &[i64],
    posting_bytes: usize,
) -> QueryResult<bool> {
    lock_in_order(conn).await?;
    let existing = search_segments::table.filter(search_segments::id.eq_any(segments)).count();
    if usize::try_from(existing.get_result::<i64>(conn).await?) != Ok(segments.len()) {
        return Ok(false);
    }
    insert_segment(conn, id, ids, posting_bytes, None).await?;
    delete_segments(conn, segments).await?;
    Ok(true)
}

/// Deletes the blocks of a merge whose segments were deleted while it ran.
async fn abandon(conn: &mut AsyncPgConnection, id: i64) -> anyhow::Result<Merged> {
    delete_segments(conn, &[id]).await?;
    Ok(Merged::Nothing)
}

/// Deletes blocks of merges whose process died. No other process may be merging.
pub async fn delete_orphaned_blocks(conn: &mut AsyncPgConnection) -> QueryResult<()> {
    // One snapshot: an import writes both tables in one transaction.
    conn.batch_execute("DELETE FROM search_postings WHERE segment_id NOT IN (SELECT id FROM search_segments)").await
}
