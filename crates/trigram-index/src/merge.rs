//! Merging segments into one.

use crate::{
    Block,
    postings::{List, pack_list, push_position},
};

/// Merges segments block by block.
pub struct Merger {
    /// The ids of the merged segment.
    ids: Vec<i64>,
    /// For each segment: the position in the merged segment of each of its documents.
    positions: Vec<Vec<u32>>,
}

impl Merger {
    /// Prepares to merge segments with these ids, each ascending.
    #[expect(clippy::stable_sort_primitive, reason = "it merges runs, and the segments are a few long runs")]
    pub fn new(segments: &[Vec<i64>]) -> Self {
        let mut ids = segments.concat();
        ids.sort();
        ids.dedup();
        let position = |id: &i64| u32::try_from(ids.partition_point(|other| other < id) + 1).unwrap_or(u32::MAX);
        let positions = segments.iter().map(|segment| segment.iter().map(position).collect()).collect();
        Self { ids, positions }
    }

    /// The ids of the merged segment, ascending.
    pub fn ids(&self) -> &[i64] {
        &self.ids
    }

    /// Merges the same block of each segment. A document that is in several segments is listed for the texts that it has in
    /// any of them.
    #[expect(clippy::stable_sort_primitive, reason = "it merges runs, and the segments are a few long runs")]
    pub fn block(&self, blocks: &[Block]) -> Block {
        let lists = (0..blocks.first().map_or(0, Block::buckets)).map(|bucket| {
            let mut all = Vec::new();
            for (block, positions) in blocks.iter().zip(&self.positions) {
                let list = List::of(block.list(bucket), positions.len()).positions().into_iter();
                all.extend(list.filter_map(|at| positions.get(usize::try_from(at).ok()?.checked_sub(1)?)));
            }
            all.sort();
            all.dedup();
            let (mut differences, mut last) = (Vec::with_capacity(all.len()), 0);
            for position in all {
                push_position(&mut differences, last, position);
                last = position;
            }
            pack_list(differences, self.ids.len())
        });
        Block::of(lists)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        BLOCKS, Builder,
        segment::tests::{find, flagged},
    };

    #[test]
    fn a_document_of_several_segments_is_found_by_all_its_texts() {
        let of = |documents: &[(i64, &'static str)]| {
            let mut builder = Builder::default();
            for (_, text) in documents {
                builder.document().text(text).flag(0);
            }
            (documents.iter().map(|(id, _)| *id).collect(), builder.finish())
        };
        let (ids, segments): (Vec<_>, Vec<_>) =
            [of(&[(2, "green tea"), (9, "cup")]), of(&[(1, "tea"), (7, "pot"), (9, "mug")]), of(&[(7, "tea pot")])]
                .into_iter()
                .unzip();
        let merger = Merger::new(&ids);
        assert_eq!(merger.ids(), [1, 2, 7, 9]);
        let mut segments: Vec<_> = segments.into_iter().map(Vec::into_iter).collect();
        let blocks: Vec<Block> = (0..BLOCKS)
            .map(|_| merger.block(&segments.iter_mut().filter_map(Iterator::next).collect::<Vec<_>>()))
            .collect();
        let find = |word| {
            let found = find(&blocks, 4, word).into_iter();
            found.map(|at| merger.ids()[usize::try_from(at).unwrap() - 1]).collect::<Vec<_>>()
        };
        assert_eq!(find("tea"), [1, 2, 7]);
        assert_eq!(find("pot"), [7]);
        assert_eq!((find("cup"), find("mug")), (vec![9], vec![9]));
        assert_eq!((flagged(&blocks, 4, 0).len(), flagged(&blocks, 4, 1).len()), (4, 0));
    }
}
