//! Writing: each lane takes batches of its rows and commits each with its errors, counts and checkpoint, or not at all.

use diesel::prelude::*;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use shared::import::Counts;
use tokio::sync::mpsc;

use crate::{
    app::App,
    imports::{
        job::{Claim, Fenced},
        records::Place,
        rows::{Row, RowError},
        upsert::{Outcome, Upsert, Written},
    },
    products,
    schema::{import_errors, import_lanes},
    telemetry::metrics,
};

/// Rows of one lane, up to row number `through` of the file.
#[derive(Default)]
pub struct Batch {
    /// Row of the file up to which this lane is done when the batch is committed.
    pub through: i64,
    pub rows: Vec<Row>,
    pub rejected: Vec<Rejected>,
    /// Rows that a later row supersedes.
    pub repeated: i64,
    /// Bytes of text in `rows`.
    pub bytes: usize,
}

impl Batch {
    /// What became of its rows, by what was written.
    fn counts(&self, written: &Outcome) -> Counts {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let (rows, rejected) = (number(self.rows.len()), number(self.rejected.len()));
        Counts {
            read: rows + self.repeated + rejected,
            created: written.created,
            updated: written.updated,
            unchanged: rows - written.created - written.updated,
            repeated: self.repeated,
            rejected,
        }
    }
}

/// A row for `import_errors`.
pub struct Rejected {
    pub place: Place,
    pub error: RowError,
    pub raw: String,
}

impl Batch {
    /// Rows that it accounts for.
    pub fn len(&self) -> usize {
        self.rows.len() + self.rejected.len() + usize::try_from(self.repeated).unwrap_or(usize::MAX)
    }
}

/// Writes what comes in through `batches`, in order, over one connection.
///
/// # Errors
/// [`Fenced`] when another worker holds the import now; else trouble worth another try. What was committed is committed.
pub async fn write(app: &App, claim: &Claim, lane: usize, mut batches: mpsc::Receiver<Batch>) -> anyhow::Result<()> {
    let mut conn = app.pool.get().await?;
    let mut upsert = Upsert::of(claim.import.id, &claim.import.layout()?);
    let mut checkpoint = Checkpoint {
        import_id: claim.import.id,
        lane: i32::try_from(lane)?,
        epoch: claim.import.epoch,
        rows_done: claim.rows_done[lane],
    };
    while let Some(mut batch) = batches.recv().await {
        // One order for all: two imports that touch the same products wait for each other, but never in a circle.
        batch.rows.sort_unstable_by(|left, right| left.sku_key.cmp(&right.sku_key));
        let written = loop {
            match commit(&mut conn, claim, &batch, upsert, &checkpoint).await {
                // Rolled back; and it does not expect the same again.
                Err(error) if upsert.is_refuted_by(&error) => {}
                result => break result?,
            }
        };
        metrics::rows_committed(&batch.counts(&written));
        upsert.learn(written, batch.rows.len());
        checkpoint.rows_done = batch.through;
    }
    Ok(())
}

/// Where a lane stands, and who may move it.
struct Checkpoint {
    import_id: i64,
    lane: i32,
    epoch: i64,
    rows_done: i64,
}

async fn commit(
    conn: &mut AsyncPgConnection,
    claim: &Claim,
    batch: &Batch,
    upsert: Upsert,
    checkpoint: &Checkpoint,
) -> anyhow::Result<Outcome> {
    conn.transaction(async |conn| {
        claim.bound(conn).await?;
        // A crash of the database may lose the latest batches, together with their checkpoints; they are then written
        // again. The events that speak of them are committed with a flush, which covers them as well.
        conn.batch_execute("SET LOCAL synchronous_commit = off; SET LOCAL statement_timeout = '60s'").await?;
        let products = upsert.write(conn, &batch.rows).await?;
        note_texts(conn, checkpoint.import_id, &batch.rows, &products).await?;
        let written = Outcome::of(&products);
        record_errors(conn, checkpoint.import_id, &batch.rejected).await?;
        let counts = batch.counts(&written);
        let moved = diesel::update(import_lanes::table.find((checkpoint.import_id, checkpoint.lane)))
            .filter(import_lanes::epoch.eq(checkpoint.epoch))
            .filter(import_lanes::rows_done.eq(checkpoint.rows_done))
            .set((
                import_lanes::rows_done.eq(batch.through),
                import_lanes::created.eq(import_lanes::created + written.created),
                import_lanes::updated.eq(import_lanes::updated + written.updated),
                import_lanes::unchanged.eq(import_lanes::unchanged + counts.unchanged),
                import_lanes::repeated.eq(import_lanes::repeated + batch.repeated),
                import_lanes::rejected.eq(import_lanes::rejected + counts.rejected),
            ))
            .execute(conn)
            .await?;
        if moved == 1 { Ok(written) } else { Err(Fenced.into()) }
    })
    .await
}

/// Has the written products found by their new texts, from the moment of the commit on.
async fn note_texts(
    conn: &mut AsyncPgConnection,
    import_id: i64,
    rows: &[Row],
    products: &[Written],
) -> QueryResult<()> {
    let mut at = 0;
    let mut texts = Vec::with_capacity(products.len());
    for product in products {
        // They come back in the order of the batch, in practice, but nothing says that they must.
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

async fn record_errors(conn: &mut AsyncPgConnection, import_id: i64, rejected: &[Rejected]) -> QueryResult<()> {
    // Seven parameters a row, of which Postgres takes 65,535.
    for part in rejected.chunks(5_000) {
        let values: Vec<_> = part
            .iter()
            .map(|row| {
                (
                    import_errors::import_id.eq(import_id),
                    import_errors::row_no.eq(row.place.row_no),
                    import_errors::line.eq(row.place.line),
                    import_errors::column.eq(row.error.column.as_deref()),
                    import_errors::code.eq(row.error.code.as_str()),
                    import_errors::message.eq(&row.error.message),
                    import_errors::raw.eq(&row.raw),
                )
            })
            .collect();
        diesel::insert_into(import_errors::table).values(values).execute(conn).await?;
    }
    Ok(())
}
