//! What is done for the indexes behind everybody's back: products are sorted into `search_keys`, small segments become
//! one, and what has gone out of date is written anew.
//!
//! All of it may be interrupted at any point, and nothing is ever missing from a search meanwhile: a segment goes only
//! when what it leads to is found by another.

use std::time::{Duration, Instant};

use diesel::{
    dsl,
    prelude::*,
    sql_types::{Array, BigInt},
};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

use super::{merge, packing, zones};
use crate::{
    app::App,
    db,
    schema::{products, search_segments},
};

/// So that one process at a time does this; any number that no other lock has.
const LOCK: i64 = 0x05EA_4C85;
/// Rows that are sorted in by one transaction: a tenth of a second.
const KEYED_AT_ONCE: i64 = 10_000;
/// Segments of changes by hand, and rows in them, that are read by every search; more are indexed.
const MOST_UNINDEXED: (usize, i64) = (32, 500);
/// Largest segment that is made of the texts of products: rows, and bytes of texts. The lists take as much memory again.
const INDEXED_ROWS: usize = 40_000;
const INDEXED_TEXTS: usize = 8 << 20;
/// Bounds of zones are made narrow again, and statistics taken, after so many products: those of some zones may be history by
/// then.
const NARROWED: i64 = 2 * KEYED_AT_ONCE;
/// How often to look whether the whole is out of date; it takes a count of all products.
const LOOK: Duration = Duration::from_secs(20);

/// Tends the indexes; one for each process that works.
#[derive(Default)]
pub struct Tender {
    looked: Option<Instant>,
    /// Products that were sorted in since the bounds of the zones were last made narrow.
    sorted: i64,
}

impl Tender {
    /// Does what there is to do, unless another process is at it. While `busy`, which is while an import writes, it leaves
    /// large segments alone: the import is in more of a hurry.
    pub async fn round(&mut self, app: &App, busy: bool) -> anyhow::Result<()> {
        db::alone(app, LOCK, self.work(app, busy)).await.map(drop)
    }

    async fn work(&mut self, app: &App, busy: bool) -> anyhow::Result<()> {
        let conn = &mut *app.pool.get().await?;
        let stopped = || app.shutdown.is_cancelled();
        while !stopped() {
            match conn.transaction(async |conn| sort_in(conn, busy).await).await? {
                0 => break,
                count => self.sorted += count,
            }
        }
        if !busy && !stopped() && self.sorted >= NARROWED {
            zones::narrow(conn).await?;
            // The planner has to know which imports and times are many, and old times are in the way of who looks for new
            // ones.
            conn.batch_execute("VACUUM (ANALYZE, TRUNCATE false) search_keys").await?;
            self.sorted = 0;
        }
        if !stopped() {
            conn.transaction(async |conn| index_unindexed(conn).await).await?;
        }
        for tier in merge::TIERS.into_iter().take(if busy { 1 } else { merge::TIERS.len() }) {
            while !stopped() && merge::merge(conn, tier).await? && !busy {}
        }
        if !busy && !stopped() && self.looked.is_none_or(|looked| looked.elapsed() > LOOK) {
            self.looked = Some(Instant::now());
            conn.transaction(async |conn| merge::tidy(conn).await).await?;
            if is_out_of_date(conn).await? {
                rewrite(app, conn).await?;
            }
        }
        Ok(())
    }
}

/// What is sorted in of products.
const KEYS: &str = "\
    INSERT INTO search_keys AS k (product_id, name_key, created_at, updated_at, import_id) \
    SELECT id, lower(name), created_at, updated_at, import_id FROM products WHERE id = ANY ($1) ORDER BY id \
    ON CONFLICT (product_id) DO UPDATE \
    SET name_key = excluded.name_key, updated_at = excluded.updated_at, import_id = excluded.import_id";

/// Brings `search_keys` up to date with the products of some segments. Gives how many they are; there may be more.
async fn sort_in(conn: &mut AsyncPgConnection, busy: bool) -> QueryResult<i64> {
    super::lock_in_order(conn).await?;
    let most = if busy { merge::SMALL } else { i32::MAX };
    let waiting: Vec<(i64, i32, Vec<u8>)> = search_segments::table
        .filter(dsl::not(search_segments::keyed).and(search_segments::rows.lt(most)))
        .select((search_segments::id, search_segments::rows, search_segments::ids))
        .order(search_segments::id)
        .limit(200)
        .load(conn)
        .await?;
    if waiting.is_empty() {
        return Ok(0);
    }
    let (mut segments, mut ids, mut rows) = (Vec::new(), Vec::new(), 0);
    for (segment, count, packed) in waiting {
        rows += i64::from(count);
        if !segments.is_empty() && rows > KEYED_AT_ONCE {
            break;
        }
        segments.push(segment);
        ids.extend(packing::unpack_ids(&packed));
    }
    ids.sort_unstable();
    ids.dedup();
    let count = i64::try_from(ids.len()).unwrap_or(i64::MAX);
    diesel::sql_query(format!("WITH sorted AS ({KEYS} RETURNING *) {}", zones::widen()))
        .bind::<Array<BigInt>, _>(ids)
        .execute(conn)
        .await?;
    diesel::update(search_segments::table.filter(search_segments::id.eq_any(&segments)))
        .set(search_segments::keyed.eq(true))
        .execute(conn)
        .await?;
    diesel::delete(search_segments::table.filter(search_segments::id.eq_any(&segments)))
        .filter(dsl::not(search_segments::has_text))
        .execute(conn)
        .await?;
    Ok(count)
}

/// Indexes what was written by hand, once it is much.
async fn index_unindexed(conn: &mut AsyncPgConnection) -> QueryResult<()> {
    super::lock_in_order(conn).await?;
    let unindexed: Vec<(i64, i32, Vec<u8>)> = search_segments::table
        .filter(search_segments::keyed.and(search_segments::has_text).and(search_segments::lists_bytes.is_null()))
        .select((search_segments::id, search_segments::rows, search_segments::ids))
        .order(search_segments::id)
        .limit(1_000)
        .load(conn)
        .await?;
    let rows: i64 = unindexed.iter().map(|(_, rows, _)| i64::from(*rows)).sum();
    if unindexed.len() < MOST_UNINDEXED.0 && rows < MOST_UNINDEXED.1 {
        return Ok(());
    }
    let mut ids: Vec<i64> = unindexed.iter().flat_map(|(_, _, packed)| packing::unpack_ids(packed)).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut writing = Writing::default();
    for part in ids.chunks(PAGE) {
        // Read after the segments, so it is at least what they stand for; what is written later has a segment of its own.
        let texts = products::table.filter(products::id.eq_any(part)).select(TEXTS).order(products::id);
        let texts = texts.load(conn).await?;
        writing.add(conn, texts).await?;
    }
    writing.end(conn).await?;
    let segments: Vec<i64> = unindexed.iter().map(|(id, ..)| *id).collect();
    super::delete_segments(conn, &segments).await
}

/// Products that are read at once: of the longest texts, 1,000 take 64 MiB.
const PAGE: usize = 1_000;

type ProductTexts = (i64, String, String, String);
const TEXTS: (products::id, products::sku, products::name, products::description) =
    (products::id, products::sku, products::name, products::description);

/// Products on their way into segments as large as may be.
#[derive(Default)]
struct Writing {
    texts: Vec<ProductTexts>,
    bytes: usize,
}

impl Writing {
    async fn add(&mut self, conn: &mut AsyncPgConnection, page: Vec<ProductTexts>) -> QueryResult<()> {
        let bytes = |(_, sku, name, description): &ProductTexts| sku.len() + name.len() + description.len();
        self.bytes += page.iter().map(bytes).sum::<usize>();
        self.texts.extend(page);
        if self.texts.len() < INDEXED_ROWS && self.bytes < INDEXED_TEXTS {
            return Ok(());
        }
        self.end(conn).await
    }

    async fn end(&mut self, conn: &mut AsyncPgConnection) -> QueryResult<()> {
        let Self { texts, .. } = std::mem::take(self);
        let texts = texts.iter().map(|(id, sku, name, description)| (*id, [sku.as_str(), name, description]));
        super::insert_indexed(conn, texts.collect(), None).await
    }
}

/// Whether most of what the segments hold is out of date.
async fn is_out_of_date(conn: &mut AsyncPgConnection) -> QueryResult<bool> {
    let held: Option<i64> = search_segments::table
        .filter(search_segments::has_text)
        .select(diesel::dsl::sum(search_segments::rows))
        .first(conn)
        .await?;
    let held = held.unwrap_or(0);
    // A count takes a tenth of a second for each half a million.
    Ok(held > 20_000 && held > 2 * products::table.count().get_result::<i64>(conn).await?)
}

/// Writes all segments anew, from the products as they are, and then removes the old ones.
async fn rewrite(app: &App, conn: &mut AsyncPgConnection) -> anyhow::Result<()> {
    // What was committed before this moment is read below as it is then, or later.
    let old: Vec<i64> = search_segments::table
        .filter(search_segments::keyed.and(search_segments::has_text))
        .select(search_segments::id)
        .load(conn)
        .await?;
    let (mut after, mut writing) = (0, Writing::default());
    loop {
        if app.shutdown.is_cancelled() {
            return Ok(());
        }
        let page: Vec<ProductTexts> = products::table
            .filter(products::id.gt(after))
            .select(TEXTS)
            .order(products::id)
            .limit(i64::try_from(PAGE)?)
            .load(conn)
            .await?;
        let Some((last, ..)) = page.last() else { break };
        after = *last;
        writing.add(conn, page).await?;
    }
    writing.end(conn).await?;
    conn.transaction(async |conn| super::delete_segments(conn, &old).await).await?;
    tracing::info!("Wrote the search index anew, in place of {} segments", old.len());
    Ok(())
}
