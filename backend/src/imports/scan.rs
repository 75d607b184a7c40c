//! The first pass over a file: its number of rows, and which rows are followed by another row with the same SKU.
//!
//! So the progress bar has a true total from the start, and which row of a SKU is imported does not depend on where a batch
//! ends.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use anyhow::bail;
use csv_async::ByteRecord;
use shared::csv::FileFormat;
use tokio_util::sync::CancellationToken;

use crate::imports::{
    duplicates::{DuplicateFinder, Superseded},
    records::{Found, Records, Unreadable},
    rows,
};

/// Result of the scan.
pub struct Scan {
    /// Rows of the file without the header.
    pub rows: i64,
    pub superseded: Superseded,
}

/// Reads all of `records`, and updates `bytes_read` on the way. `None` when it was stopped.
pub async fn scan(
    mut records: Records<'_>,
    format: &FileFormat,
    bytes_read: &AtomicU64,
    stop: &CancellationToken,
) -> anyhow::Result<Option<Scan>> {
    let mut finder = DuplicateFinder::default();
    let mut record = ByteRecord::new();
    let mut rows: u32 = 0;
    loop {
        if rows.is_multiple_of(1024) {
            bytes_read.store(records.bytes_read(), Relaxed);
            if stop.is_cancelled() {
                return Ok(None);
            }
            tokio::task::yield_now().await;
        }
        let found = records.next(&mut record).await?;
        if matches!(found, Found::End) {
            break;
        }
        let Some(next) = rows.checked_add(1) else {
            bail!(Unreadable(format!("The file has more than {} rows. Import it in parts.", u32::MAX)))
        };
        rows = next;
        // A row that will be rejected does not supersede one that can be imported.
        if let Found::Record(_) = found
            && let Ok(fields) = rows::check(&record, format)
        {
            finder.add(&fields.sku_key(), rows);
            if finder.is_full() {
                let spilled = move || finder.spill().map(|()| finder);
                finder = tokio::task::spawn_blocking(spilled).await??;
            }
        }
    }
    bytes_read.store(records.bytes_read(), Relaxed);
    let superseded = tokio::task::spawn_blocking(move || finder.finish(rows)).await??;
    Ok(Some(Scan { rows: rows.into(), superseded }))
}
