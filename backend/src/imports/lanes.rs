//! Writing: each lane takes batches of its rows and commits each with its errors, counts and checkpoint, or not at all.

use diesel::{
    QueryableByName,
    prelude::*,
    sql_types::{Array, BigInt, Text},
};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use tokio::sync::mpsc;

use crate::{
    app::App,
    imports::{
        job::{Claim, Fenced},
        records::Place,
        rows::{Row, RowError},
    },
    schema::{import_errors, import_lanes},
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
    let mut rows_done = claim.rows_done[lane];
    let lane = i32::try_from(lane)?;
    let layout = claim.import.layout()?;
    let mut upsert = Upsert {
        descriptions: layout.description.is_some(),
        attributes: layout.extra().next().is_some(),
        look_first: false,
    };
    while let Some(mut batch) = batches.recv().await {
        // One order for all: two imports that touch the same products wait for each other, but never in a circle.
        batch.rows.sort_unstable_by(|left, right| left.sku_key.cmp(&right.sku_key));
        let unchanged = conn
            .transaction(async |conn| {
                // A crash of the database may lose the latest batches, together with their checkpoints; they are then
                // written again. The events that speak of them are committed with a flush, which covers them as well.
                conn.batch_execute("SET LOCAL synchronous_commit = off; SET LOCAL statement_timeout = '60s'").await?;
                let (created, updated) = write_rows(conn, &batch.rows, upsert).await?;
                record_errors(conn, claim.import.id, &batch.rejected).await?;
                let unchanged = i64::try_from(batch.rows.len())? - created - updated;
                let moved = diesel::update(import_lanes::table.find((claim.import.id, lane)))
                    .filter(import_lanes::epoch.eq(claim.import.epoch))
                    .filter(import_lanes::rows_done.eq(rows_done))
                    .set((
                        import_lanes::rows_done.eq(batch.through),
                        import_lanes::created.eq(import_lanes::created + created),
                        import_lanes::updated.eq(import_lanes::updated + updated),
                        import_lanes::unchanged.eq(import_lanes::unchanged + unchanged),
                        import_lanes::repeated.eq(import_lanes::repeated + batch.repeated),
                        import_lanes::rejected.eq(import_lanes::rejected + i64::try_from(batch.rejected.len())?),
                    ))
                    .execute(conn)
                    .await?;
                if moved == 1 { Ok(unchanged) } else { Err(anyhow::Error::from(Fenced)) }
            })
            .await?;
        rows_done = batch.through;
        // A file that was mostly known so far will be so for a while.
        upsert.look_first = usize::try_from(unchanged)? > batch.rows.len() / 2;
    }
    Ok(())
}

#[derive(QueryableByName)]
struct Written {
    #[diesel(sql_type = BigInt)]
    created: i64,
    #[diesel(sql_type = BigInt)]
    updated: i64,
}

/// What an upsert of a file says, and whether it expects to find most products as they are.
#[derive(Debug, Clone, Copy)]
struct Upsert {
    /// The file has descriptions; else they stay as they are.
    descriptions: bool,
    /// The file has extra columns; else attributes stay as they are.
    attributes: bool,
    /// Look rows up before they are written. `ON CONFLICT` locks each row that it meets, which writes to its page and to
    /// the log even where nothing changes; to look first spares that, and costs a little where most rows are new.
    look_first: bool,
}

impl Upsert {
    /// One array per column: Postgres takes at most 65,535 parameters, and plans a statement of five in no time.
    ///
    /// `xmax` is 0 on a row version that no update has made, which tells a new product from a changed one.
    fn sql(self) -> String {
        let mut columns = vec!["sku", "name"];
        columns.extend(self.descriptions.then_some("description"));
        columns.extend(self.attributes.then_some("attributes"));
        let list =
            |prefix: &str| columns.iter().map(|column| format!("{prefix}{column}")).collect::<Vec<_>>().join(", ");
        let (plain, old, new) = (list(""), list("p."), list("excluded."));
        let file = list("file.").replace("file.attributes", "file.attributes::jsonb");
        let join = if self.look_first {
            format!(
                "LEFT JOIN products p ON p.sku_key = file.sku_key WHERE p.id IS NULL OR ({old}) IS DISTINCT FROM ({file})"
            )
        } else {
            String::new()
        };
        format!(
            "WITH written AS ( \
                 INSERT INTO products AS p (sku_key, {plain}) \
                 SELECT file.sku_key, {file} \
                 FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) \
                     AS file (sku_key, sku, name, description, attributes) {join} \
                 ORDER BY file.sku_key COLLATE \"C\" \
                 ON CONFLICT (sku_key) DO UPDATE SET ({plain}, updated_at) = ROW ({new}, now()) \
                 WHERE ({old}) IS DISTINCT FROM ({new}) \
                 RETURNING p.xmax = 0 AS created \
             ) \
             SELECT count(*) FILTER (WHERE created) AS created, count(*) FILTER (WHERE NOT created) AS updated FROM written"
        )
    }
}

/// Writes `rows`, sorted and without repetition of a key; gives how many were created and how many changed.
async fn write_rows(conn: &mut AsyncPgConnection, rows: &[Row], upsert: Upsert) -> QueryResult<(i64, i64)> {
    if rows.is_empty() {
        return Ok((0, 0));
    }
    let column = |of: fn(&Row) -> &str| rows.iter().map(of).collect::<Vec<_>>();
    // A column that the file does not have is not read: an empty array spares its bytes.
    let descriptions = if upsert.descriptions { column(|row| &row.description) } else { Vec::new() };
    let attributes =
        if upsert.attributes { column(|row| row.attributes.as_deref().unwrap_or("{}")) } else { Vec::new() };
    let written: Written = diesel::sql_query(upsert.sql())
        .bind::<Array<Text>, _>(column(|row| &row.sku_key))
        .bind::<Array<Text>, _>(column(|row| &row.sku))
        .bind::<Array<Text>, _>(column(|row| &row.name))
        .bind::<Array<Text>, _>(descriptions)
        .bind::<Array<Text>, _>(attributes)
        .get_result(conn)
        .await?;
    Ok((written.created, written.updated))
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
