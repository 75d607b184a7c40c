//! Which rows of a file are followed by another row with the same SKU, in bounded memory.
//!
//! An entry takes 12 bytes: a hash of the SKU and the number of its row. Entries are kept in buckets by hash; when
//! [`MAX_ENTRIES_IN_MEMORY`] are reached, all are appended to one temporary file per bucket. At the end one bucket after the
//! other is sorted. The result takes one bit per row.

use std::{
    fs::File,
    hash::{BuildHasher, RandomState},
    io::{BufReader, BufWriter, Read, Seek, Write},
};

/// Entries kept in memory, 12 bytes each. A file with at most as many rows needs no temporary files.
const MAX_ENTRIES_IN_MEMORY: usize = 4_000_000;
/// A power of two. A bucket of the largest possible file, 2^32 rows, has 67 million entries.
const BUCKETS: usize = 64;

/// Collects the SKUs of a file.
///
/// Two SKUs are considered equal if a 64-bit `SipHash` with a random key is equal: for 500,000 rows that is wrong once in
/// 150 million files, and no client can construct a file for which it is.
pub struct DuplicateFinder {
    hasher: RandomState,
    buckets: Vec<Bucket>,
    in_memory: usize,
    max_in_memory: usize,
}

#[derive(Default)]
struct Bucket {
    entries: Vec<Entry>,
    spilled: Option<BufWriter<File>>,
}

/// Hash of a SKU, high half first, and the number of a row that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry([u32; 3]);

impl Entry {
    #[expect(clippy::cast_possible_truncation, reason = "the two halves of the hash")]
    fn new(hash: u64, row: u32) -> Self {
        Self([(hash >> 32) as u32, hash as u32, row])
    }

    fn bucket(self) -> usize {
        self.0[0] as usize % BUCKETS
    }

    fn same_sku(self, other: Self) -> bool {
        self.0[..2] == other.0[..2]
    }

    fn write(self, file: &mut impl Write) -> std::io::Result<()> {
        self.0.iter().try_for_each(|part| file.write_all(&part.to_ne_bytes()))
    }

    fn read(file: &mut impl Read) -> std::io::Result<Self> {
        let mut parts = [0; 3];
        for part in &mut parts {
            let mut bytes = [0; 4];
            file.read_exact(&mut bytes)?;
            *part = u32::from_ne_bytes(bytes);
        }
        Ok(Self(parts))
    }
}

impl Default for DuplicateFinder {
    fn default() -> Self {
        Self::with_memory_for(MAX_ENTRIES_IN_MEMORY)
    }
}

impl DuplicateFinder {
    fn with_memory_for(max_in_memory: usize) -> Self {
        let buckets = std::iter::repeat_with(Bucket::default).take(BUCKETS).collect();
        Self { hasher: RandomState::new(), buckets, in_memory: 0, max_in_memory }
    }

    /// Adds the SKU key of a row. Rows come in the order of the file.
    pub fn add(&mut self, sku_key: &str, row: u32) {
        self.add_hash(self.hasher.hash_one(sku_key), row);
    }

    fn add_hash(&mut self, hash: u64, row: u32) {
        let entry = Entry::new(hash, row);
        self.buckets[entry.bucket()].entries.push(entry);
        self.in_memory += 1;
    }

    /// Whether [`Self::spill`] is to be called before the next row.
    pub fn is_full(&self) -> bool {
        self.in_memory >= self.max_in_memory
    }

    /// Moves all entries to temporary files (in `TMPDIR`). Blocks.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn spill(&mut self) -> std::io::Result<()> {
        for bucket in &mut self.buckets {
            let file = match &mut bucket.spilled {
                Some(file) => file,
                none => none.insert(BufWriter::new(tempfile::tempfile()?)),
            };
            for entry in bucket.entries.drain(..) {
                entry.write(file)?;
            }
        }
        self.in_memory = 0;
        Ok(())
    }

    /// Finds the rows, among `rows`, that are followed by another row with the same SKU. Blocks.
    ///
    /// # Errors
    /// When the temporary files cannot be read.
    pub fn finish(self, rows: u32) -> std::io::Result<Superseded> {
        let mut superseded = Superseded(vec![0; rows as usize / 64 + 1]);
        for bucket in self.buckets {
            let mut entries = bucket.entries;
            if let Some(writer) = bucket.spilled {
                let mut file = writer.into_inner().map_err(std::io::IntoInnerError::into_error)?;
                let spilled = file.stream_position()? / size_of::<Entry>() as u64;
                file.rewind()?;
                let mut file = BufReader::new(file);
                for _ in 0..spilled {
                    entries.push(Entry::read(&mut file)?);
                }
            }
            entries.sort_unstable();
            for pair in entries.windows(2).filter(|pair| pair[0].same_sku(pair[1])) {
                superseded.set(pair[0].0[2]);
            }
        }
        Ok(superseded)
    }
}

/// One bit per row of the file.
pub struct Superseded(Vec<u64>);

impl Superseded {
    fn set(&mut self, row: u32) {
        self.0[row as usize / 64] |= 1 << (row % 64);
    }

    /// Whether a later row that can be imported has the same SKU.
    pub fn contains(&self, row_no: i64) -> bool {
        let index = usize::try_from(row_no).unwrap_or(usize::MAX);
        self.0.get(index / 64).is_some_and(|word| word >> (index % 64) & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_rows_of_a_sku_but_the_last_are_superseded() {
        let mut finder = DuplicateFinder::default();
        for (row, hash) in (1..).zip([7, 9, 7, u64::MAX, 7, 9, 1 << 32]) {
            finder.add_hash(hash, row);
        }
        let superseded = finder.finish(7).expect("no files");
        let found: Vec<i64> = (1..=7).filter(|row| superseded.contains(*row)).collect();
        assert_eq!(found, [1, 2, 3]);
        assert!(!superseded.contains(1_000_000));
    }

    #[test]
    fn the_result_does_not_depend_on_what_is_spilled_to_files() {
        let rows = 10_000;
        let found = |max_in_memory: usize| {
            let mut finder = DuplicateFinder::with_memory_for(max_in_memory);
            for row in 1..=rows {
                if finder.is_full() {
                    finder.spill().expect("temporary files");
                }
                finder.add(&format!("sku-{}", row % 3_000), row);
            }
            let superseded = finder.finish(rows).expect("temporary files");
            (1..=i64::from(rows)).filter(|row| superseded.contains(*row)).count()
        };
        assert_eq!([found(usize::MAX), found(999), found(10_000)], [7_000, 7_000, 7_000]);
    }
}
