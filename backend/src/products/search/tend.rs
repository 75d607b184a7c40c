//! What is done for the indexes behind everybody's back: products are sorted into `search_keys`, small segments become
//! one, and what has gone out of date is written anew.
//!
//! All of it may be interrupted at any point, and nothing is ever missing from a search meanwhile: a segment goes only
//! when what it leads to is found by another.

use std::time::{Duration, Instant};

use diesel::{
    prelude::*,
    sql_types::{Array, BigInt},
};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};

use super::segment::{self, Texts};
use crate::{
    app::App,
    db,
    schema::{products, search_segments},
};

/// So that one process at a time does this; any number that no other lock has.
const LOCK: i64 = 0x05EA_4C85;
/// Rows that are sorted in by one transaction: a tenth of a second.
const KEYED_AT_ONCE: i64 = 10_000;
/// A segment of fewer rows is small: made by hand, or by a small import.
const SMALL: i32 = 2_000;
/// So many small segments are made one; or fewer, when so many rows of them are not indexed, each of which every search
/// has to read.
const MOST_SMALL: usize = 32;
const MOST_UNINDEXED: i64 = 500;
/// Largest segment that is made here: rows, and bytes of text, which is what has to be in memory.
const LARGEST: (usize, usize) = (20_000, 16 << 20);
/// How often to look whether the whole is out of date; it takes a count of all products.
const LOOK: Duration = Duration::from_secs(20);

/// Tends the indexes; one for each process that works.
#[derive(Default)]
pub struct Tender {
    looked: Option<Instant>,
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
        while !stopped() && conn.transaction(async |conn| sort_in(conn, busy).await).await? {}
        if !stopped() {
            conn.transaction(async |conn| join_small(conn).await).await?;
        }
        if !busy && !stopped() && self.looked.is_none_or(|looked| looked.elapsed() > LOOK) {
            self.looked = Some(Instant::now());
            if is_out_of_date(conn).await? {
                rewrite(app, conn).await?;
            }
        }
        Ok(())
    }
}

/// Brings `search_keys` up to date with the products of some segments. Gives `true` when there may be more to do.
async fn sort_in(conn: &mut AsyncPgConnection, busy: bool) -> QueryResult<bool> {
    super::lock_in_order(conn).await?;
    let most = if busy { SMALL } else { i32::MAX };
    let waiting: Vec<(i64, i32, Vec<u8>)> = search_segments::table
        .filter(diesel::dsl::not(search_segments::keyed).and(search_segments::rows.lt(most)))
        .select((search_segments::id, search_segments::rows, search_segments::ids))
        .order(search_segments::id)
        .limit(200)
        .load(conn)
        .await?;
    if waiting.is_empty() {
        return Ok(false);
    }
    let (mut segments, mut ids, mut rows) = (Vec::new(), Vec::new(), 0);
    for (segment, count, packed) in waiting {
        rows += i64::from(count);
        if !segments.is_empty() && rows > KEYED_AT_ONCE {
            break;
        }
        segments.push(segment);
        ids.extend(segment::unpack(&packed));
    }
    ids.sort_unstable();
    ids.dedup();
    diesel::sql_query(
        "INSERT INTO search_keys AS k (product_id, name_key, created_at, updated_at, import_id) \
         SELECT id, lower(name), created_at, updated_at, import_id FROM products WHERE id = ANY ($1) ORDER BY id \
         ON CONFLICT (product_id) DO UPDATE \
         SET name_key = excluded.name_key, updated_at = excluded.updated_at, import_id = excluded.import_id",
    )
    .bind::<Array<BigInt>, _>(ids)
    .execute(conn)
    .await?;
    diesel::update(search_segments::table.filter(search_segments::id.eq_any(&segments)))
        .set(search_segments::keyed.eq(true))
        .execute(conn)
        .await?;
    diesel::delete(search_segments::table.filter(search_segments::id.eq_any(&segments)))
        .filter(diesel::dsl::not(search_segments::has_text))
        .execute(conn)
        .await?;
    Ok(true)
}

/// Makes one segment of the small ones, once they are many.
async fn join_small(conn: &mut AsyncPgConnection) -> QueryResult<()> {
    super::lock_in_order(conn).await?;
    let small: Vec<(i64, i32, bool, Vec<u8>)> = search_segments::table
        .filter(search_segments::keyed.and(search_segments::has_text))
        .filter(search_segments::rows.lt(SMALL).or(search_segments::directory.is_null()))
        .select((
            search_segments::id,
            search_segments::rows,
            search_segments::directory.is_null(),
            search_segments::ids,
        ))
        .order(search_segments::id)
        .limit(1_000)
        .load(conn)
        .await?;
    let unindexed: i64 = small.iter().filter(|segment| segment.2).map(|segment| i64::from(segment.1)).sum();
    if small.len() < MOST_SMALL && unindexed < MOST_UNINDEXED {
        return Ok(());
    }
    let (mut segments, mut ids, mut rows) = (Vec::new(), Vec::new(), 0);
    for (segment, count, _, packed) in small {
        rows += usize::try_from(count).unwrap_or_default();
        if !segments.is_empty() && rows > LARGEST.0 {
            break;
        }
        segments.push(segment);
        ids.extend(segment::unpack(&packed));
    }
    ids.sort_unstable();
    ids.dedup();
    for part in ids.chunks(PAGE) {
        // Read after the segments, so it is at least what they stand for; what is written later has a segment of its own.
        let texts = products::table.filter(products::id.eq_any(part)).select(TEXTS).order(products::id);
        let texts: Vec<ProductTexts> = texts.load(conn).await?;
        insert(conn, &texts).await?;
    }
    diesel::delete(search_segments::table.filter(search_segments::id.eq_any(segments))).execute(conn).await?;
    Ok(())
}

/// Products that are read at once: of the longest texts, 1,000 take 64 MiB.
const PAGE: usize = 1_000;

type ProductTexts = (i64, String, String, String);
const TEXTS: (products::id, products::sku, products::name, products::description) =
    (products::id, products::sku, products::name, products::description);

async fn insert(conn: &mut AsyncPgConnection, texts: &[ProductTexts]) -> QueryResult<()> {
    let texts: Vec<(i64, Texts<'_>)> =
        texts.iter().map(|(id, sku, name, description)| (*id, [sku.as_str(), name, description])).collect();
    super::insert_indexed(conn, texts, None).await
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
    let (mut after, mut texts, mut bytes) = (0, Vec::new(), 0);
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
        let end = page.len() < PAGE;
        after = page.last().map_or(after, |(id, ..)| *id);
        bytes +=
            page.iter().map(|(_, sku, name, description)| sku.len() + name.len() + description.len()).sum::<usize>();
        texts.extend(page);
        if end || texts.len() >= LARGEST.0 || bytes >= LARGEST.1 {
            insert(conn, &texts).await?;
            texts.clear();
            bytes = 0;
        }
        if end {
            break;
        }
    }
    diesel::delete(search_segments::table.filter(search_segments::id.eq_any(&old))).execute(conn).await?;
    tracing::info!("Wrote the search index anew, in place of {} segments", old.len());
    Ok(())
}
