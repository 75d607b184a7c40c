//! How the text of a file is read: what separates fields, and what may precede them.

use std::borrow::Cow;

use memchr::{memchr, memchr_iter};
use serde::{Deserialize, Serialize};

use super::splitter::{RecordSplitter, Split};

/// Records that are examined for blanks behind delimiters.
const SAMPLE_RECORDS: usize = 100;

/// How fields are separated and quoted. Quotes are `"`, doubled inside of quotes; lines end with LF, CR or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dialect {
    pub delimiter: u8,
    /// Spaces and tabs before a field do not belong to it: `"A", "B"`.
    #[serde(default)]
    pub skip_initial_space: bool,
}

impl Dialect {
    /// Returns the dialect of a file that begins with `head`, or is that, and is separated by `delimiter`.
    ///
    /// Blanks behind delimiters belong to the dialect where a quoted field follows one of them, or where they follow every
    /// delimiter of the header or of the first rows.
    pub fn detect(head: &[u8], is_complete: bool, delimiter: u8) -> Self {
        let dialect = Self { delimiter, skip_initial_space: true };
        let mut splitter = RecordSplitter::of_head(dialect, head, is_complete);
        let (mut header, mut rows) = (Blanks::default(), Blanks::default());
        for number in 0..SAMPLE_RECORDS {
            match splitter.split() {
                Split::Record { raw, .. } if number == 0 => header.add(dialect, raw),
                Split::Record { raw, .. } => rows.add(dialect, raw),
                Split::Malformed { .. } => {}
                Split::NeedsInput | Split::End => break,
            }
        }
        let skip_initial_space = header.belong_to_dialect() || rows.belong_to_dialect();
        Self { delimiter, skip_initial_space }
    }

    /// Returns the fields of a record, with their quotes and blanks.
    pub(super) fn fields(self, raw: &[u8]) -> impl Iterator<Item = &[u8]> {
        let mut rest = Some(raw);
        std::iter::from_fn(move || {
            let text = rest?;
            let end = self.end_of_field(text);
            rest = text.get(end + 1..);
            Some(&text[..end])
        })
    }

    fn end_of_field(self, text: &[u8]) -> usize {
        let blanks = if self.skip_initial_space { text.len() - self.without_blanks(text).len() } else { 0 };
        let mut from = blanks;
        if text.get(blanks) == Some(&b'"') {
            // Quotes inside of quotes are doubled: the closing one is the first that is not.
            from += 1;
            while let Some(found) = memchr(b'"', &text[from..]) {
                from += found + 1;
                if text.get(from) != Some(&b'"') {
                    break;
                }
                from += 1;
            }
        }
        memchr(self.delimiter, &text[from..]).map_or(text.len(), |found| from + found)
    }

    /// Returns the text of a record as csv-core reads it: without blanks before fields, where the dialect has them.
    pub fn normalized(self, raw: &[u8]) -> Cow<'_, [u8]> {
        if !self.skip_initial_space {
            return Cow::Borrowed(raw);
        }
        let mut text = Vec::with_capacity(raw.len());
        for (index, field) in self.fields(raw).enumerate() {
            if index > 0 {
                text.push(self.delimiter);
            }
            text.extend_from_slice(self.without_blanks(field));
        }
        Cow::Owned(text)
    }

    fn is_blank(self, byte: u8) -> bool {
        matches!(byte, b' ' | b'\t') && byte != self.delimiter
    }

    fn without_blanks(self, text: &[u8]) -> &[u8] {
        let blanks = text.iter().take_while(|byte| self.is_blank(**byte)).count();
        &text[blanks..]
    }

    pub(super) fn without_blanks_at_end(self, text: &[u8]) -> &[u8] {
        let blanks = text.iter().rev().take_while(|byte| self.is_blank(**byte)).count();
        &text[..text.len() - blanks]
    }
}

/// Blanks at the beginning of fields behind a delimiter.
#[derive(Default)]
struct Blanks {
    with: usize,
    without: usize,
    before_quotes: usize,
}

impl Blanks {
    fn add(&mut self, dialect: Dialect, raw: &[u8]) {
        for field in dialect.fields(raw).skip(1) {
            let text = dialect.without_blanks(field);
            if text.len() < field.len() {
                self.with += 1;
                let is_quoted = text.starts_with(b"\"") && memchr_iter(b'"', text).count() > 1;
                self.before_quotes += usize::from(is_quoted);
            } else if !field.is_empty() {
                self.without += 1;
            }
        }
    }

    const fn belong_to_dialect(&self) -> bool {
        self.before_quotes > 0 || (self.with > 0 && self.without == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_behind_delimiters_are_detected_and_removed() {
        for (file, delimiter, skips, row) in [
            ("sku, name, description\n\"A\", \"Tea\", \"green\"\n", b',', true, "\"A\",\"Tea\",\"green\""),
            ("sku,\tname,\tprice\nA,\tTea,\t1.00\n", b',', true, "A,Tea,1.00"),
            ("sku,name\n\"A\", \"Tea, green\"\n", b',', true, "\"A\",\"Tea, green\""),
            ("sku,name,price\nA, Tea, 1\n", b',', true, "A,Tea,1"),
            ("sku,name,price\nA, Tea,1\n", b',', false, "A, Tea,1"),
            ("sku, name,price\nA,Tea,1\n", b',', false, "A,Tea,1"),
            ("sku\tname\tprice\nA\t\t1\n", b'\t', false, "A\t\t1"),
            ("sku\tname\nA\t \"x\"\n", b'\t', true, "A\t\"x\""),
            ("sku,name\nA,\"a\"\" , \"\"b\"\n", b',', false, "A,\"a\"\" , \"\"b\""),
            ("sku,name\nA, \"\n", b',', false, "A, \""),
        ] {
            let dialect = Dialect::detect(file.as_bytes(), true, delimiter);
            assert_eq!(dialect.skip_initial_space, skips, "{file:?}");
            let raw = file.lines().nth(1).expect("a row");
            assert_eq!(dialect.normalized(raw.as_bytes()), row.as_bytes(), "{file:?}");
        }
    }
}
