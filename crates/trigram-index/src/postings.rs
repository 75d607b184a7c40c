//! Posting lists: ascending positions in a segment, which count from 1.
//!
//! A list is stored as the LEB128 differences of its positions or, where that takes no less space, as a bit set with one bit
//! per document. Which of the two it is follows from its length.

use crate::varint;

/// Appends a position to an unfinished list whose last position is `last`.
pub fn push_position(differences: &mut Vec<u8>, last: u32, position: u32) {
    varint::push(differences, u64::from(position - last));
}

/// Encodes a finished list of a segment of `documents`, given the differences that [`push_position`] wrote.
pub fn pack_list(differences: Vec<u8>, documents: usize) -> Vec<u8> {
    if differences.len() < documents.div_ceil(8) {
        return differences;
    }
    let mut bits = vec![0; documents.div_ceil(8)];
    for position in positions(&differences) {
        if let Some((byte, bit)) = bit_of(&mut bits, position) {
            *byte |= bit;
        }
    }
    bits
}

fn bit_of(bits: &mut [u8], position: u32) -> Option<(&mut u8, u8)> {
    let index = position.checked_sub(1)?;
    Some((bits.get_mut(usize::try_from(index / 8).ok()?)?, 1 << (index % 8)))
}

/// A list that [`pack_list`] wrote.
pub enum List<'a> {
    Differences(&'a [u8]),
    Bits(&'a [u8]),
}

impl<'a> List<'a> {
    /// Reads a list of a segment of `documents`.
    pub fn of(bytes: &'a [u8], documents: usize) -> Self {
        if bytes.len() < documents.div_ceil(8) { Self::Differences(bytes) } else { Self::Bits(bytes) }
    }

    /// Returns all positions, ascending.
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

    /// Removes from `common`, which ascends, the positions that are not in this list.
    pub fn retain_in(&self, common: &mut Vec<u32>) {
        match self {
            Self::Differences(bytes) => retain_in(common, bytes),
            Self::Bits(bytes) => common.retain(|position| {
                let index = position.saturating_sub(1);
                let byte = usize::try_from(index / 8).ok().and_then(|byte| bytes.get(byte));
                byte.is_some_and(|byte| byte & 1 << (index % 8) != 0)
            }),
        }
    }
}

/// Most differences take one byte, and a search reads millions of them.
fn retain_in(common: &mut Vec<u32>, differences: &[u8]) {
    let (mut bytes, mut position, mut kept) = (differences.iter(), 0_u32, 0);
    'all: for read in 0..common.len() {
        let wanted = common[read];
        while position < wanted {
            let Some(&byte) = bytes.next() else { break 'all };
            position = position.wrapping_add(u32::from(byte & 0x7F));
            if byte & 0x80 != 0 {
                let Some(rest) = varint::next(&mut bytes) else { break 'all };
                position = position.wrapping_add(u32::try_from(rest << 7).unwrap_or_default());
            }
        }
        if position == wanted {
            common[kept] = wanted;
            kept += 1;
        }
    }
    common.truncate(kept);
}

fn positions(differences: &[u8]) -> impl Iterator<Item = u32> {
    let (mut bytes, mut last) = (differences.iter(), 0_u32);
    std::iter::from_fn(move || {
        last = last.wrapping_add(u32::try_from(varint::next(&mut bytes)?).ok()?);
        Some(last)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(positions: &[u32], documents: usize) -> Vec<u8> {
        let (mut differences, mut last) = (Vec::new(), 0);
        for position in positions {
            push_position(&mut differences, last, *position);
            last = *position;
        }
        pack_list(differences, documents)
    }

    #[test]
    fn lists_survive_packing_and_are_intersected() {
        let some = [1, 2, 8, 9, 300, 1_000];
        // As differences, and as a bit set.
        for (documents, bytes) in [(300_000, 8), (1_000, 8), (64, 8), (40, 5), (8, 1), (1, 1)] {
            let some: Vec<u32> = some.into_iter().filter(|at| usize::try_from(*at).unwrap() <= documents).collect();
            let packed = list(&some, documents);
            assert!(packed.len() <= bytes, "{packed:?}");
            let packed = List::of(&packed, documents);
            assert_eq!(packed.positions(), some, "among {documents}");
            for common in [vec![], some.clone(), vec![1, 3, 7, 8, 299, 300, 301, 1_001], vec![5]] {
                let kept: Vec<u32> = common.iter().copied().filter(|at| some.contains(at)).collect();
                let mut left = common.clone();
                packed.retain_in(&mut left);
                assert_eq!(left, kept, "of {common:?} among {documents}");
            }
        }
        assert!(List::of(&list(&[], 20), 20).positions().is_empty());
        let all: Vec<u32> = (1..=1_000).collect();
        assert_eq!(list(&all, 1_000).len(), 125);
    }
}
