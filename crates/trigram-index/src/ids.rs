//! The ids of a segment: ascending, distinct, and mostly consecutive.

use std::ops::Range;

use crate::varint;

/// Encodes ascending, distinct, non-negative ids. For each run of consecutive ids: the gap before it and its length.
pub fn pack_ids(ids: &[i64]) -> Vec<u8> {
    let (mut bytes, mut end) = (Vec::new(), 0);
    for run in ids.chunk_by(|left, right| left + 1 == *right) {
        // The lowest bit says whether a length follows: many runs consist of one id.
        varint::push(&mut bytes, (run[0] - end).unsigned_abs() << 1 | u64::from(run.len() > 1));
        if run.len() > 1 {
            varint::push(&mut bytes, u64::try_from(run.len() - 2).unwrap_or_default());
        }
        end = run[run.len() - 1] + 1;
    }
    bytes
}

fn runs(bytes: &[u8]) -> impl Iterator<Item = Range<i64>> {
    let (mut bytes, mut end) = (bytes.iter(), 0_i64);
    std::iter::from_fn(move || {
        let head = varint::next(&mut bytes)?;
        let length = if head & 1 == 1 { varint::next(&mut bytes)?.checked_add(2)? } else { 1 };
        let start = end.checked_add(i64::try_from(head >> 1).ok()?)?;
        end = start.checked_add(i64::try_from(length).ok()?)?;
        Some(start..end)
    })
}

/// Decodes the ids of [`pack_ids`].
pub fn unpack_ids(bytes: &[u8]) -> impl Iterator<Item = i64> {
    runs(bytes).flatten()
}

/// Decodes only the ids at `positions`, which ascend and count from 1.
pub fn ids_at(bytes: &[u8], positions: &[u32]) -> impl Iterator<Item = i64> {
    let (mut runs, mut run, mut before) = (runs(bytes), 0..0, 0);
    positions.iter().map_while(move |position| {
        let position = i64::from(*position);
        while position > before + run.end - run.start {
            before += run.end - run.start;
            run = runs.next()?;
        }
        Some(run.start + position - before - 1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_packing() {
        for ids in [vec![], vec![0], vec![1, 2, 3, 300, 302, 303, 300_000, i64::MAX / 4]] {
            let packed = pack_ids(&ids);
            assert_eq!(unpack_ids(&packed).collect::<Vec<_>>(), ids);
            for (id, position) in ids.iter().zip(1..) {
                assert_eq!(ids_at(&packed, &[position]).collect::<Vec<_>>(), [*id]);
            }
            let all: Vec<u32> = (1..).take(ids.len()).collect();
            assert_eq!(ids_at(&packed, &all).collect::<Vec<_>>(), ids);
        }
        assert!(pack_ids(&(5..1_000_000).collect::<Vec<_>>()).len() < 8, "consecutive ids take no space");
    }

    #[test]
    fn damaged_bytes_do_not_panic() {
        for bytes in
            [&[0xFF; 12][..], &[0x03, 0xFF, 0xFF], &[0x81, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F]]
        {
            assert!(ids_at(bytes, &[1, 2]).count() <= 2);
        }
    }
}
