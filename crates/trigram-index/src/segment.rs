//! Building a segment, and reading its lists.

use crate::{
    fold,
    postings::{List, pack_list, push_position},
};

/// Buckets of trigrams. A document of 170 characters has about 130 different trigrams, so a list names one document in
/// thirty. Three lists, as a word of five letters has, leave about one false positive in ten thousand documents.
const TRIGRAM_BUCKETS: usize = 4096;
/// Number of flags that a document may have. Each flag has a bucket after those of the trigrams.
pub const FLAGS: usize = 2;
const BUCKETS: usize = TRIGRAM_BUCKETS + FLAGS;
/// Buckets whose lists are stored together, so that merging segments needs only a part of them in memory.
pub const BUCKETS_PER_BLOCK: usize = 64;
/// Blocks of a segment.
pub const BLOCKS: usize = BUCKETS.div_ceil(BUCKETS_PER_BLOCK);

/// The posting lists of up to [`BUCKETS_PER_BLOCK`] consecutive buckets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Block {
    /// Where each list begins in `postings`, and where the last one ends: 4 bytes each, big-endian.
    pub offsets: Vec<u8>,
    /// The lists, one after the other.
    pub postings: Vec<u8>,
}

/// Collects the posting lists of a segment. Documents are added in the order of their ids.
pub struct Builder {
    /// The unfinished list of each bucket, and its last position.
    lists: Vec<(Vec<u8>, u32)>,
    documents: u32,
}

impl Default for Builder {
    fn default() -> Self {
        Self { lists: vec![(Vec::new(), 0); BUCKETS], documents: 0 }
    }
}

impl Builder {
    /// Begins the next document. Its texts and flags follow.
    pub fn document(&mut self) -> &mut Self {
        self.documents += 1;
        self
    }

    /// Adds a text of the current document.
    pub fn text(&mut self, text: &str) -> &mut Self {
        trigrams(text, |bucket| self.add(bucket));
        self
    }

    /// Adds a flag, less than [`FLAGS`], of the current document.
    pub fn flag(&mut self, flag: usize) -> &mut Self {
        self.add(flag_bucket(flag));
        self
    }

    fn add(&mut self, bucket: usize) {
        let (list, latest) = &mut self.lists[bucket];
        // A document is listed once, however often it has the trigram.
        if *latest != self.documents {
            push_position(list, *latest, self.documents);
            *latest = self.documents;
        }
    }

    /// Returns all [`BLOCKS`] of the segment.
    pub fn finish(self) -> Vec<Block> {
        let documents = usize::try_from(self.documents).unwrap_or(usize::MAX);
        let mut lists = self.lists.into_iter().map(|(list, _)| pack_list(list, documents));
        (0..BLOCKS).map(|_| Block::of(lists.by_ref().take(BUCKETS_PER_BLOCK))).collect()
    }
}

impl Block {
    pub(crate) fn of(lists: impl Iterator<Item = Vec<u8>>) -> Self {
        let mut block = Self::default();
        for list in lists {
            block.push_offset();
            block.postings.extend(list);
        }
        block.push_offset();
        block
    }

    fn push_offset(&mut self) {
        // Segments have at most some hundred thousand documents, and each is listed once.
        let end = u32::try_from(self.postings.len()).unwrap_or(u32::MAX);
        self.offsets.extend_from_slice(&end.to_be_bytes());
    }

    /// The list of a bucket, counted from the first bucket of this block.
    pub(crate) fn list(&self, bucket: usize) -> &[u8] {
        let offset = |entry: usize| {
            let bytes = self.offsets.get(4 * entry..4 * entry + 4).and_then(|bytes| bytes.try_into().ok());
            bytes.map_or(0, |bytes| usize::try_from(u32::from_be_bytes(bytes)).unwrap_or_default())
        };
        self.postings.get(offset(bucket)..offset(bucket + 1)).unwrap_or_default()
    }

    /// Number of buckets in this block.
    pub(crate) fn buckets(&self) -> usize {
        (self.offsets.len() / 4).saturating_sub(1)
    }
}

/// Returns the buckets in whose lists every document with `word` is; none for words of one or two characters.
pub fn buckets_of(word: &str) -> Vec<usize> {
    let mut buckets = Vec::new();
    trigrams(word, |bucket| buckets.push(bucket));
    buckets.sort_unstable();
    buckets.dedup();
    buckets
}

/// Returns the bucket of documents with a flag.
pub const fn flag_bucket(flag: usize) -> usize {
    TRIGRAM_BUCKETS + flag
}

/// Passes the bucket of each trigram of the folded text to `add`.
fn trigrams(text: &str, mut add: impl FnMut(usize)) {
    let (mut window, mut read) = (0_u64, 0_u32);
    fold(text, |c| {
        // Three characters of 21 bits.
        window = (window << 21 | u64::from(u32::from(c))) & ((1 << 63) - 1);
        read += 1;
        if read >= 3 {
            // The upper 12 bits of a product by the golden ratio (Knuth, volume 3, section 6.4).
            add(usize::try_from(window.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 52).unwrap_or_default());
        }
    });
}

/// Returns the positions, from 1, that are in each of `lists`, which are of one segment of `documents`; all positions if there
/// are no lists.
pub fn intersect(lists: &mut [Vec<u8>], documents: usize) -> Vec<u32> {
    // The shortest first: only its positions are looked up in the others.
    lists.sort_unstable_by_key(Vec::len);
    let mut lists = lists.iter().map(|list| List::of(list, documents));
    let Some(shortest) = lists.next() else { return (1..).take(documents).collect() };
    let mut common = shortest.positions();
    for list in lists {
        list.retain_in(&mut common);
    }
    common
}

#[cfg(test)]
pub mod tests {
    use super::*;

    fn build(documents: &[[&str; 3]]) -> Vec<Block> {
        let mut builder = Builder::default();
        for texts in documents {
            builder.document().flag(usize::from(!texts[2].is_empty()));
            for text in texts {
                builder.text(text);
            }
        }
        builder.finish()
    }

    fn lists(index: &[Block], buckets: Vec<usize>) -> Vec<Vec<u8>> {
        buckets
            .into_iter()
            .map(|bucket| index[bucket / BUCKETS_PER_BLOCK].list(bucket % BUCKETS_PER_BLOCK).to_vec())
            .collect()
    }

    pub fn find(index: &[Block], documents: usize, word: &str) -> Vec<u32> {
        intersect(&mut lists(index, buckets_of(word)), documents)
    }

    pub fn flagged(index: &[Block], documents: usize, flag: usize) -> Vec<u32> {
        intersect(&mut lists(index, vec![flag_bucket(flag)]), documents)
    }

    #[test]
    fn a_document_is_found_by_any_part_of_its_texts_in_any_form() {
        let documents = [["TEA-01", "Grüner Tee", ""], ["tea-02", "ΟΔΟΣ", "Lorem\nipsum"], ["x", "y", "z"]];
        let index = build(&documents);
        assert_eq!(index.len(), BLOCKS);
        for (word, found) in [
            ("tea-", vec![1, 2]),
            ("GRÜNER", vec![1]),
            ("gruner", vec![1]),
            ("gru\u{308}ner", vec![1]),
            ("οδος", vec![2]),
            ("ipsum", vec![2]),
            ("m\nips", vec![2]),
        ] {
            assert_eq!(find(&index, 3, word), found, "{word}");
        }
        assert!(buckets_of("te").is_empty());
        assert_eq!((flagged(&index, 3, 0), flagged(&index, 3, 1)), (vec![1], vec![2, 3]));
        assert_eq!(intersect(&mut [], 3), [1, 2, 3]);
    }

    #[test]
    fn false_positives_are_rare() {
        let words: Vec<String> =
            (0..20_000).map(|n: u32| format!("{:06x}", n.wrapping_mul(2_654_435_761) >> 8)).collect();
        let documents: Vec<_> = words.iter().map(|word| [word.as_str(), "", ""]).collect();
        let index = build(&documents);
        let others: usize = words.iter().take(500).map(|word| find(&index, words.len(), word).len() - 1).sum();
        assert!(others < 50, "{others} false positives in 500 searches");
    }

    #[test]
    fn the_format_has_not_changed_without_a_new_version() {
        // FNV-1a over all bytes of a small segment. After a change of the format, increase FORMAT_VERSION and update both.
        let documents: Vec<String> = (0..500).map(|n| format!("Tee-{n} Größe {} Δοκιμή", n * 7919 % 500)).collect();
        let documents: Vec<_> = documents
            .iter()
            .map(|text| [text.as_str(), "", if text.len().is_multiple_of(2) { "x" } else { "" }])
            .collect();
        let blocks = build(&documents);
        let bytes = blocks.iter().flat_map(|block| block.offsets.iter().chain(&block.postings));
        let hash = bytes
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
        assert_eq!((crate::FORMAT_VERSION, hash), (1, 17_509_255_576_521_566_857));
    }
}
