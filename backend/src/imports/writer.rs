//! Writes one partition: each batch is committed with its rejected rows, counts and checkpoint, or not at all.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use diesel::prelude::*;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use shared::{csv::Position, import::Counts};
use tokio::{sync::mpsc, time::timeout};

use crate::{
    app::App,
    imports::{
        claim::{Checkpoint, Claim},
        progress::Signals,
        queries::ImportFile,
        rows::{Row, RowError},
        upsert::{Outcome, Upsert, Written},
    },
    jobs::{
        JobError,
        lease::{self, Lease},
    },
    products,
    schema::{import_errors, import_partitions},
    telemetry::metrics,
};

/// Time for which a writer waits for its batch beyond the limit of the database: after it, the connection is presumed dead.
const ANSWER_MARGIN: Duration = Duration::from_secs(5);
/// Rejected rows of an import that are listed; further ones are only counted.
const MAX_LISTED: i64 = 1_000_000;
/// Rejected rows of an import that are listed with their text.
const MAX_LISTED_WITH_TEXT: i64 = 100_000;
/// Rejected rows per INSERT: seven parameters each, and PostgreSQL accepts 65,535.
const REJECTED_PER_INSERT: usize = 5_000;
/// Longest name of a column, and longest message, that are stored with a rejected row, in characters.
const MAX_REASON_CHARS: usize = 500;

/// Rows of one partition, up to row number `through` of the file.
#[derive(Default)]
pub struct Batch {
    /// Row of the file up to which the partition has been processed when the batch is committed.
    pub through: i64,
    rows: Vec<Row>,
    rejected: Vec<Rejected>,
    /// Rows that a later row supersedes.
    pub duplicates: i64,
    /// Bytes of text in `rows` and `rejected`.
    pub bytes: usize,
}

/// A row that cannot be imported.
pub struct Rejected {
    pub position: Position,
    pub error: RowError,
    /// The row as in the file, truncated; `None` where it is not to be stored.
    pub raw: Option<String>,
}

impl Batch {
    pub fn push(&mut self, row: Row) {
        self.bytes += row.len();
        self.rows.push(row);
    }

    pub fn reject(&mut self, mut rejected: Rejected) {
        truncate(&mut rejected.error.message);
        rejected.error.column.iter_mut().for_each(truncate);
        let column = rejected.error.column.as_ref().map_or(0, String::len);
        let raw = rejected.raw.as_ref().map_or(0, String::len);
        self.bytes += rejected.error.message.len() + column + raw;
        self.rejected.push(rejected);
    }

    /// Rows that it accounts for.
    pub fn len(&self) -> usize {
        self.rows.len() + self.rejected.len() + usize::try_from(self.duplicates).unwrap_or(usize::MAX)
    }

    /// Its result, given what was written.
    fn counts(&self, written: &Outcome) -> Counts {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let (rows, rejected) = (number(self.rows.len()), number(self.rejected.len()));
        Counts {
            read: rows + self.duplicates + rejected,
            created: written.created,
            updated: written.updated,
            unchanged: rows - written.created - written.updated,
            duplicates: self.duplicates,
            rejected,
        }
    }
}

fn truncate(text: &mut String) {
    if let Some((end, _)) = text.char_indices().nth(MAX_REASON_CHARS) {
        text.truncate(end);
        text.push('…');
    }
}

/// Writes the batches that arrive, in order, over one connection.
///
/// # Errors
/// [`JobError::Fenced`] when the claim is lost, [`JobError::Timeout`] when the connection is presumed dead. What was
/// committed stays committed.
pub async fn write(
    app: &App,
    claim: &Claim,
    file: &ImportFile,
    checkpoint: Checkpoint,
    signals: &Signals,
    mut batches: mpsc::Receiver<Batch>,
) -> anyhow::Result<()> {
    let mut conn = app.pool.get().await.map_err(JobError::from)?;
    let mut upsert = Upsert::of(claim.import.id, &file.format.mapping);
    let partitions = i64::try_from(claim.checkpoints.len())?;
    let limit = app.config.import_batch_timeout();
    let mut partition = Partition { lease: claim.lease, limit, partitions, checkpoint };
    while let Some(mut batch) = batches.recv().await {
        // One order for all: two imports of the same products wait for each other, but never in a cycle.
        batch.rows.sort_unstable_by(|left, right| left.sku_key.cmp(&right.sku_key));
        partition.limit_listed(&mut batch);
        let written = loop {
            match timeout(limit + ANSWER_MARGIN, partition.commit(&mut conn, &batch, &upsert)).await {
                // Rolled back; the next statement does not expect the same.
                Ok(Err(error)) if upsert.expected_only_new(&error) => {}
                Ok(result) => break result?,
                Err(_) => {
                    conn.close();
                    return Err(JobError::Timeout(limit + ANSWER_MARGIN).into());
                }
            }
        };
        let counts = batch.counts(&written);
        metrics::rows_committed(&counts);
        signals.load_steps.fetch_add(1, Relaxed);
        upsert.adapt(written, batch.rows.len());
        partition.checkpoint.rows_done = batch.through;
        partition.checkpoint.rejected += counts.rejected;
    }
    Ok(())
}

/// A partition, and the right to move its checkpoint.
struct Partition {
    lease: Lease,
    /// Limit of each statement.
    limit: Duration,
    /// Number of partitions of the import.
    partitions: i64,
    checkpoint: Checkpoint,
}

impl Partition {
    /// Leaves out the text of rejected rows beyond [`MAX_LISTED_WITH_TEXT`].
    fn limit_listed(&self, batch: &mut Batch) {
        let with_text = self.room_for(MAX_LISTED_WITH_TEXT);
        batch.rejected.iter_mut().skip(with_text).for_each(|rejected| rejected.raw = None);
    }

    /// Further rejected rows of this partition, so that those of the import are at most about `max`.
    fn room_for(&self, max: i64) -> usize {
        usize::try_from(max / self.partitions - self.checkpoint.rejected).unwrap_or(0)
    }

    async fn commit(&self, conn: &mut AsyncPgConnection, batch: &Batch, upsert: &Upsert) -> anyhow::Result<Outcome> {
        let (id, checkpoint) = (self.lease.id, &self.checkpoint);
        conn.transaction(async |conn| {
            lease::limit_statements(conn, self.lease.duration, self.limit).await?;
            // A crash of the database may lose the latest batches, together with their checkpoints; they are then written
            // again. The events that report them are committed with a flush, which covers them as well.
            conn.batch_execute("SET LOCAL synchronous_commit = off").await?;
            let products = upsert.write(conn, &batch.rows).await?;
            index_texts(conn, id, &batch.rows, &products).await?;
            let written = Outcome::of(&products);
            let listed = batch.rejected.len().min(self.room_for(MAX_LISTED));
            list_rejected(conn, id, &batch.rejected[..listed]).await?;
            let counts = batch.counts(&written);
            let moved = diesel::update(import_partitions::table.find((id, checkpoint.partition_no)))
                .filter(import_partitions::epoch.eq(self.lease.epoch))
                .filter(import_partitions::rows_done.eq(checkpoint.rows_done))
                .set((
                    import_partitions::rows_done.eq(batch.through),
                    import_partitions::created.eq(import_partitions::created + written.created),
                    import_partitions::updated.eq(import_partitions::updated + written.updated),
                    import_partitions::unchanged.eq(import_partitions::unchanged + counts.unchanged),
                    import_partitions::duplicates.eq(import_partitions::duplicates + batch.duplicates),
                    import_partitions::rejected.eq(import_partitions::rejected + counts.rejected),
                ))
                .execute(conn)
                .await?;
            if moved == 1 { Ok(written) } else { Err(JobError::Fenced.into()) }
        })
        .await
    }
}

/// Lets searches find the written products by their new texts, from the commit on.
async fn index_texts(
    conn: &mut AsyncPgConnection,
    import_id: i64,
    rows: &[Row],
    products: &[Written],
) -> QueryResult<()> {
    let mut at = 0;
    let mut texts = Vec::with_capacity(products.len());
    for product in products {
        // They are returned in the order of the batch, in practice, but this is not guaranteed.
        if rows.get(at).is_none_or(|row| row.sku_key != product.sku_key) {
            let found = rows.binary_search_by(|row| row.sku_key.as_str().cmp(&product.sku_key));
            at = found.map_err(|_| diesel::result::Error::NotFound)?;
        }
        let row = &rows[at];
        texts.push(products::Document {
            id: product.id,
            sku: &row.sku,
            name: &row.name,
            description: product.description.as_ref().unwrap_or(&row.description),
            attributes: product.attributes.as_deref().or(row.attributes.as_deref()),
        });
        at += 1;
    }
    products::index_documents(conn, import_id, texts).await
}

async fn list_rejected(conn: &mut AsyncPgConnection, import_id: i64, rejected: &[Rejected]) -> QueryResult<()> {
    for rows in rejected.chunks(REJECTED_PER_INSERT) {
        let values: Vec<_> = rows
            .iter()
            .map(|row| {
                (
                    import_errors::import_id.eq(import_id),
                    import_errors::row_no.eq(row.position.row_no),
                    import_errors::line.eq(row.position.line),
                    import_errors::column.eq(row.error.column.as_deref()),
                    import_errors::code.eq(row.error.code.as_str()),
                    import_errors::message.eq(&row.error.message),
                    import_errors::raw.eq(row.raw.as_deref()),
                )
            })
            .collect();
        diesel::insert_into(import_errors::table).values(values).execute(conn).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use shared::import::RowErrorCode;

    use super::*;

    fn rejected(message: &str, column: &str) -> Rejected {
        let error = RowError { column: Some(column.into()), code: RowErrorCode::TooLong, message: message.into() };
        Rejected { position: Position { row_no: 1, line: 2 }, error, raw: Some("x".repeat(100)) }
    }

    #[test]
    fn rejected_rows_count_against_the_bytes_of_a_batch_and_their_reasons_are_truncated() {
        let mut batch = Batch::default();
        batch.reject(rejected(&"é".repeat(60_000), &"c".repeat(60_000)));
        assert_eq!(batch.bytes, 100 + (2 * MAX_REASON_CHARS + 3) + (MAX_REASON_CHARS + 3));
        batch.reject(rejected("short", "sku"));
        assert_eq!(batch.rejected[1].error.message, "short");
    }
}
