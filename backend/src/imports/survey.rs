//! The first pass over a file: how many rows it has, and which of them are followed by another row with the same SKU.
//!
//! So the bar has a true total from the start, and which row of a SKU wins does not depend on where a batch happens to
//! end. It takes 12 bytes a row while it runs and one bit a row afterwards.

use std::{
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use anyhow::bail;
use csv_async::ByteRecord;
use shared::detect::Layout;
use tokio_util::sync::CancellationToken;

use crate::imports::{
    records::{Found, Records, Unreadable},
    rows,
};

/// What the survey knows of the file.
pub struct Survey {
    /// Rows of the file without the header.
    pub rows: i64,
    superseded: Vec<u64>,
}

impl Survey {
    /// Whether a later row, one that can be imported, has the same SKU.
    pub fn is_superseded(&self, row_no: i64) -> bool {
        let index = usize::try_from(row_no).unwrap_or(usize::MAX);
        self.superseded.get(index / 64).is_some_and(|word| word >> (index % 64) & 1 == 1)
    }
}

/// Reads all of `records`; `bytes_read` is told how far it is. `None` when it was stopped.
///
/// Two SKUs are taken for one if a 64-bit `SipHash` with a random key agrees on them: for 500,000 rows that happens once in
/// 150 million files, and nobody can make a file for which it does.
pub async fn survey(
    mut records: Records,
    layout: &Layout,
    bytes_read: &AtomicU64,
    stop: &CancellationToken,
) -> anyhow::Result<Option<Survey>> {
    let hasher = RandomState::new();
    let mut seen = Vec::new();
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
            bail!(Unreadable(format!("The file has more than {} rows.", u32::MAX)))
        };
        rows = next;
        // A row that will be rejected does not supersede one that can be imported.
        if let Found::Record(_) = found
            && let Ok(fields) = rows::check(&record, layout)
        {
            seen.push(Seen::new(hasher.hash_one(fields.sku_key()), rows));
        }
    }
    bytes_read.store(records.bytes_read(), Relaxed);
    let superseded = tokio::task::spawn_blocking(move || superseded(seen, rows)).await?;
    Ok(Some(Survey { rows: rows.into(), superseded }))
}

/// Hash of a SKU and the row that has it, in 12 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Seen([u32; 3]);

impl Seen {
    #[expect(clippy::cast_possible_truncation, reason = "the two halves of the hash")]
    fn new(hash: u64, row: u32) -> Self {
        Self([(hash >> 32) as u32, hash as u32, row])
    }

    fn same_sku(&self, other: &Self) -> bool {
        self.0[..2] == other.0[..2]
    }
}

fn superseded(mut seen: Vec<Seen>, rows: u32) -> Vec<u64> {
    let mut bits = vec![0; rows as usize / 64 + 1];
    seen.sort_unstable();
    for pair in seen.windows(2).filter(|pair| pair[0].same_sku(&pair[1])) {
        let row = pair[0].0[2] as usize;
        bits[row / 64] |= 1 << (row % 64);
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_rows_of_a_sku_but_the_last_are_superseded() {
        let skus = [7, 9, 7, u64::MAX, 7, 9, 1 << 32];
        let seen = (1..).zip(skus).map(|(row, sku)| Seen::new(sku, row)).collect();
        let survey = Survey { rows: 7, superseded: superseded(seen, 7) };
        let found: Vec<i64> = (1..=7).filter(|row| survey.is_superseded(*row)).collect();
        assert_eq!(found, [1, 2, 3]);
        assert!(!survey.is_superseded(1_000_000));
    }
}
