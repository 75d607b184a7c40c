//! Search over millions of products while others write them.
//!
//! An index on the table itself makes every import pay for all searches: on two cores, 500,000 new products take 8 s without
//! one, 20 s with a trigram index on SKU and name, and 59 s with a trigram index on all texts; a B-tree on the name alone makes
//! a changed file a third slower, because its updates are no longer HOT. An index that is built after the import leaves half a
//! minute in which each keystroke reads half a million rows.
//!
//! So there are two indexes next to the table:
//!
//! * **Segments** (`search_segments`, `search_postings`; crate `trigram-index`). Each transaction that writes products adds one
//!   segment that names them; an import, which has their texts in memory, adds posting lists of their trigrams, about 130 bytes
//!   per product. The segment commits with the rows, so a product can be found by its current texts from the moment of the
//!   commit. Stale entries are harmless because every candidate row is checked (`query::filter`), but they cost time: the
//!   index is rebuilt when more than half of it is stale. Every search reads every segment, so small segments are merged.
//!   Single edits are not indexed at once: until some hundred have accumulated, every search reads them.
//! * **Sort keys** (`search_keys`): what lists are sorted and narrowed by, other than ids and SKUs, with the B-trees that an
//!   import must not wait for. They are written in the background. Until then, the products of a segment are read, sorted and
//!   merged into each list. The index lag is their number. It makes lists slower, never incomplete.
//!
//! [`index`] writes both, [`query`] reads them.
//!
//! # Advice for maintainers
//!
//! This module trades simplicity for writes that never wait and results that are never stale. Before you change it, check:
//!
//! 1. **Every write records a segment in its own transaction** ([`record_changes`], [`index_documents`]). A write without
//!    one is a product that cannot be found. Test: `any_search_filter_and_order_equals_a_plain_scan`.
//! 2. **A segment is only deleted when another segment or the sort keys cover its products** (`index::maintenance`), in one
//!    transaction. Test: `merging_and_rebuilding_the_index_loses_nothing`.
//! 3. **`query::filter` alone decides what matches.** Indexes only propose candidates. SQL's `search_fold` must not equate
//!    characters that `trigram_index::fold` distinguishes. Test: `sql_folds_no_more_than_the_index`.
//! 4. **Locks are taken in one order:** `products` before the tables of the index ([`lock_in_order`]). Emptying them waits
//!    for all readers. Test: `reading_indexing_and_deleting_everything_do_not_deadlock`.
//! 5. **All statements of a page read one snapshot**, so that a commit between them is not seen by half of them.
//!    Test: `paging_under_concurrent_writes_repeats_and_skips_no_untouched_product`.
//! 6. **A change of the segment format needs a new `trigram_index::FORMAT_VERSION`.** Segments of other versions are read
//!    product by product until maintenance has rebuilt them. Test: `segments_of_another_format_are_rebuilt`.

pub mod index;
pub mod query;

use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};

pub use index::{Document, Maintenance, index_documents, lag, record_changes, remove, truncate};
pub use query::{condition, count, count_in, find_after, page};

/// Locks the tables in the one order that does not deadlock with emptying them: that of the products first.
async fn lock_in_order(conn: &mut AsyncPgConnection) -> diesel::QueryResult<()> {
    conn.batch_execute("LOCK TABLE products IN ACCESS SHARE MODE").await
}
