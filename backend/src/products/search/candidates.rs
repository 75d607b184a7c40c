//! Where to look: the few products among which all matches are, found in the indexes.

use diesel::{
    pg::Pg,
    prelude::*,
    sql_types::{Array, BigInt, Binary, Integer, Nullable},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::TryStreamExt;
use shared::search::ProductFilter;

use super::{
    packing,
    segment::{self, BUCKETS_PER_PART},
};
use crate::schema::{products, search_keys, search_segments};

/// Lists that are read of each segment, the shortest. One takes up to 0.1 ms, a product that none of them excludes 0.005 ms.
const LISTS: i32 = 6;
/// More candidates than this are not worth having: the list is then read in its own order, and soon has its matches.
const MOST_BY_TEXT: usize = 200_000;
/// The same for what comes out of an index of rows one by one: enough for a sample to prove that there are more than are
/// counted.
const MOST_BY_KEY: i64 = 11_000;

/// What the indexes tell of the matches.
pub enum Candidates {
    /// All matches are among these ids, ascending and without repetition.
    All(Vec<i64>),
    /// Matches are so many that these are but a part of them, or nothing is known and these are none.
    Some(Vec<i64>),
}

impl Candidates {
    /// All that can match, where that is known.
    pub fn all(&self) -> Option<&[i64]> {
        match self {
            Self::All(ids) => Some(ids),
            Self::Some(_) => None,
        }
    }
}

/// Where to look for the products that are meant by `filter`.
pub async fn candidates(conn: &mut AsyncPgConnection, filter: &ProductFilter) -> QueryResult<Candidates> {
    let (mut found, mut some) = match by_text(conn, filter).await? {
        Candidates::All(ids) => (Some(ids), Vec::new()),
        Candidates::Some(ids) => (None, ids),
    };
    // A handful need no second index.
    let enough = |found: &Option<Vec<i64>>| found.as_ref().is_some_and(|ids| ids.len() <= 1_000);
    if !enough(&found) && filter.active == Some(false) {
        found = both(found, inactive(conn).await?);
    }
    if !enough(&found) && has_range(filter) {
        match by_key(conn, filter).await? {
            Candidates::All(ids) => found = both(found, Some(ids)),
            // The more there are, the more do they prove.
            Candidates::Some(ids) if ids.len() > some.len() => some = ids,
            Candidates::Some(_) => {}
        }
    }
    Ok(found.map_or(Candidates::Some(some), Candidates::All))
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
struct Listed {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Integer)]
    rows: i32,
    #[diesel(sql_type = Nullable<Array<Binary>>)]
    lists: Option<Vec<Vec<u8>>>,
}

/// By the trigrams of the words and the bucket of the description.
async fn by_text(conn: &mut AsyncPgConnection, filter: &ProductFilter) -> QueryResult<Candidates> {
    let mut buckets: Vec<_> = filter.words().flat_map(segment::buckets_of).collect();
    buckets.extend(filter.has_description.map(segment::bucket_of_description));
    if buckets.is_empty() {
        return Ok(Candidates::Some(Vec::new()));
    }
    buckets.sort_unstable();
    buckets.dedup();
    let buckets: Vec<_> = buckets.into_iter().map(|bucket| i32::try_from(bucket).unwrap_or(i32::MAX)).collect();
    let hits = hits(conn, buckets).await?;
    let all = hits.iter().map(|(_, positions)| positions.len()).sum::<usize>() <= MOST_BY_TEXT;
    let mut ids = ids_of(conn, hits).await?;
    if !all {
        return Ok(Candidates::Some(ascending(ids)));
    }
    // Those that are not indexed yet are looked at, all of them.
    let unindexed: Vec<Vec<u8>> = search_segments::table
        .filter(search_segments::lists_bytes.is_null().and(search_segments::has_text))
        .select(search_segments::ids)
        .load(conn)
        .await?;
    ids.extend(unindexed.iter().flat_map(|ids| packing::unpack_ids(ids)));
    Ok(Candidates::All(ascending(ids)))
}

/// The segments in which products are listed in all of these buckets, and where; more than [`MOST_BY_TEXT`] are not all.
async fn hits(conn: &mut AsyncPgConnection, buckets: Vec<i32>) -> QueryResult<Vec<(i64, Vec<u32>)>> {
    let query = diesel::sql_query(lists_sql()).bind::<Array<Integer>, _>(buckets).bind::<Integer, _>(LISTS);
    // One by one: the server reads the next segment meanwhile.
    let mut segments = query.load_stream::<Listed>(conn).await?;
    let (mut hits, mut count) = (Vec::new(), 0);
    while let Some(Listed { id, rows, lists }) = segments.try_next().await? {
        let positions = segment::intersect(&mut lists.unwrap_or_default(), usize::try_from(rows).unwrap_or_default());
        count += positions.len();
        hits.push((id, positions));
        if count > MOST_BY_TEXT {
            break;
        }
    }
    hits.retain(|(_, positions)| !positions.is_empty());
    Ok(hits)
}

/// The products at some positions of segments.
async fn ids_of(conn: &mut AsyncPgConnection, mut hits: Vec<(i64, Vec<u32>)>) -> QueryResult<Vec<i64>> {
    hits.sort_unstable_by_key(|(id, _)| *id);
    let packed: Vec<Vec<u8>> = search_segments::table
        .filter(search_segments::id.eq_any(hits.iter().map(|(id, _)| *id)))
        .select(search_segments::ids)
        .order(search_segments::id)
        .load(conn)
        .await?;
    Ok(hits.iter().zip(&packed).flat_map(|((_, positions), ids)| packing::ids_at(ids, positions)).collect())
}

/// In order, and each once.
fn ascending(mut ids: Vec<i64>) -> Vec<i64> {
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// The shortest lists of each segment in which none is empty: slices, by the directory, so that the rest is never read. Where
/// lists are missing, which nobody makes happen, all of the segment is looked at.
fn lists_sql() -> String {
    format!(
        "SELECT s.id, s.rows, l.lists \
         FROM search_segments s \
         CROSS JOIN LATERAL ( \
             SELECT \
                 array_agg(substring(lists FROM first + 1 FOR size)) AS lists, \
                 min(size) AS shortest \
             FROM ( \
                 SELECT part.lists, first, behind - first AS size \
                 FROM unnest($1) AS bucket \
                 CROSS JOIN LATERAL ( \
                     SELECT lists, substring(directory FROM 4 * (bucket % {BUCKETS_PER_PART}) + 1 FOR 8) AS entry \
                     FROM search_lists WHERE segment_id = s.id AND part = bucket / {BUCKETS_PER_PART} OFFSET 0 \
                 ) AS part \
                 CROSS JOIN LATERAL (SELECT \
                     get_byte(entry, 0) * 16777216 + get_byte(entry, 1) * 65536 + get_byte(entry, 2) * 256 + get_byte(entry, 3) AS first, \
                     get_byte(entry, 4) * 16777216 + get_byte(entry, 5) * 65536 + get_byte(entry, 6) * 256 + get_byte(entry, 7) AS behind \
                 ) AS place \
                 ORDER BY size LIMIT $2 \
             ) AS shortest_lists \
         ) AS l \
         WHERE s.lists_bytes IS NOT NULL AND l.shortest IS DISTINCT FROM 0"
    )
}

/// The inactive products, unless they are many.
async fn inactive(conn: &mut AsyncPgConnection) -> QueryResult<Option<Vec<i64>>> {
    let ids: Vec<i64> = products::table
        .filter(diesel::dsl::not(products::active))
        .select(products::id)
        .order(products::id)
        .limit(MOST_BY_KEY + 1)
        .load(conn)
        .await?;
    Ok(few(ids))
}

fn few(ids: Vec<i64>) -> Option<Vec<i64>> {
    i64::try_from(ids.len()).is_ok_and(|count| count <= MOST_BY_KEY).then_some(ids)
}

/// Whether `filter` asks for times or an import, which stand in `search_keys`.
pub fn has_range(filter: &ProductFilter) -> bool {
    let times = [filter.created_from, filter.created_to, filter.updated_from, filter.updated_to];
    filter.import.is_some() || times.iter().any(Option::is_some)
}

/// The rows of `search_keys` that `filter` leaves.
pub fn keys(filter: &ProductFilter) -> search_keys::BoxedQuery<'static, Pg> {
    let mut query = search_keys::table.into_boxed();
    macro_rules! narrow {
        ($value:expr, $column:ident, $is:ident) => {
            if let Some(value) = $value {
                query = query.filter(search_keys::$column.$is(value));
            }
        };
    }
    narrow!(filter.created_from, created_at, ge);
    narrow!(filter.created_to, created_at, lt);
    narrow!(filter.updated_from, updated_at, ge);
    narrow!(filter.updated_to, updated_at, lt);
    narrow!(filter.import, import_id, eq);
    query
}

/// By times and import, from `search_keys`.
async fn by_key(conn: &mut AsyncPgConnection, filter: &ProductFilter) -> QueryResult<Candidates> {
    let query = keys(filter).select(search_keys::product_id).limit(MOST_BY_KEY + 1);
    // In an order that an index has: else the table is read from its beginning, of which half may be out of range. The
    // latest first, since among older times there are more of what was changed again.
    let query = if filter.created_from.or(filter.created_to).is_some() {
        query.order(search_keys::created_at.desc())
    } else if filter.updated_from.or(filter.updated_to).is_some() {
        query.order(search_keys::updated_at.desc())
    } else {
        query.order(search_keys::product_id)
    };
    let mut ids: Vec<i64> = query.load(conn).await?;
    let whole = i64::try_from(ids.len()).is_ok_and(|count| count <= MOST_BY_KEY);
    let pending = if whole { pending(conn, filter, MOST_BY_KEY).await? } else { None };
    let candidates = if pending.is_some() { Candidates::All } else { Candidates::Some };
    ids.extend(pending.into_iter().flatten());
    Ok(candidates(ascending(ids)))
}

/// The products that match, perhaps, and that `search_keys` is behind of, unless they are more than `most`.
pub async fn pending(conn: &mut AsyncPgConnection, filter: &ProductFilter, most: i64) -> QueryResult<Option<Vec<i64>>> {
    let waiting = || {
        let mut query = search_segments::table.filter(diesel::dsl::not(search_segments::keyed)).into_boxed();
        // Of what imports have written, which may be much. Products of another import have that one by now.
        let by_hand = || search_segments::import_id.is_null();
        if let Some(import) = filter.import {
            query = query.filter(by_hand().or(search_segments::import_id.eq(import)));
        }
        // Who was written later was also changed later, and if it was created before, its keys tell.
        for to in [filter.created_to, filter.updated_to].into_iter().flatten() {
            query = query.filter(by_hand().or(search_segments::at.lt(to)));
        }
        query
    };
    let rows: Option<i64> = waiting().select(diesel::dsl::sum(search_segments::rows)).first(conn).await?;
    if rows.unwrap_or(0) > most {
        return Ok(None);
    }
    let packed: Vec<Vec<u8>> = waiting().select(search_segments::ids).load(conn).await?;
    Ok(Some(ascending(packed.iter().flat_map(|packed| packing::unpack_ids(packed)).collect())))
}
