//! How a segment is written and read. Pure.
//!
//! A segment holds products that were written together, in the order of their ids, and for each bucket of trigrams the
//! positions of those that have one of them. Which bucket a trigram belongs to is a matter of its hash, so a list may hold
//! more products than have the trigram, never fewer: what it leads to is read and looked at.

/// Buckets of trigrams. A product of 170 characters has about 130 different ones, so a bucket holds one product in thirty;
/// three trigrams, which is a word of five letters, leave one in some ten thousand that does not have the word.
const TRIGRAM_BUCKETS: usize = 4096;
/// Behind them, products without and with a description.
const DESCRIPTION_BUCKETS: [usize; 2] = [TRIGRAM_BUCKETS, TRIGRAM_BUCKETS + 1];
const BUCKETS: usize = TRIGRAM_BUCKETS + DESCRIPTION_BUCKETS.len();

/// The texts of a product: SKU, name, description.
pub type Texts<'a> = [&'a str; 3];

/// A finished index of a segment.
pub struct Lists {
    /// Where the list of each bucket begins in `lists`, and where the last one ends: 4 bytes each, big-endian.
    pub directory: Vec<u8>,
    /// The lists one behind the other, each packed.
    pub lists: Vec<u8>,
}

/// Indexes products, given in the order of their ids.
pub fn index<'a>(products: impl Iterator<Item = Texts<'a>>) -> Lists {
    let mut lists = vec![(Vec::new(), 0_u32); BUCKETS];
    for (texts, position) in products.zip(1_u32..) {
        let mut add = |bucket: usize| {
            let (list, end) = &mut lists[bucket];
            // A product is in a list once, however often it has the trigram.
            if *end != position {
                push(list, u64::from(position - *end));
                *end = position;
            }
        };
        for text in texts {
            trigrams(text, &mut add);
        }
        add(DESCRIPTION_BUCKETS[usize::from(!texts[2].is_empty())]);
    }
    let total: usize = lists.iter().map(|(list, _)| list.len()).sum();
    let mut index = Lists::with_capacity(total);
    for (list, _) in &lists {
        index.mark();
        index.lists.extend_from_slice(list);
    }
    index.mark();
    index
}

impl Lists {
    fn with_capacity(bytes: usize) -> Self {
        Self { directory: Vec::with_capacity(4 * (BUCKETS + 1)), lists: Vec::with_capacity(bytes) }
    }

    /// Here begins the next list.
    fn mark(&mut self) {
        // A segment has at most some ten thousand products of at most 64 Ki characters each.
        let end = u32::try_from(self.lists.len()).unwrap_or(u32::MAX);
        self.directory.extend_from_slice(&end.to_be_bytes());
    }

    fn list(&self, bucket: usize) -> &[u8] {
        let at = |entry: usize| {
            let bytes = self.directory.get(4 * entry..4 * entry + 4).and_then(|bytes| bytes.try_into().ok());
            bytes.map_or(0, |bytes| usize::try_from(u32::from_be_bytes(bytes)).unwrap_or_default())
        };
        self.lists.get(at(bucket)..at(bucket + 1)).unwrap_or_default()
    }
}

/// Makes one segment of several: the ids, ascending, and their index. A product that is in more than one of them is listed
/// for the texts that it has in any.
#[expect(clippy::stable_sort_primitive, reason = "it merges runs, and these are few and long")]
pub fn merge(segments: &[(Vec<i64>, Lists)]) -> (Vec<i64>, Lists) {
    let mut ids: Vec<i64> = segments.iter().flat_map(|(ids, _)| ids).copied().collect();
    ids.sort();
    ids.dedup();
    let position = |id: &i64| ids.partition_point(|other| other < id) + 1;
    let moved: Vec<Vec<usize>> = segments.iter().map(|(ids, _)| ids.iter().map(position).collect()).collect();
    let mut index = Lists::with_capacity(segments.iter().map(|(_, lists)| lists.lists.len()).sum());
    let mut positions = Vec::new();
    for bucket in 0..BUCKETS {
        index.mark();
        positions.clear();
        for ((_, lists), moved) in segments.iter().zip(&moved) {
            let list = unpack(lists.list(bucket)).filter_map(|at| moved.get(usize::try_from(at - 1).ok()?));
            positions.extend(list.copied());
        }
        positions.sort();
        positions.dedup();
        let mut last = 0;
        for position in &positions {
            push(&mut index.lists, u64::try_from(position - last).unwrap_or_default());
            last = *position;
        }
    }
    index.mark();
    (ids, index)
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

/// Ascending numbers from 0 as differences in LEB128.
pub fn pack(numbers: &[i64]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(numbers.len() * 2);
    let mut last = 0;
    for number in numbers {
        push(&mut bytes, (number - last).unsigned_abs());
        last = *number;
    }
    bytes
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

/// The numbers that [`pack`] wrote.
pub fn unpack(bytes: &[u8]) -> impl Iterator<Item = i64> {
    let mut last = 0;
    let mut bytes = bytes.iter();
    std::iter::from_fn(move || {
        let (mut difference, mut shift) = (0_u64, 0);
        loop {
            let byte = bytes.next()?;
            difference |= u64::from(byte & 0x7F) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        last += i64::try_from(difference).unwrap_or(i64::MAX);
        Some(last)
    })
}

/// The positions, from 1, that are in each of `lists`.
pub fn intersect(lists: &mut [Vec<u8>]) -> Vec<i64> {
    // The shortest first: what it does not have need not be looked for.
    lists.sort_unstable_by_key(Vec::len);
    let Some((shortest, others)) = lists.split_first() else { return Vec::new() };
    let mut common: Vec<i64> = unpack(shortest).collect();
    for list in others {
        let mut list = unpack(list).peekable();
        common.retain(|position| {
            while list.next_if(|other| other < position).is_some() {}
            list.peek() == Some(position)
        });
    }
    common
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_back() {
        let numbers = [0, 1, 2, 300, 300_000, i64::MAX / 2];
        assert_eq!(unpack(&pack(&numbers)).collect::<Vec<_>>(), numbers);
        assert_eq!(unpack(&[]).count(), 0);
    }

    fn find(index: &Lists, word: &str) -> Vec<i64> {
        intersect(&mut buckets_of(word).into_iter().map(|bucket| index.list(bucket).to_vec()).collect::<Vec<_>>())
    }

    #[test]
    fn a_product_is_found_by_any_part_of_its_texts_in_any_case() {
        let products = [["TEA-01", "Grüner Tee", ""], ["tea-02", "ΟΔΟΣ", "Lorem\nipsum"], ["x", "y", "z"]];
        let index = index(products.into_iter());
        assert_eq!(find(&index, "tea-"), [1, 2]);
        assert_eq!(find(&index, "GRÜNER"), [1]);
        assert_eq!(find(&index, "οδοσ"), [2]);
        assert_eq!(find(&index, "ipsum"), [2]);
        assert_eq!(find(&index, "m\nips"), [2]);
        assert!(buckets_of("te").is_empty());
        let described = |has| unpack(index.list(bucket_of_description(has))).collect::<Vec<_>>();
        assert_eq!((described(false), described(true)), (vec![1], vec![2, 3]));
    }

    #[test]
    fn what_is_merged_is_found_by_all_its_texts() {
        let of = |products: &[(i64, &'static str)]| {
            let ids = products.iter().map(|(id, _)| *id).collect();
            (ids, index(products.iter().map(|(_, name)| ["", *name, ""])))
        };
        let segments =
            [of(&[(2, "green tea"), (9, "cup")]), of(&[(1, "tea"), (7, "pot"), (9, "mug")]), of(&[(7, "tea pot")])];
        let (ids, index) = merge(&segments);
        assert_eq!(ids, [1, 2, 7, 9]);
        let find =
            |word| find(&index, word).into_iter().map(|at| ids[usize::try_from(at).unwrap() - 1]).collect::<Vec<_>>();
        assert_eq!(find("tea"), [1, 2, 7]);
        assert_eq!(find("pot"), [7]);
        assert_eq!((find("cup"), find("mug")), (vec![9], vec![9]));
        assert_eq!(unpack(index.list(bucket_of_description(false))).count(), 4);
    }

    #[test]
    fn what_is_listed_beside_is_rare() {
        let words: Vec<String> =
            (0..20_000).map(|n: u32| format!("{:06x}", n.wrapping_mul(2_654_435_761) >> 8)).collect();
        let index = index(words.iter().map(|word| [word.as_str(), "", ""]));
        let beside: usize = words.iter().take(500).map(|word| find(&index, word).len() - 1).sum();
        assert!(beside < 50, "{beside} products beside 500");
    }
}
