//! Writing the indexes: in the transactions that change products, and in the background.

mod maintenance;
mod merge;

use std::collections::BTreeMap;

use diesel::{
    dsl,
    prelude::*,
    sql_types::{Array, BigInt, Binary, Integer},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use trigram_index::{Block, Builder, FORMAT_VERSION, pack_ids};

pub use maintenance::Maintenance;

use crate::{
    db::prepared,
    schema::{search_keys, search_postings, search_segments},
};

/// The texts of a product that can be searched for.
pub struct Document<'a> {
    pub id: i64,
    pub sku: &'a str,
    pub name: &'a str,
    pub description: &'a str,
    /// JSON object of the attributes, if it has any.
    pub attributes: Option<&'a str>,
}

impl Document<'_> {
    fn add_to(&self, builder: &mut Builder) {
        builder.document().text(self.sku).text(self.name).text(self.description);
        builder.flag(description_flag(!self.description.is_empty()));
        if let Some(attributes) = self.attributes.filter(|attributes| *attributes != "{}") {
            // Attributes are written as an object of strings; the column's text is always one.
            let attributes: BTreeMap<String, String> = serde_json::from_str(attributes).unwrap_or_default();
            for value in attributes.values() {
                builder.text(value);
            }
        }
    }
}

/// The flag in a segment of products with, or without a description.
pub fn description_flag(has_description: bool) -> usize {
    usize::from(has_description)
}

/// Records, in the transaction that changes them, that these products were written. `has_text` says whether a text that can be
/// searched for may have changed.
pub async fn record_changes(conn: &mut AsyncPgConnection, ids: &[i64], has_text: bool) -> QueryResult<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids.dedup();
    diesel::insert_into(search_segments::table)
        .values((
            search_segments::ids.eq(pack_ids(&ids)),
            search_segments::rows.eq(i32::try_from(ids.len()).unwrap_or(i32::MAX)),
            search_segments::has_text.eq(has_text),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// Records products that an import has written, and indexes their texts at once.
pub async fn index_documents(
    conn: &mut AsyncPgConnection,
    import_id: i64,
    documents: Vec<Document<'_>>,
) -> QueryResult<()> {
    insert_indexed(conn, documents, Some(import_id)).await
}

/// Removes products from the sort keys, in the transaction that deletes them.
pub async fn remove(conn: &mut AsyncPgConnection, ids: &[i64]) -> QueryResult<()> {
    diesel::delete(search_keys::table.filter(search_keys::product_id.eq_any(ids))).execute(conn).await?;
    Ok(())
}

/// Empties the indexes, in the transaction that empties the table of products and has locked it.
pub async fn truncate(conn: &mut AsyncPgConnection) -> QueryResult<()> {
    conn.batch_execute("TRUNCATE search_segments, search_postings, search_keys").await
}

/// Returns the number of changed products whose sort keys are not up to date.
pub async fn lag(conn: &mut AsyncPgConnection) -> QueryResult<i64> {
    let rows: Option<i64> = search_segments::table
        .filter(dsl::not(search_segments::has_keys))
        .select(dsl::sum(search_segments::rows))
        .first(conn)
        .await?;
    Ok(rows.unwrap_or(0))
}

/// Inserts a segment with posting lists: of an import, or one that replaces others and has its sort keys already.
async fn insert_indexed(
    conn: &mut AsyncPgConnection,
    mut documents: Vec<Document<'_>>,
    import_id: Option<i64>,
) -> QueryResult<()> {
    if documents.is_empty() {
        return Ok(());
    }
    documents.sort_unstable_by_key(|document| document.id);
    let mut builder = Builder::default();
    for document in &documents {
        document.add_to(&mut builder);
    }
    let ids: Vec<i64> = documents.iter().map(|document| document.id).collect();
    let blocks = builder.finish();
    let id = next_segment_id(conn).await?;
    insert_blocks(conn, id, 0, &blocks).await?;
    insert_segment(conn, id, &ids, blocks.iter().map(|block| block.postings.len()).sum(), import_id).await
}

/// Inserts a segment whose blocks are already stored under `id`.
async fn insert_segment(
    conn: &mut AsyncPgConnection,
    id: i64,
    ids: &[i64],
    posting_bytes: usize,
    import_id: Option<i64>,
) -> QueryResult<()> {
    diesel::insert_into(search_segments::table)
        .values((
            search_segments::id.eq(id),
            search_segments::ids.eq(pack_ids(ids)),
            search_segments::rows.eq(i32::try_from(ids.len()).unwrap_or(i32::MAX)),
            search_segments::has_text.eq(true),
            search_segments::format.eq(FORMAT_VERSION),
            search_segments::posting_bytes.eq(i32::try_from(posting_bytes).unwrap_or(i32::MAX)),
            search_segments::has_keys.eq(import_id.is_none()),
            search_segments::import_id.eq(import_id),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// Inserts blocks of a segment; the first of them has the number `first`.
async fn insert_blocks(conn: &mut AsyncPgConnection, segment: i64, first: i32, blocks: &[Block]) -> QueryResult<()> {
    let insert = "INSERT INTO search_postings (segment_id, block, offsets, postings) \
        SELECT $1, $2 + number::integer - 1, offsets, postings \
        FROM unnest($3, $4) WITH ORDINALITY AS block (offsets, postings, number)";
    let column = |of: fn(&Block) -> &Vec<u8>| blocks.iter().map(of).collect::<Vec<_>>();
    let insert = diesel::sql_query(insert)
        .bind::<BigInt, _>(segment)
        .bind::<Integer, _>(first)
        .bind::<Array<Binary>, _>(column(|block| &block.offsets))
        .bind::<Array<Binary>, _>(column(|block| &block.postings));
    prepared(insert).execute(conn).await?;
    Ok(())
}

async fn next_segment_id(conn: &mut AsyncPgConnection) -> QueryResult<i64> {
    let next = dsl::sql::<BigInt>("nextval(pg_get_serial_sequence('search_segments', 'id'))");
    diesel::select(next).get_result(conn).await
}

/// Deletes segments with their blocks.
async fn delete_segments(conn: &mut AsyncPgConnection, segments: &[i64]) -> QueryResult<()> {
    diesel::delete(search_postings::table.filter(search_postings::segment_id.eq_any(segments))).execute(conn).await?;
    diesel::delete(search_segments::table.filter(search_segments::id.eq_any(segments))).execute(conn).await?;
    Ok(())
}
