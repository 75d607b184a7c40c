//! The second pass over a file: its rows are dealt to lanes by their SKU, and each lane writes its own.

use std::time::Instant;

use csv_async::ByteRecord;
use futures_util::future::try_join_all;
use shared::detect::Layout;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    app::App,
    imports::{
        job::Claim,
        lanes::{self, Batch, Rejected},
        records::{Found, Records},
        rows,
        survey::Survey,
    },
};

/// Text that a batch may hold, in bytes: bounds memory where descriptions are long.
const BATCH_BYTES: usize = 4 << 20;
/// Batches that wait for a lane while it writes another: the reader is then never the one that is waited for.
const BATCHES_AHEAD: usize = 1;

/// Whether the end of the file was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loaded {
    Whole,
    /// Stopped, or out of time; each lane is at its checkpoint.
    Part,
}

/// Loads what the checkpoints of `claim` leave to do, until `stop` or `deadline`.
pub async fn load(
    app: &App,
    claim: &Claim,
    layout: &Layout,
    survey: &Survey,
    stop: &CancellationToken,
    deadline: Instant,
) -> anyhow::Result<Loaded> {
    let import = &claim.import;
    let size_bytes = u64::try_from(import.size_bytes)?;
    let records = Records::open(&app.storage, &import.object_key, size_bytes, layout).await?;
    let mut senders = Vec::new();
    let mut writers = Vec::new();
    for lane in 0..claim.rows_done.len() {
        let (sender, batches) = mpsc::channel(BATCHES_AHEAD);
        senders.push(sender);
        writers.push(lanes::write(app, claim, lane, batches));
    }
    let batch_rows = usize::try_from(app.config.import_batch_rows)?;
    let dealer = Dealer { claim, layout, survey, batch_rows, senders, batches: Vec::new() };
    // Reading and writing are one future: when a lane fails, reading ends with it, and nothing is left behind.
    let (loaded, _) = tokio::try_join!(dealer.deal(records, stop, deadline), try_join_all(writers))?;
    Ok(loaded)
}

struct Dealer<'a> {
    claim: &'a Claim,
    layout: &'a Layout,
    survey: &'a Survey,
    batch_rows: usize,
    senders: Vec<mpsc::Sender<Batch>>,
    /// The batch of each lane that is being filled.
    batches: Vec<Batch>,
}

impl Dealer<'_> {
    async fn deal(
        mut self,
        mut records: Records,
        stop: &CancellationToken,
        deadline: Instant,
    ) -> anyhow::Result<Loaded> {
        self.batches.resize_with(self.senders.len(), Batch::default);
        let mut record = ByteRecord::new();
        let mut last_row = 0;
        loop {
            if last_row % 256 == 0 && (stop.is_cancelled() || Instant::now() >= deadline) {
                return Ok(Loaded::Part);
            }
            let lane = match records.next(&mut record).await? {
                Found::End => break,
                Found::Broken(place, error, raw) => {
                    last_row = place.row_no;
                    self.reject(Rejected { place, error, raw })
                }
                Found::Record(place) => {
                    last_row = place.row_no;
                    match rows::check(&record, self.layout) {
                        Ok(fields) => self.take(fields, place.row_no),
                        Err(error) => {
                            let raw = rows::excerpt(&record, self.layout.delimiter);
                            self.reject(Rejected { place, error, raw })
                        }
                    }
                }
            };
            let batch = &mut self.batches[lane];
            if batch.len() >= self.batch_rows || batch.bytes >= BATCH_BYTES {
                self.send(lane, last_row).await;
            }
        }
        // Every lane is done with the whole file, also one that the last rows did not touch.
        for lane in 0..self.senders.len() {
            self.send(lane, last_row).await;
        }
        Ok(Loaded::Whole)
    }

    fn take(&mut self, fields: rows::Fields<'_>, row_no: i64) -> usize {
        let key = fields.sku_key();
        let lane = lane_of(&key, self.batches.len());
        if row_no > self.claim.rows_done[lane] {
            let batch = &mut self.batches[lane];
            if self.survey.is_superseded(row_no) {
                batch.repeated += 1;
            } else {
                let row = fields.into_row(key, self.layout);
                batch.bytes += row.len();
                batch.rows.push(row);
            }
        }
        lane
    }

    fn reject(&mut self, rejected: Rejected) -> usize {
        let row_no = rejected.place.row_no;
        let lane = usize::try_from(row_no).unwrap_or_default() % self.batches.len();
        if row_no > self.claim.rows_done[lane] {
            self.batches[lane].rejected.push(rejected);
        }
        lane
    }

    async fn send(&mut self, lane: usize, through: i64) {
        if through <= self.claim.rows_done[lane] {
            return;
        }
        let mut batch = std::mem::take(&mut self.batches[lane]);
        batch.through = through;
        // A lane that has gone away has an error to tell, and it ends this future.
        let _ = self.senders[lane].send(batch).await;
    }
}

/// The lane of a SKU: FNV-1a, mixed once more, since the bits of FNV are uneven for short keys that are much alike. It is
/// the same on every machine and in every version: a half-done import depends on it.
fn lane_of(sku_key: &str, lanes: usize) -> usize {
    let fnv = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let mut hash = sku_key.bytes().fold(0xcbf2_9ce4_8422_2325, fnv);
    hash = (hash ^ (hash >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    hash ^= hash >> 32;
    usize::try_from(hash % lanes as u64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_do_not_change_between_versions_and_share_the_work() {
        assert_eq!(lane_of("lay-raise-best-end", 1_000), 152);
        for lanes in 1..=4 {
            let mut share = vec![0; lanes];
            for n in 0..10_000 {
                share[lane_of(&format!("sku-{n}"), lanes)] += 1;
            }
            assert!(share.iter().all(|rows| rows * lanes > 9_000), "{share:?}");
        }
    }
}
