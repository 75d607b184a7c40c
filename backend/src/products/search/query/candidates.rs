//! Candidates: the few products among which all matches are, found in the indexes.

use diesel::{
    dsl,
    pg::Pg,
    prelude::*,
    sql_types::{Array, BigInt, Binary, Integer, Nullable},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::TryStreamExt;
use shared::search::ProductFilter;
use trigram_index::{
    BUCKETS_PER_BLOCK, FORMAT_VERSION, buckets_of, flag_bucket, folded, ids_at, intersect, unpack_ids,
};

use crate::{
    products::search::index::description_flag,
    schema::{products, search_keys, search_segments},
};

/// Posting lists that are read of each segment: the shortest. Reading one takes up to 0.1 ms, checking a product that it would
/// have excluded 0.005 ms.
const MAX_LISTS: i32 = 6;
/// Maximum number of candidates by text. With more of them, reading the list in its own order soon finds enough matches.
const MAX_BY_TEXT: usize = 200_000;
/// Maximum number of candidates by state, times or import, which are read row by row.
const MAX_BY_KEY: i64 = 10_000;
/// With at most this many candidates, further indexes are not read.
const FEW: usize = 1_000;

/// Returns ids, ascending and distinct, among which all matches are. `None` if they would be too many, or if no index applies.
pub async fn candidates(conn: &mut AsyncPgConnection, filter: &ProductFilter) -> QueryResult<Option<Vec<i64>>> {
    let mut found = by_text(conn, filter).await?;
    let few = |found: &Option<Vec<i64>>| found.as_ref().is_some_and(|ids| ids.len() <= FEW);
    if !few(&found) && filter.active == Some(false) {
        found = both(found, inactive(conn).await?);
    }
    if !few(&found) && has_range(filter) {
        found = both(found, by_key(conn, filter).await?);
    }
    Ok(found)
}

fn both(left: Option<Vec<i64>>, right: Option<Vec<i64>>) -> Option<Vec<i64>> {
    match (left, right) {
        (Some(mut left), Some(right)) => {
            left.retain(|id| right.binary_search(id).is_ok());
            Some(left)
        }
        (left, right) => left.or(right),
    }
}

#[derive(QueryableByName)]
struct SegmentLists {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Integer)]
    rows: i32,
    #[diesel(sql_type = Nullable<Array<Binary>>)]
    lists: Option<Vec<Vec<u8>>>,
}

/// Candidates by the trigrams of the words, and by whether there is a description.
async fn by_text(conn: &mut AsyncPgConnection, filter: &ProductFilter) -> QueryResult<Option<Vec<i64>>> {
    let mut buckets: Vec<_> = filter.words().flat_map(|word| buckets_of(&folded(word))).collect();
    buckets.extend(filter.has_description.map(|has| flag_bucket(description_flag(has))));
    if buckets.is_empty() {
        return Ok(None);
    }
    buckets.sort_unstable();
    buckets.dedup();
    let buckets: Vec<_> = buckets.into_iter().map(|bucket| i32::try_from(bucket).unwrap_or(i32::MAX)).collect();
    let Some(hits) = hits(conn, buckets).await? else { return Ok(None) };
    let mut ids = ids_of(conn, hits).await?;
    // All products of segments that are not indexed, or in another format, are candidates.
    let unindexed: Vec<(i32, Vec<u8>)> = search_segments::table
        .filter(search_segments::has_text.and(search_segments::format.is_distinct_from(FORMAT_VERSION)))
        .select((search_segments::rows, search_segments::ids))
        .load(conn)
        .await?;
    let rows: usize = unindexed.iter().map(|(rows, _)| usize::try_from(*rows).unwrap_or_default()).sum();
    if ids.len() + rows > MAX_BY_TEXT {
        return Ok(None);
    }
    ids.extend(unindexed.iter().flat_map(|(_, ids)| unpack_ids(ids)));
    Ok(Some(ascending(ids)))
}

/// Returns the segments with products that are listed in all of these buckets, and the positions of these products; `None` if
/// they are more than [`MAX_BY_TEXT`].
async fn hits(conn: &mut AsyncPgConnection, buckets: Vec<i32>) -> QueryResult<Option<Vec<(i64, Vec<u32>)>>> {
    let query = diesel::sql_query(lists_sql()).bind::<Array<Integer>, _>(buckets).bind::<Integer, _>(MAX_LISTS);
    // As a stream: the server reads the next segment while this one is intersected.
    let mut segments = query.load_stream::<SegmentLists>(conn).await?;
    let (mut hits, mut count) = (Vec::new(), 0);
    while let Some(SegmentLists { id, rows, lists }) = segments.try_next().await? {
        let positions = intersect(&mut lists.unwrap_or_default(), usize::try_from(rows).unwrap_or_default());
        count += positions.len();
        if count > MAX_BY_TEXT {
            return Ok(None);
        }
        if !positions.is_empty() {
            hits.push((id, positions));
        }
    }
    Ok(Some(hits))
}

/// Returns the products at these positions of segments.
async fn ids_of(conn: &mut AsyncPgConnection, mut hits: Vec<(i64, Vec<u32>)>) -> QueryResult<Vec<i64>> {
    hits.sort_unstable_by_key(|(id, _)| *id);
    let packed: Vec<Vec<u8>> = search_segments::table
        .filter(search_segments::id.eq_any(hits.iter().map(|(id, _)| *id)))
        .select(search_segments::ids)
        .order(search_segments::id)
        .load(conn)
        .await?;
    Ok(hits.iter().zip(&packed).flat_map(|((_, positions), ids)| ids_at(ids, positions)).collect())
}

fn ascending(mut ids: Vec<i64>) -> Vec<i64> {
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// For each segment in which no list is empty: its shortest lists. They are slices by the offset table, so that the rest of a
/// block is never read. If blocks are missing, every product of the segment is a candidate.
fn lists_sql() -> String {
    format!(
        "SELECT s.id, s.rows, l.lists \
         FROM search_segments s \
         CROSS JOIN LATERAL ( \
             SELECT \
                 array_agg(substring(postings FROM first + 1 FOR size)) AS lists, \
                 min(size) AS shortest \
             FROM ( \
                 SELECT block.postings, first, behind - first AS size \
                 FROM unnest($1) AS bucket \
                 CROSS JOIN LATERAL ( \
                     SELECT postings, substring(offsets FROM 4 * (bucket % {BUCKETS_PER_BLOCK}) + 1 FOR 8) AS entry \
                     FROM search_postings WHERE segment_id = s.id AND block = bucket / {BUCKETS_PER_BLOCK} OFFSET 0 \
                 ) AS block \
                 CROSS JOIN LATERAL (SELECT \
                     get_byte(entry, 0) * 16777216 + get_byte(entry, 1) * 65536 + get_byte(entry, 2) * 256 + get_byte(entry, 3) AS first, \
                     get_byte(entry, 4) * 16777216 + get_byte(entry, 5) * 65536 + get_byte(entry, 6) * 256 + get_byte(entry, 7) AS behind \
                 ) AS offset_entry \
                 ORDER BY size LIMIT $2 \
             ) AS shortest_lists \
         ) AS l \
         WHERE s.format = {FORMAT_VERSION} AND l.shortest IS DISTINCT FROM 0"
    )
}

/// Returns the inactive products, unless they are more than [`MAX_BY_KEY`].
async fn inactive(conn: &mut AsyncPgConnection) -> QueryResult<Option<Vec<i64>>> {
    let ids: Vec<i64> = products::table
        .filter(dsl::not(products::active))
        .select(products::id)
        .order(products::id)
        .limit(MAX_BY_KEY + 1)
        .load(conn)
        .await?;
    Ok(not_many(ids))
}

fn not_many(ids: Vec<i64>) -> Option<Vec<i64>> {
    i64::try_from(ids.len()).is_ok_and(|count| count <= MAX_BY_KEY).then_some(ids)
}

/// Whether `filter` has conditions on times or on the import, which are in `search_keys`.
pub fn has_range(filter: &ProductFilter) -> bool {
    let times = [filter.created_from, filter.created_to, filter.updated_from, filter.updated_to];
    filter.import.is_some() || times.iter().any(Option::is_some)
}

/// The rows of `search_keys` that satisfy the conditions on times and import.
pub fn keys(filter: &ProductFilter) -> search_keys::BoxedQuery<'static, Pg> {
    let mut query = search_keys::table.into_boxed();
    macro_rules! restrict {
        ($value:expr, $column:ident, $is:ident) => {
            if let Some(value) = $value {
                query = query.filter(search_keys::$column.$is(value));
            }
        };
    }
    restrict!(filter.created_from, created_at, ge);
    restrict!(filter.created_to, created_at, lt);
    restrict!(filter.updated_from, updated_at, ge);
    restrict!(filter.updated_to, updated_at, lt);
    restrict!(filter.import, import_id, eq);
    query
}

/// Candidates by times and import.
async fn by_key(conn: &mut AsyncPgConnection, filter: &ProductFilter) -> QueryResult<Option<Vec<i64>>> {
    let query = keys(filter).select(search_keys::product_id).limit(MAX_BY_KEY + 1);
    // In the order of an index, or else the table is read from its beginning, of which half may be out of range. The latest
    // first, because among older times there are more dead entries of products that were changed again.
    let query = if filter.created_from.or(filter.created_to).is_some() {
        query.order(search_keys::created_at.desc())
    } else if filter.updated_from.or(filter.updated_to).is_some() {
        query.order(search_keys::updated_at.desc())
    } else {
        query.order(search_keys::product_id)
    };
    let Some(mut ids) = not_many(query.load(conn).await?) else { return Ok(None) };
    let Some(lagging) = lagging(conn, filter, MAX_BY_KEY).await? else { return Ok(None) };
    ids.extend(lagging);
    Ok(Some(ascending(ids)))
}

/// Returns the products that may match and whose sort keys are not up to date, unless they are more than `max`.
pub async fn lagging(conn: &mut AsyncPgConnection, filter: &ProductFilter, max: i64) -> QueryResult<Option<Vec<i64>>> {
    let segments = || {
        let mut query = search_segments::table.filter(dsl::not(search_segments::has_keys)).into_boxed();
        // Imports write many products; those of single edits are always read.
        let of_edits = || search_segments::import_id.is_null();
        if let Some(import) = filter.import {
            query = query.filter(of_edits().or(search_segments::import_id.eq(import)));
        }
        // A product that was written later was also changed later; if it was created earlier, it has sort keys, of which only
        // the time of the last change and the import are out of date.
        let created_to = filter.created_to.filter(|_| filter.updated_from.is_none() && filter.import.is_none());
        for to in [created_to, filter.updated_to].into_iter().flatten() {
            query = query.filter(of_edits().or(search_segments::written_at.lt(to)));
        }
        query
    };
    let rows: Option<i64> = segments().select(dsl::sum(search_segments::rows)).first(conn).await?;
    if rows.unwrap_or(0) > max {
        return Ok(None);
    }
    let packed: Vec<Vec<u8>> = segments().select(search_segments::ids).load(conn).await?;
    Ok(Some(ascending(packed.iter().flat_map(|packed| unpack_ids(packed)).collect())))
}
