//! Index maintenance in the background: sort keys are written, small segments are merged, and stale ones are rebuilt.
//!
//! Each step can be interrupted at any point. No search misses a product in the meantime: a segment is only deleted when
//! another one covers its products.

use std::time::{Duration, Instant};

use diesel::{
    dsl,
    prelude::*,
    sql_types::{Array, BigInt, Text},
};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use trigram_index::{FORMAT_VERSION, unpack_ids};

use super::{
    Document, delete_segments, insert_indexed,
    merge::{self, Merged},
};
use crate::{
    app::App,
    db,
    products::search::lock_in_order,
    schema::{products, search_segments},
};

/// Advisory lock of the one process that maintains the indexes; a number that no other lock has.
const LOCK: i64 = 0x05EA_4C85;
/// Products whose sort keys are written by one transaction, which takes a tenth of a second.
const KEY_BATCH_SIZE: i64 = 10_000;
/// Segments of single edits, and rows in them, that every search reads. Further ones are indexed.
const MAX_UNINDEXED: (usize, i64) = (32, 500);
/// Maximum size of a segment that is built from the texts of products: rows, and bytes of texts. The posting lists take as
/// much memory again.
const MAX_INDEXED_ROWS: usize = 40_000;
const MAX_INDEXED_BYTES: usize = 8 << 20;
/// Products that are read at once. With the longest texts, 1,000 take 64 MiB.
const READ_BATCH_SIZE: usize = 1_000;
/// Statistics of the sort keys are collected after this many changes.
const ANALYZE_AFTER: i64 = 2 * KEY_BATCH_SIZE;
/// Time between two checks whether most of the index is stale, which counts all products.
const STALE_CHECK_INTERVAL: Duration = Duration::from_secs(20);

/// The state of index maintenance; one per worker process.
#[derive(Default)]
pub struct Maintenance {
    checked_at: Option<Instant>,
    /// Sort keys written since statistics were last collected.
    written_keys: i64,
}

impl Maintenance {
    /// Does what is due, unless another process is doing it. While an import writes (`busy`), large segments are left alone, so
    /// that the import has the processors.
    pub async fn run(&mut self, app: &App, busy: bool) -> anyhow::Result<()> {
        db::with_advisory_lock(&app.pool, LOCK, self.work(app, busy)).await.map(drop)
    }

    async fn work(&mut self, app: &App, busy: bool) -> anyhow::Result<()> {
        let conn = &mut *app.pool.get().await?;
        let stopped = || app.shutdown.is_cancelled();
        while !stopped() {
            match conn.transaction(async |conn| write_keys(conn, busy).await).await? {
                0 => break,
                count => self.written_keys += count,
            }
        }
        if !busy && !stopped() && self.written_keys >= ANALYZE_AFTER {
            // The planner has to know which imports and times are frequent, and dead index entries slow down a search for
            // recent changes.
            conn.batch_execute("VACUUM (ANALYZE, TRUNCATE false) search_keys").await?;
            self.written_keys = 0;
        }
        while !stopped() && conn.transaction(async |conn| index_unindexed(conn).await).await? == Merged::Some {}
        for tier in merge::TIERS.into_iter().take(if busy { 1 } else { merge::TIERS.len() }) {
            while !stopped() && merge::merge(conn, tier).await? == Merged::Some && !busy {}
        }
        if !busy && !stopped() && self.checked_at.is_none_or(|at| at.elapsed() > STALE_CHECK_INTERVAL) {
            self.checked_at = Some(Instant::now());
            conn.transaction(async |conn| merge::delete_orphaned_blocks(conn).await).await?;
            if is_stale(conn).await? {
                rebuild(app, conn).await?;
            }
        }
        Ok(())
    }
}

/// Copies the sort keys of products.
const WRITE_KEYS: &str = "\
    INSERT INTO search_keys AS k (product_id, name_key, created_at, updated_at, import_id) \
    SELECT id, lower(name), created_at, updated_at, import_id FROM products WHERE id = ANY ($1) ORDER BY id \
    ON CONFLICT (product_id) DO UPDATE \
    SET name_key = excluded.name_key, updated_at = excluded.updated_at, import_id = excluded.import_id";

/// Writes the sort keys of the products of some segments. Returns the number of products; 0 if there are none to write.
async fn write_keys(conn: &mut AsyncPgConnection, busy: bool) -> QueryResult<i64> {
    lock_in_order(conn).await?;
    let max_rows = if busy { merge::SMALL_ROWS } else { i32::MAX };
    let unkeyed: Vec<(i64, i32, Vec<u8>)> = search_segments::table
        .filter(dsl::not(search_segments::has_keys).and(search_segments::rows.lt(max_rows)))
        .select((search_segments::id, search_segments::rows, search_segments::ids))
        .order(search_segments::id)
        .limit(200)
        .load(conn)
        .await?;
    if unkeyed.is_empty() {
        return Ok(0);
    }
    let (segments, ids) = batch_of(unkeyed, KEY_BATCH_SIZE);
    let count = i64::try_from(ids.len()).unwrap_or(i64::MAX);
    diesel::sql_query(WRITE_KEYS).bind::<Array<BigInt>, _>(ids).execute(conn).await?;
    diesel::update(search_segments::table.filter(search_segments::id.eq_any(&segments)))
        .set(search_segments::has_keys.eq(true))
        .execute(conn)
        .await?;
    diesel::delete(search_segments::table.filter(search_segments::id.eq_any(&segments)))
        .filter(dsl::not(search_segments::has_text))
        .execute(conn)
        .await?;
    Ok(count)
}

/// Returns the first segments with at most `max_rows` rows together, at least one, and the ids of their products, ascending.
fn batch_of(segments: Vec<(i64, i32, Vec<u8>)>, max_rows: i64) -> (Vec<i64>, Vec<i64>) {
    let (mut chosen, mut ids, mut rows) = (Vec::new(), Vec::new(), 0);
    for (segment, count, packed) in segments {
        rows += i64::from(count);
        if !chosen.is_empty() && rows > max_rows {
            break;
        }
        chosen.push(segment);
        ids.extend(unpack_ids(&packed));
    }
    ids.sort_unstable();
    ids.dedup();
    (chosen, ids)
}

/// Indexes segments that have no posting lists, once they are many, and those of another format.
async fn index_unindexed(conn: &mut AsyncPgConnection) -> QueryResult<Merged> {
    lock_in_order(conn).await?;
    let unindexed: Vec<(i64, i32, Vec<u8>)> = search_segments::table
        .filter(search_segments::has_keys.and(search_segments::has_text))
        .filter(search_segments::format.is_distinct_from(FORMAT_VERSION))
        .select((search_segments::id, search_segments::rows, search_segments::ids))
        .order(search_segments::id)
        .limit(1_000)
        .load(conn)
        .await?;
    let rows: i64 = unindexed.iter().map(|(_, rows, _)| i64::from(*rows)).sum();
    if unindexed.len() < MAX_UNINDEXED.0 && rows < MAX_UNINDEXED.1 {
        return Ok(Merged::Nothing);
    }
    let (segments, ids) = batch_of(unindexed, i64::try_from(MAX_INDEXED_ROWS).unwrap_or(i64::MAX));
    let mut writer = SegmentWriter::default();
    for ids in ids.chunks(READ_BATCH_SIZE) {
        // Read after the segments, so the texts are at least as new; later changes have segments of their own.
        let texts = texts().filter(products::id.eq_any(ids)).order(products::id).load(conn).await?;
        writer.add(conn, texts).await?;
    }
    writer.flush(conn).await?;
    delete_segments(conn, &segments).await?;
    Ok(Merged::Some)
}

/// Id, SKU, name, description, attributes as JSON.
type ProductTexts = (i64, String, String, String, String);

#[diesel::dsl::auto_type(no_type_alias)]
fn texts() -> _ {
    let attributes: diesel::expression::SqlLiteral<Text> = dsl::sql("products.attributes::text");
    products::table.select((products::id, products::sku, products::name, products::description, attributes))
}

/// Writes the texts of products into segments of the maximum size.
#[derive(Default)]
struct SegmentWriter {
    texts: Vec<ProductTexts>,
    bytes: usize,
}

impl SegmentWriter {
    async fn add(&mut self, conn: &mut AsyncPgConnection, batch: Vec<ProductTexts>) -> QueryResult<()> {
        let bytes = |(_, sku, name, description, attributes): &ProductTexts| {
            sku.len() + name.len() + description.len() + attributes.len()
        };
        self.bytes += batch.iter().map(bytes).sum::<usize>();
        self.texts.extend(batch);
        if self.texts.len() < MAX_INDEXED_ROWS && self.bytes < MAX_INDEXED_BYTES {
            return Ok(());
        }
        self.flush(conn).await
    }

    async fn flush(&mut self, conn: &mut AsyncPgConnection) -> QueryResult<()> {
        let Self { texts, .. } = std::mem::take(self);
        let documents = texts.iter().map(|(id, sku, name, description, attributes)| Document {
            id: *id,
            sku,
            name,
            description,
            attributes: Some(attributes),
        });
        insert_indexed(conn, documents.collect(), None).await
    }
}

/// Whether more than half of what the segments hold is stale.
async fn is_stale(conn: &mut AsyncPgConnection) -> QueryResult<bool> {
    let indexed: Option<i64> = search_segments::table
        .filter(search_segments::has_text)
        .select(dsl::sum(search_segments::rows))
        .first(conn)
        .await?;
    let indexed = indexed.unwrap_or(0);
    // The count takes a tenth of a second for half a million products.
    Ok(indexed > 20_000 && indexed > 2 * products::table.count().get_result::<i64>(conn).await?)
}

/// Builds new segments from all products, then deletes the old ones.
async fn rebuild(app: &App, conn: &mut AsyncPgConnection) -> anyhow::Result<()> {
    // What was committed before this statement is read below in this version or a later one.
    let old: Vec<i64> = search_segments::table
        .filter(search_segments::has_keys.and(search_segments::has_text))
        .select(search_segments::id)
        .load(conn)
        .await?;
    let (mut after, mut writer) = (0, SegmentWriter::default());
    loop {
        if app.shutdown.is_cancelled() {
            return Ok(());
        }
        let batch: Vec<ProductTexts> = texts()
            .filter(products::id.gt(after))
            .order(products::id)
            .limit(i64::try_from(READ_BATCH_SIZE)?)
            .load(conn)
            .await?;
        let Some((last, ..)) = batch.last() else { break };
        after = *last;
        writer.add(conn, batch).await?;
    }
    writer.flush(conn).await?;
    conn.transaction(async |conn| delete_segments(conn, &old).await).await?;
    tracing::info!("Rebuilt the search index; it replaces {} segments", old.len());
    Ok(())
}
