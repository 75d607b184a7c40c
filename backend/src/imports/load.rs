//! The second pass over a file: its rows are partitioned by SKU, and each partition has a writer.

use std::{sync::atomic::Ordering::Relaxed, time::Instant};

use csv_async::ByteRecord;
use futures_util::future::try_join_all;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    app::App,
    imports::{
        claim::Claim,
        progress::Signals,
        queries::ImportFile,
        records::{Found, Records},
        rows,
        scan::Scan,
        writer::{self, Batch, Rejected},
    },
};

/// Text that a batch may hold, in bytes: bounds memory for files with long descriptions, or with long rejected rows.
const MAX_BATCH_BYTES: usize = 4 << 20;
/// Batches that wait for a writer while it writes another one, so that it never waits for the reader.
const BATCHES_AHEAD: usize = 1;
/// Halvings of the batch size after interruptions: a batch that was too large for a slow database is written in parts.
const MAX_HALVINGS: u32 = 3;

/// Whether the end of the file was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loaded {
    Whole,
    /// Stopped, or out of time; each partition is at its checkpoint.
    Part,
}

/// Loads what the checkpoints of `claim` leave to do, until `stop` or `deadline`.
pub async fn load(
    app: &App,
    claim: &Claim,
    file: &ImportFile,
    scan: &Scan,
    signals: &Signals,
    stop: &CancellationToken,
    deadline: Instant,
) -> anyhow::Result<Loaded> {
    let records = Records::open(&app.storage, &file.object_key, &file.format).await?;
    let mut senders = Vec::new();
    let mut writers = Vec::new();
    for checkpoint in &claim.checkpoints {
        let (sender, batches) = mpsc::channel(BATCHES_AHEAD);
        senders.push(sender);
        writers.push(writer::write(app, claim, file, *checkpoint, signals, batches));
    }
    let halvings = claim.import.interruptions.unsigned_abs().min(MAX_HALVINGS);
    let batch_rows = usize::try_from(app.config.import_batch_rows >> halvings)?.max(1);
    let partitioner = Partitioner { claim, file, scan, signals, batch_rows, senders, batches: Vec::new() };
    // Reading and writing are one future: when a writer fails, reading ends with it, and nothing is left behind.
    let (loaded, _) = tokio::try_join!(partitioner.run(records, stop, deadline), try_join_all(writers))?;
    Ok(loaded)
}

struct Partitioner<'a> {
    claim: &'a Claim,
    file: &'a ImportFile,
    scan: &'a Scan,
    signals: &'a Signals,
    batch_rows: usize,
    senders: Vec<mpsc::Sender<Batch>>,
    /// By partition, the batch that is being filled.
    batches: Vec<Batch>,
}

impl Partitioner<'_> {
    async fn run(
        mut self,
        mut records: Records<'_>,
        stop: &CancellationToken,
        deadline: Instant,
    ) -> anyhow::Result<Loaded> {
        self.batches.resize_with(self.senders.len(), Batch::default);
        let mut record = ByteRecord::new();
        let mut last_row = 0;
        loop {
            if last_row % 256 == 0 {
                self.signals.load_steps.fetch_add(1, Relaxed);
                if stop.is_cancelled() || Instant::now() >= deadline {
                    return Ok(Loaded::Part);
                }
            }
            let partition = match records.next(&mut record).await? {
                Found::End => break,
                Found::Malformed(position, error, raw) => {
                    last_row = position.row_no;
                    self.reject(Rejected { position, error, raw: Some(raw) })
                }
                Found::Record(position) => {
                    last_row = position.row_no;
                    match rows::check(&record, &self.file.format) {
                        Ok(fields) => self.accept(fields, position.row_no),
                        Err(error) => {
                            let raw = rows::excerpt(records.raw());
                            self.reject(Rejected { position, error, raw: Some(raw) })
                        }
                    }
                }
            };
            let batch = &self.batches[partition];
            if batch.len() >= self.batch_rows || batch.bytes >= MAX_BATCH_BYTES {
                self.send(partition, last_row).await;
            }
        }
        // Every partition has then processed the whole file, also one without any of the last rows.
        for partition in 0..self.senders.len() {
            self.send(partition, last_row).await;
        }
        Ok(Loaded::Whole)
    }

    /// Whether the row is beyond the checkpoint of its partition.
    fn is_new(&self, partition: usize, row_no: i64) -> bool {
        row_no > self.claim.checkpoints[partition].rows_done
    }

    /// Adds a row to the batch of its partition. Returns the partition.
    fn accept(&mut self, fields: rows::Fields<'_>, row_no: i64) -> usize {
        let key = fields.sku_key();
        let partition = partition_of(&key, self.batches.len());
        if self.is_new(partition, row_no) {
            if self.scan.superseded.contains(row_no) {
                self.batches[partition].duplicates += 1;
            } else {
                self.batches[partition].push(fields.into_row(key, &self.file.format.mapping));
            }
        }
        partition
    }

    /// Adds a rejected row to the batch of a partition. Returns the partition.
    fn reject(&mut self, rejected: Rejected) -> usize {
        let row_no = rejected.position.row_no;
        let partition = usize::try_from(row_no).unwrap_or_default() % self.batches.len();
        if self.is_new(partition, row_no) {
            self.batches[partition].reject(rejected);
        }
        partition
    }

    async fn send(&mut self, partition: usize, through: i64) {
        if !self.is_new(partition, through) {
            return;
        }
        let mut batch = std::mem::take(&mut self.batches[partition]);
        batch.through = through;
        // A writer that is gone has failed, and its error ends this future.
        let _ = self.senders[partition].send(batch).await;
    }
}

/// The partition of a SKU: FNV-1a, mixed once more, since its bits are uneven for short keys that are very similar. It is the
/// same on every machine and in every version: a half-done import depends on it.
fn partition_of(sku_key: &str, partitions: usize) -> usize {
    let fnv = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let mut hash = sku_key.bytes().fold(0xcbf2_9ce4_8422_2325, fnv);
    hash = (hash ^ (hash >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    hash ^= hash >> 32;
    usize::try_from(hash % partitions as u64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_the_same_in_every_version_and_of_equal_size() {
        assert_eq!(partition_of("lay-raise-best-end", 1_000), 152);
        for partitions in 1..=4 {
            let mut share = vec![0; partitions];
            for n in 0..10_000 {
                share[partition_of(&format!("sku-{n}"), partitions)] += 1;
            }
            assert!(share.iter().all(|rows| rows * partitions > 9_000), "{share:?}");
        }
    }
}
