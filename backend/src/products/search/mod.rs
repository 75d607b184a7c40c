//! Finding products among millions, while others write them.
//!
//! An index on the table itself makes an import pay for every search that may come: on two cores, 500,000 new products
//! take 8 s without, 20 s with a trigram index on SKU and name, 59 s with one on all texts; a B-tree on the name alone
//! makes a changed file a third slower, since its updates are no longer HOT. An index that is built when the import is
//! over leaves half a minute in which half a million rows would have to be read for each key that is pressed.
//!
//! So there are two, beside the table:
//!
//! * **`search_segments`**: each transaction that writes products adds one row that names them, and an import, which has
//!   their texts at hand, adds to it lists of the products by their trigrams (`segment`, `search_lists`), made in memory:
//!   some 130 bytes a product. It commits with the rows, so there is no moment at which a product cannot
//!   be found by what it is. A segment is never changed. What is out of date in it does no harm, since every candidate is
//!   read and looked at (`filter`); it costs, so the whole is written anew now and then (`tend`). A search asks each
//!   segment, so many become one (`merge`). Changes by hand are not
//!   indexed at once: until some hundred have come together, every search reads them.
//! * **`search_keys`**: what lists are sorted and narrowed down by, beside ids and SKUs, with the B-trees that an import
//!   must not wait for. It follows in the background (`tend`). Products of segments that are not sorted in yet are
//!   *pending*: they are read, sorted and merged into the list (`order`). Many of them make that slower, never incomplete.
//!   Beside it stand bounds of its times and imports (`zones`), by which a list by id skips what is out of range.
//!
//! `candidates` asks the indexes, `order` reads the matches in their order, `page` puts a page together.

mod candidates;
mod filter;
mod merge;
mod order;
mod packing;
mod page;
mod segment;
mod tend;
mod zones;

use diesel::{
    dsl,
    prelude::*,
    sql_types::{Array, BigInt, Binary, Integer},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use shared::search::ProductFilter;

pub use filter::condition;
pub use page::{Page, page};

use segment::{Part, Texts};
pub use tend::Tender;

use crate::{
    app::App,
    db::prepared,
    http::{ApiError, ApiResult},
    products::row::ProductRow,
    schema::{products, search_keys, search_lists, search_segments},
};

/// Notes, in the transaction that changes them, that these products were written. `text` tells whether SKU, name or
/// description may be others than before. Every change must be noted, or the product is not found by what it is now.
pub async fn note(conn: &mut AsyncPgConnection, ids: &[i64], text: bool) -> QueryResult<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids.dedup();
    diesel::insert_into(search_segments::table)
        .values((
            search_segments::ids.eq(packing::pack_ids(&ids)),
            search_segments::rows.eq(i32::try_from(ids.len()).unwrap_or(i32::MAX)),
            search_segments::has_text.eq(text),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// The same for products that an import has written. Their texts are at hand, so they are indexed at once.
pub async fn note_texts(
    conn: &mut AsyncPgConnection,
    import_id: i64,
    products: Vec<(i64, Texts<'_>)>,
) -> QueryResult<()> {
    insert_indexed(conn, products, Some(import_id)).await
}

/// A segment of an import, or one that is made of others and sorted in, as they were.
async fn insert_indexed(
    conn: &mut AsyncPgConnection,
    mut products: Vec<(i64, Texts<'_>)>,
    import_id: Option<i64>,
) -> QueryResult<()> {
    if products.is_empty() {
        return Ok(());
    }
    products.sort_unstable_by_key(|(id, _)| *id);
    let ids: Vec<i64> = products.iter().map(|(id, _)| *id).collect();
    let parts = segment::index(products.into_iter().map(|(_, texts)| texts));
    let id = next_segment(conn).await?;
    insert_parts(conn, id, 0, &parts).await?;
    insert_segment(conn, id, &ids, parts.iter().map(|part| part.lists.len()).sum(), import_id).await
}

/// A segment whose lists stand under `id` already.
async fn insert_segment(
    conn: &mut AsyncPgConnection,
    id: i64,
    ids: &[i64],
    lists_bytes: usize,
    import_id: Option<i64>,
) -> QueryResult<()> {
    diesel::insert_into(search_segments::table)
        .values((
            search_segments::id.eq(id),
            search_segments::ids.eq(packing::pack_ids(ids)),
            search_segments::rows.eq(i32::try_from(ids.len()).unwrap_or(i32::MAX)),
            search_segments::has_text.eq(true),
            search_segments::lists_bytes.eq(i32::try_from(lists_bytes).unwrap_or(i32::MAX)),
            search_segments::keyed.eq(import_id.is_none()),
            search_segments::import_id.eq(import_id),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// Some parts of the index of a segment, from the one with the number `first` on.
async fn insert_parts(conn: &mut AsyncPgConnection, segment: i64, first: i32, parts: &[Part]) -> QueryResult<()> {
    let insert = "INSERT INTO search_lists (segment_id, part, directory, lists) \
        SELECT $1, $2 + number::integer - 1, directory, lists \
        FROM unnest($3, $4) WITH ORDINALITY AS part (directory, lists, number)";
    let column = |of: fn(&Part) -> &Vec<u8>| parts.iter().map(of).collect::<Vec<_>>();
    let insert = diesel::sql_query(insert)
        .bind::<BigInt, _>(segment)
        .bind::<Integer, _>(first)
        .bind::<Array<Binary>, _>(column(|part| &part.directory))
        .bind::<Array<Binary>, _>(column(|part| &part.lists));
    prepared(insert).execute(conn).await?;
    Ok(())
}

/// A number that no segment has.
async fn next_segment(conn: &mut AsyncPgConnection) -> QueryResult<i64> {
    let next = dsl::sql::<BigInt>("nextval(pg_get_serial_sequence('search_segments', 'id'))");
    diesel::select(next).get_result(conn).await
}

/// Deletes segments with all that belongs to them.
async fn delete_segments(conn: &mut AsyncPgConnection, segments: &[i64]) -> QueryResult<()> {
    diesel::delete(search_lists::table.filter(search_lists::segment_id.eq_any(segments))).execute(conn).await?;
    diesel::delete(search_segments::table.filter(search_segments::id.eq_any(segments))).execute(conn).await?;
    Ok(())
}

/// Forgets products, in the transaction that deletes them.
pub async fn forget(conn: &mut AsyncPgConnection, ids: &[i64]) -> QueryResult<()> {
    diesel::delete(search_keys::table.filter(search_keys::product_id.eq_any(ids))).execute(conn).await?;
    Ok(())
}

/// The products that match, in the order of their ids, from after `after`; at most `limit`. For what goes through all of
/// them in pieces: exports, changes of many.
pub async fn matching(
    conn: &mut AsyncPgConnection,
    filter: &ProductFilter,
    after: i64,
    limit: i64,
) -> QueryResult<Vec<ProductRow>> {
    ProductRow::query()
        .filter(products::id.gt(after))
        .filter(filter::condition(filter))
        .order(products::id)
        .limit(limit)
        .load(conn)
        .await
}

/// How many products match, exactly.
pub async fn count(app: &App, filter: &ProductFilter) -> ApiResult<i64> {
    let mut conn = app.db().await?;
    let mut transaction = conn.build_transaction().read_only().repeatable_read();
    let count = transaction.run(async |conn| {
        lock_in_order(conn).await?;
        let all = products::table.filter(filter::condition(filter));
        match candidates::candidates(conn, filter).await?.all() {
            Some(ids) => all.filter(products::id.eq_any(ids)).count().get_result(conn).await,
            None => all.count().get_result(conn).await,
        }
    });
    count.await.map_err(ApiError::from)
}

/// Everybody who needs both takes the table of the products before those of the indexes: else emptying them all, which
/// waits for each, could wait in a circle.
async fn lock_in_order(conn: &mut AsyncPgConnection) -> QueryResult<()> {
    conn.batch_execute("LOCK TABLE products IN ACCESS SHARE MODE").await
}

/// Changed products that are not yet in `search_keys` as they are now.
pub async fn pending(conn: &mut AsyncPgConnection) -> QueryResult<i64> {
    let rows: Option<i64> = search_segments::table
        .filter(dsl::not(search_segments::keyed))
        .select(dsl::sum(search_segments::rows))
        .first(conn)
        .await?;
    Ok(rows.unwrap_or(0))
}
