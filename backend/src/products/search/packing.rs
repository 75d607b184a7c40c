//! Ascending numbers in few bytes, as LEB128. Pure.

use std::ops::Range;

/// Ids, ascending and each once: for each run of neighbours how many are left out before it, and how long it is.
pub fn pack_ids(ids: &[i64]) -> Vec<u8> {
    let (mut bytes, mut end) = (Vec::new(), 0);
    for run in ids.chunk_by(|left, right| left + 1 == *right) {
        // The lowest bit tells whether a length follows: many runs are of one.
        push(&mut bytes, (run[0] - end).unsigned_abs() << 1 | u64::from(run.len() > 1));
        if run.len() > 1 {
            push(&mut bytes, u64::try_from(run.len() - 2).unwrap_or_default());
        }
        end = run[run.len() - 1] + 1;
    }
    bytes
}

/// The runs that [`pack_ids`] wrote.
fn runs(bytes: &[u8]) -> impl Iterator<Item = Range<i64>> {
    let (mut bytes, mut end) = (bytes.iter(), 0);
    std::iter::from_fn(move || {
        let head = next(&mut bytes)?;
        let length = if head & 1 == 1 { next(&mut bytes)? + 2 } else { 1 };
        let start = end + signed(head >> 1);
        end = start + signed(length);
        Some(start..end)
    })
}

/// The ids that [`pack_ids`] wrote.
pub fn unpack_ids(bytes: &[u8]) -> impl Iterator<Item = i64> {
    runs(bytes).flatten()
}

/// Those of them that stand at `positions`, which count from 1 and ascend.
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

/// Adds a position, which counts from 1, to a list in the making: by how much it is beyond the one before.
pub fn push_position(differences: &mut Vec<u8>, last: u32, position: u32) {
    push(differences, u64::from(position - last));
}

/// A finished list of positions in a segment of so many rows: the differences that [`push_position`] wrote, or a bit for each
/// row where that takes no more.
pub fn pack_list(differences: Vec<u8>, rows: usize) -> Vec<u8> {
    if differences.len() < rows.div_ceil(8) {
        return differences;
    }
    let mut bits = vec![0; rows.div_ceil(8)];
    for position in positions(&differences) {
        if let Some((byte, bit)) = place(&mut bits, position) {
            *byte |= bit;
        }
    }
    bits
}

fn place(bits: &mut [u8], position: u32) -> Option<(&mut u8, u8)> {
    let at = position.checked_sub(1)?;
    Some((bits.get_mut(usize::try_from(at / 8).ok()?)?, 1 << (at % 8)))
}

/// A list that [`pack_list`] wrote.
pub enum List<'a> {
    Differences(&'a [u8]),
    Bits(&'a [u8]),
}

impl<'a> List<'a> {
    /// That of a segment of so many rows.
    pub fn of(bytes: &'a [u8], rows: usize) -> Self {
        if bytes.len() < rows.div_ceil(8) { Self::Differences(bytes) } else { Self::Bits(bytes) }
    }

    /// All positions, ascending.
    pub fn positions(&self) -> Vec<u32> {
        match self {
            Self::Differences(bytes) => positions(bytes).collect(),
            Self::Bits(bytes) => {
                let bits = |(byte, start): (&u8, u32)| {
                    let byte = *byte;
                    (1..=8).filter(move |bit| byte & 1 << (bit - 1) != 0).map(move |bit| start + bit)
                };
                bytes.iter().zip((0..).step_by(8)).flat_map(bits).collect()
            }
        }
    }

    /// Removes from `common`, which ascends, what is not in this list.
    pub fn keep_in(&self, common: &mut Vec<u32>) {
        match self {
            Self::Differences(bytes) => keep_in(common, bytes),
            Self::Bits(bytes) => common.retain(|position| {
                let at = position.saturating_sub(1);
                let byte = usize::try_from(at / 8).ok().and_then(|byte| bytes.get(byte));
                byte.is_some_and(|byte| byte & 1 << (at % 8) != 0)
            }),
        }
    }
}

/// Most differences are of one byte, and a search goes through millions of them.
fn keep_in(common: &mut Vec<u32>, differences: &[u8]) {
    let (mut bytes, mut at, mut kept) = (differences.iter(), 0_u32, 0);
    'all: for read in 0..common.len() {
        let wanted = common[read];
        while at < wanted {
            let Some(&byte) = bytes.next() else { break 'all };
            at = at.wrapping_add(u32::from(byte & 0x7F));
            if byte & 0x80 != 0 {
                let Some(rest) = next(&mut bytes) else { break 'all };
                at = at.wrapping_add(u32::try_from(rest << 7).unwrap_or_default());
            }
        }
        if at == wanted {
            common[kept] = wanted;
            kept += 1;
        }
    }
    common.truncate(kept);
}

fn positions(differences: &[u8]) -> impl Iterator<Item = u32> {
    let (mut bytes, mut last) = (differences.iter(), 0_u32);
    std::iter::from_fn(move || {
        last = last.wrapping_add(u32::try_from(next(&mut bytes)?).ok()?);
        Some(last)
    })
}

fn push(bytes: &mut Vec<u8>, mut number: u64) {
    loop {
        let low = u8::try_from(number & 0x7F).unwrap_or_default();
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}

#[inline]
fn next<'a>(bytes: &mut impl Iterator<Item = &'a u8>) -> Option<u64> {
    let (mut number, mut shift) = (0_u64, 0);
    loop {
        let byte = bytes.next()?;
        number |= u64::from(byte & 0x7F) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_back() {
        for ids in [vec![], vec![0], vec![1, 2, 3, 300, 302, 303, 300_000, i64::MAX / 4]] {
            let packed = pack_ids(&ids);
            assert_eq!(unpack_ids(&packed).collect::<Vec<_>>(), ids);
            for (id, position) in ids.iter().zip(1..) {
                assert_eq!(ids_at(&packed, &[position]).collect::<Vec<_>>(), [*id]);
            }
            let all: Vec<u32> = (1..).take(ids.len()).collect();
            assert_eq!(ids_at(&packed, &all).collect::<Vec<_>>(), ids);
        }
        assert!(pack_ids(&(5..1_000_000).collect::<Vec<_>>()).len() < 8, "neighbours take nothing");
    }

    fn list(positions: &[u32], rows: usize) -> Vec<u8> {
        let (mut differences, mut last) = (Vec::new(), 0);
        for position in positions {
            push_position(&mut differences, last, *position);
            last = *position;
        }
        pack_list(differences, rows)
    }

    #[test]
    fn lists_are_read_back_and_compared() {
        let some = [1, 2, 8, 9, 300, 1_000];
        // As differences, and as a bit for each row.
        for (rows, bytes) in [(300_000, 8), (1_000, 8), (64, 8), (40, 5), (8, 1), (1, 1)] {
            let some: Vec<u32> = some.into_iter().filter(|at| usize::try_from(*at).unwrap() <= rows).collect();
            let packed = list(&some, rows);
            assert!(packed.len() <= bytes, "{packed:?}");
            let packed = List::of(&packed, rows);
            assert_eq!(packed.positions(), some, "among {rows}");
            for common in [vec![], some.clone(), vec![1, 3, 7, 8, 299, 300, 301, 1_001], vec![5]] {
                let kept: Vec<u32> = common.iter().copied().filter(|at| some.contains(at)).collect();
                let mut left = common.clone();
                packed.keep_in(&mut left);
                assert_eq!(left, kept, "of {common:?} among {rows}");
            }
        }
        assert!(List::of(&list(&[], 20), 20).positions().is_empty());
        let all: Vec<u32> = (1..=1_000).collect();
        assert_eq!(list(&all, 1_000).len(), 125);
    }
}
