//! How the lists of a segment are made and read. Pure.
//!
//! A segment holds products that were written together, in the order of their ids, and for each bucket of trigrams the
//! positions of those that have one of them. Which bucket a trigram belongs to is a matter of its hash, so a list may hold
//! more products than have the trigram, never fewer: what it leads to is read and looked at.

use super::packing::{List, pack_list, push_position};

/// Buckets of trigrams. A product of 170 characters has about 130 different ones, so a bucket holds one product in thirty;
/// three trigrams, which is a word of five letters, leave one in some ten thousand that does not have the word.
const TRIGRAM_BUCKETS: usize = 4096;
/// Behind them, products without and with a description.
const DESCRIPTION_BUCKETS: [usize; 2] = [TRIGRAM_BUCKETS, TRIGRAM_BUCKETS + 1];
const BUCKETS: usize = TRIGRAM_BUCKETS + DESCRIPTION_BUCKETS.len();
/// Buckets whose lists are stored in one row: whoever makes one segment of several need not have all of them in memory.
pub const BUCKETS_PER_PART: usize = 64;
/// Rows of lists that a segment has.
pub const PARTS: usize = BUCKETS.div_ceil(BUCKETS_PER_PART);

/// The texts of a product: SKU, name, description.
pub type Texts<'a> = [&'a str; 3];

/// The lists of [`BUCKETS_PER_PART`] buckets beside each other, which is what is stored in one row.
#[derive(Debug, Default)]
pub struct Part {
    /// Where the list of each bucket begins in `lists`, and where the last one ends: 4 bytes each, big-endian.
    pub directory: Vec<u8>,
    /// The lists one behind the other, each packed.
    pub lists: Vec<u8>,
}

/// Indexes products, given in the order of their ids. Gives all [`PARTS`].
pub fn index<'a>(products: impl Iterator<Item = Texts<'a>>) -> Vec<Part> {
    let mut lists = vec![(Vec::new(), 0_u32); BUCKETS];
    let mut rows = 0;
    for (texts, position) in products.zip(1_u32..) {
        rows += 1;
        let mut add = |bucket: usize| {
            let (list, end) = &mut lists[bucket];
            // A product is in a list once, however often it has the trigram.
            if *end != position {
                push_position(list, *end, position);
                *end = position;
            }
        };
        for text in texts {
            trigrams(text, &mut add);
        }
        add(DESCRIPTION_BUCKETS[usize::from(!texts[2].is_empty())]);
    }
    let mut lists = lists.into_iter().map(|(list, _)| pack_list(list, rows));
    (0..PARTS).map(|_| Part::of(lists.by_ref().take(BUCKETS_PER_PART))).collect()
}

impl Part {
    fn of(lists: impl Iterator<Item = Vec<u8>>) -> Self {
        let mut part = Self::default();
        for list in lists {
            part.mark();
            part.lists.extend(list);
        }
        part.mark();
        part
    }

    /// Here begins the next list.
    fn mark(&mut self) {
        // A segment has at most some hundred thousand products, each of them in a list once.
        let end = u32::try_from(self.lists.len()).unwrap_or(u32::MAX);
        self.directory.extend_from_slice(&end.to_be_bytes());
    }

    /// The list of a bucket, counted from the first of this part.
    fn list(&self, bucket: usize) -> &[u8] {
        let at = |entry: usize| {
            let bytes = self.directory.get(4 * entry..4 * entry + 4).and_then(|bytes| bytes.try_into().ok());
            bytes.map_or(0, |bytes| usize::try_from(u32::from_be_bytes(bytes)).unwrap_or_default())
        };
        self.lists.get(at(bucket)..at(bucket + 1)).unwrap_or_default()
    }

    fn buckets(&self) -> usize {
        (self.directory.len() / 4).saturating_sub(1)
    }
}

/// Where the products of several segments stand in the one that is made of them.
pub struct Union {
    /// Those of any, ascending.
    pub ids: Vec<i64>,
    moved: Vec<Vec<u32>>,
}

impl Union {
    /// Of segments with these ids.
    #[expect(clippy::stable_sort_primitive, reason = "it merges runs, and these are few and long")]
    pub fn of(segments: &[Vec<i64>]) -> Self {
        let mut ids = segments.concat();
        ids.sort();
        ids.dedup();
        let position = |id: &i64| u32::try_from(ids.partition_point(|other| other < id) + 1).unwrap_or(u32::MAX);
        let moved = segments.iter().map(|segment| segment.iter().map(position).collect()).collect();
        Self { ids, moved }
    }

    /// Makes one part of the same part of each segment. A product that is in several is listed for the texts that it has in
    /// any.
    #[expect(clippy::stable_sort_primitive, reason = "it merges runs, and these are few and long")]
    pub fn part(&self, parts: &[Part]) -> Part {
        let rows: Vec<usize> = self.moved.iter().map(Vec::len).collect();
        let lists = (0..parts.first().map_or(0, Part::buckets)).map(|bucket| {
            let mut all = Vec::new();
            for ((part, moved), rows) in parts.iter().zip(&self.moved).zip(&rows) {
                let list = List::of(part.list(bucket), *rows).positions().into_iter();
                all.extend(list.filter_map(|at| moved.get(usize::try_from(at).ok()?.checked_sub(1)?)));
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
        Part::of(lists)
    }
}

/// The buckets in which a product that has `word` is listed. None for words of one or two letters.
pub fn buckets_of(word: &str) -> Vec<usize> {
    let mut buckets = Vec::new();
    trigrams(word, &mut |bucket| buckets.push(bucket));
    buckets.sort_unstable();
    buckets.dedup();
    buckets
}

/// The bucket of products with, or without a description.
pub fn bucket_of_description(has: bool) -> usize {
    DESCRIPTION_BUCKETS[usize::from(has)]
}

fn trigrams(text: &str, add: &mut impl FnMut(usize)) {
    let mut window = 0_u64;
    for (read, c) in text.chars().enumerate() {
        // Three characters of 21 bits.
        window = (window << 21 | u64::from(fold(c))) & ((1 << 63) - 1);
        if read >= 2 {
            // The upper 12 bits of a product by the golden ratio (Knuth, volume 3, section 6.4).
            add(usize::try_from(window.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 52).unwrap_or_default());
        }
    }
}

/// A character without its case, one for one, as PostgreSQL's `lower()` does it.
fn fold(c: char) -> u32 {
    if c.is_ascii() {
        return u32::from(c.to_ascii_lowercase());
    }
    let mut lower = c.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(single), None) => u32::from(single),
        _ => u32::from(c),
    }
}

/// The positions, from 1, that are in each of the lists of a segment of so many rows; in all where there are no lists.
pub fn intersect(lists: &mut [Vec<u8>], rows: usize) -> Vec<u32> {
    // The shortest first: what it does not have need not be looked for.
    lists.sort_unstable_by_key(Vec::len);
    let mut lists = lists.iter().map(|list| List::of(list, rows));
    let Some(shortest) = lists.next() else { return (1..).take(rows).collect() };
    let mut common = shortest.positions();
    for list in lists {
        list.keep_in(&mut common);
    }
    common
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(index: &[Part], bucket: usize) -> Vec<u8> {
        index[bucket / BUCKETS_PER_PART].list(bucket % BUCKETS_PER_PART).to_vec()
    }

    fn find(index: &[Part], rows: usize, word: &str) -> Vec<u32> {
        intersect(&mut buckets_of(word).into_iter().map(|bucket| list(index, bucket)).collect::<Vec<_>>(), rows)
    }

    fn described(index: &[Part], rows: usize, has: bool) -> Vec<u32> {
        intersect(&mut [list(index, bucket_of_description(has))], rows)
    }

    #[test]
    fn a_product_is_found_by_any_part_of_its_texts_in_any_case() {
        let products = [["TEA-01", "Grüner Tee", ""], ["tea-02", "ΟΔΟΣ", "Lorem\nipsum"], ["x", "y", "z"]];
        let index = index(products.into_iter());
        assert_eq!(index.len(), PARTS);
        for (word, found) in
            [("tea-", vec![1, 2]), ("GRÜNER", vec![1]), ("οδοσ", vec![2]), ("ipsum", vec![2]), ("m\nips", vec![2])]
        {
            assert_eq!(find(&index, 3, word), found, "{word}");
        }
        assert!(buckets_of("te").is_empty());
        assert_eq!((described(&index, 3, false), described(&index, 3, true)), (vec![1], vec![2, 3]));
        assert_eq!(intersect(&mut [], 3), [1, 2, 3]);
    }

    #[test]
    fn what_is_made_one_is_found_by_all_its_texts() {
        let of = |products: &[(i64, &'static str)]| {
            let ids: Vec<i64> = products.iter().map(|(id, _)| *id).collect();
            (ids, index(products.iter().map(|(_, name)| ["", *name, ""])))
        };
        let (ids, indexes): (Vec<_>, Vec<_>) =
            [of(&[(2, "green tea"), (9, "cup")]), of(&[(1, "tea"), (7, "pot"), (9, "mug")]), of(&[(7, "tea pot")])]
                .into_iter()
                .unzip();
        let union = Union::of(&ids);
        assert_eq!(union.ids, [1, 2, 7, 9]);
        let mut indexes: Vec<_> = indexes.into_iter().map(Vec::into_iter).collect();
        let index: Vec<Part> = (0..PARTS)
            .map(|_| union.part(&indexes.iter_mut().filter_map(Iterator::next).collect::<Vec<_>>()))
            .collect();
        let find = |word| {
            let found = find(&index, 4, word).into_iter();
            found.map(|at| union.ids[usize::try_from(at).unwrap() - 1]).collect::<Vec<_>>()
        };
        assert_eq!(find("tea"), [1, 2, 7]);
        assert_eq!(find("pot"), [7]);
        assert_eq!((find("cup"), find("mug")), (vec![9], vec![9]));
        assert_eq!((described(&index, 4, false).len(), described(&index, 4, true).len()), (4, 0));
    }

    #[test]
    fn what_is_listed_beside_is_rare() {
        let words: Vec<String> =
            (0..20_000).map(|n: u32| format!("{:06x}", n.wrapping_mul(2_654_435_761) >> 8)).collect();
        let index = index(words.iter().map(|word| [word.as_str(), "", ""]));
        let beside: usize = words.iter().take(500).map(|word| find(&index, words.len(), word).len() - 1).sum();
        assert!(beside < 50, "{beside} products beside 500");
    }
}
