//! The boundaries of records in a stream of bytes, and recovery from records that are not valid CSV.
//!
//! A CSV parser alone reads on to the end of the file where a quote is never closed, and takes fields of any size into
//! memory. The splitter follows the same rules as csv-core (RFC 4180, and CR, LF or CRLF as line endings), with two
//! additions: a record has at most [`MAX_RECORD_BYTES`], and after a closing quote only a delimiter or a line ending may
//! follow. A record that breaks a rule is reported with its first line, and reading continues at the line after that one,
//! so that a stray quote costs one row.

use memchr::{memchr, memchr_iter, memchr2, memchr3};

use super::Dialect;

/// Largest record, in bytes. A description of 65,536 characters of four bytes fits four times.
pub const MAX_RECORD_BYTES: usize = 1 << 20;
/// Longest beginning of a malformed record that is returned, in bytes.
pub const MAX_EXCERPT_BYTES: usize = 4096;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Why the text of a record is not valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MalformedError {
    #[error("a quote is opened here and not closed before the end of the file")]
    UnclosedAtEnd,
    #[error("a quote that is opened here is not closed within {MAX_RECORD_BYTES} bytes")]
    Unclosed,
    /// `lines` lines after the one on which the record begins.
    #[error("{}", text_after_quote(*lines))]
    TextAfterQuote { lines: usize },
    #[error("the row is larger than {MAX_RECORD_BYTES} bytes")]
    TooLarge,
}

fn text_after_quote(lines: usize) -> String {
    let place = match lines {
        0 => "a quoted text".to_owned(),
        1 => "a quote that is opened here closes on the next line, and it".to_owned(),
        _ => format!("a quote that is opened here closes {lines} lines below, and it"),
    };
    format!("{place} is followed by more text; a quote inside of a quoted text must be doubled")
}

/// What [`RecordSplitter::split`] found.
#[derive(Debug, PartialEq, Eq)]
pub enum Split<'a> {
    /// A whole record, without its line ending. It is not empty, and a CSV parser reads exactly one record from it.
    Record {
        /// Line of the file on which it begins, from 1.
        line: u64,
        raw: &'a [u8],
        /// It ends with a line ending, not with the file.
        is_terminated: bool,
    },
    /// A record that is not valid; `raw` is its first line, at most [`MAX_EXCERPT_BYTES`] of it.
    Malformed {
        line: u64,
        error: MalformedError,
        raw: &'a [u8],
    },
    /// More of the file is needed: [`RecordSplitter::push`], or [`RecordSplitter::finish`] at its end.
    NeedsInput,
    End,
}

/// Where the scan is inside a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Unquoted,
    Quoted,
    /// Behind a quote inside quotes: it closes them, unless another quote follows.
    Quote,
    /// Behind a closing quote and blanks.
    Closed,
}

/// What ends the scan of a record.
enum Stop {
    /// A line ending or the end of the file, at this index.
    Record(usize),
    Malformed(MalformedError),
    NeedsInput,
}

/// Splits a file into records. See the module's documentation for the rules.
///
/// It holds the record that is being read and what was pushed behind it: at most [`MAX_RECORD_BYTES`] and one chunk.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "the flags are independent of each other")]
pub struct RecordSplitter {
    dialect: Dialect,
    buffer: Vec<u8>,
    /// Where the current record begins in `buffer`.
    start: usize,
    /// The next byte of `buffer` to look at.
    scan: usize,
    state: State,
    /// Line of the file at `start`, from 1.
    line: u64,
    /// Bytes of the file before `buffer`.
    dropped: u64,
    /// The byte before `start` is a CR: an LF at `start` belongs to the same line ending.
    is_after_cr: bool,
    /// The beginning of the file has been searched for a byte order mark.
    is_begun: bool,
    /// The rest of a line that is too long is being skipped.
    is_skipping: bool,
    is_finished: bool,
}

impl RecordSplitter {
    pub const fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            buffer: Vec::new(),
            start: 0,
            scan: 0,
            state: State::Unquoted,
            line: 1,
            dropped: 0,
            is_after_cr: false,
            is_begun: false,
            is_skipping: false,
            is_finished: false,
        }
    }

    /// A splitter of the beginning of a file, or of the whole of it.
    pub(super) fn of_head(dialect: Dialect, head: &[u8], is_complete: bool) -> Self {
        let mut splitter = Self::new(dialect);
        splitter.push(head);
        splitter.is_finished = is_complete;
        splitter
    }

    /// Adds the next bytes of the file.
    pub fn push(&mut self, chunk: &[u8]) {
        self.buffer.drain(..self.start);
        self.dropped += self.start as u64;
        self.scan -= self.start;
        self.start = 0;
        self.buffer.extend_from_slice(chunk);
    }

    /// Declares that all bytes of the file have been pushed.
    pub const fn finish(&mut self) {
        self.is_finished = true;
    }

    /// Bytes of the file before the current record.
    pub const fn position(&self) -> u64 {
        self.dropped + self.start as u64
    }

    /// Returns the next record, as far as it has been pushed.
    pub fn split(&mut self) -> Split<'_> {
        if !self.begin() || !self.skip_blank_lines() {
            return if self.is_finished { Split::End } else { Split::NeedsInput };
        }
        match self.scan_record() {
            Stop::Record(end) => {
                let (start, line) = (self.start, self.line);
                self.line += line_breaks(&self.buffer[start..end]);
                self.continue_at(end);
                Split::Record { line, raw: &self.buffer[start..end], is_terminated: end < self.buffer.len() }
            }
            Stop::Malformed(error) => self.malformed(error),
            Stop::NeedsInput => Split::NeedsInput,
        }
    }

    /// Skips a byte order mark. Returns false while it is not known whether there is one.
    fn begin(&mut self) -> bool {
        if !self.is_begun {
            if self.buffer.len() < BYTE_ORDER_MARK.len() && !self.is_finished {
                return false;
            }
            if self.buffer.starts_with(BYTE_ORDER_MARK) {
                self.continue_at(BYTE_ORDER_MARK.len());
            }
            self.is_begun = true;
        }
        true
    }

    const fn continue_at(&mut self, index: usize) {
        self.start = index;
        self.scan = index;
        self.state = State::Unquoted;
    }

    /// Moves to the beginning of the next record. Returns false where that has not been pushed.
    fn skip_blank_lines(&mut self) -> bool {
        if self.scan > self.start {
            return true;
        }
        if self.is_skipping {
            let rest = &self.buffer[self.start..];
            let end = memchr2(b'\n', b'\r', rest);
            self.continue_at(self.start + end.unwrap_or(rest.len()));
            self.is_skipping = end.is_none();
        }
        while let Some(byte) = self.buffer.get(self.start) {
            match byte {
                b'\n' if self.is_after_cr => self.is_after_cr = false,
                b'\n' => self.line += 1,
                b'\r' => {
                    self.line += 1;
                    self.is_after_cr = true;
                }
                _ => {
                    self.is_after_cr = false;
                    return true;
                }
            }
            self.continue_at(self.start + 1);
        }
        false
    }

    fn scan_record(&mut self) -> Stop {
        // Nothing behind the limit is looked at, however much has been pushed.
        let limit = self.start + MAX_RECORD_BYTES + 1;
        let window = self.buffer.len().min(limit);
        while self.scan < window {
            let rest = &self.buffer[self.scan..window];
            let byte = rest[0];
            match self.state {
                State::Unquoted => match memchr3(b'"', b'\n', b'\r', rest) {
                    Some(found) if rest[found] == b'"' => {
                        self.state = if self.begins_field(self.scan + found) { State::Quoted } else { State::Unquoted };
                        self.scan += found + 1;
                    }
                    Some(found) => return Stop::Record(self.scan + found),
                    None => self.scan = window,
                },
                State::Quoted => match memchr(b'"', rest) {
                    Some(found) => {
                        self.state = State::Quote;
                        self.scan += found + 1;
                    }
                    None => self.scan = window,
                },
                State::Quote | State::Closed => {
                    self.state = match byte {
                        b'"' if self.state == State::Quote => State::Quoted,
                        b'\n' | b'\r' => return Stop::Record(self.scan),
                        _ if byte == self.dialect.delimiter => State::Unquoted,
                        b' ' | b'\t' => State::Closed,
                        _ => {
                            let lines = line_breaks(&self.buffer[self.start..self.scan]);
                            let lines = usize::try_from(lines).unwrap_or(usize::MAX);
                            return self.when_line_is_known(MalformedError::TextAfterQuote { lines });
                        }
                    };
                    self.scan += 1;
                }
            }
        }
        if window == limit {
            let is_one_line = memchr2(b'\n', b'\r', &self.buffer[self.start..limit]).is_none();
            return Stop::Malformed(if is_one_line { MalformedError::TooLarge } else { MalformedError::Unclosed });
        }
        match self.state {
            _ if !self.is_finished => Stop::NeedsInput,
            State::Quoted => Stop::Malformed(MalformedError::UnclosedAtEnd),
            _ => Stop::Record(window),
        }
    }

    /// The first line of a malformed record is returned with it, so it must have been pushed.
    fn when_line_is_known(&self, error: MalformedError) -> Stop {
        let pushed = &self.buffer[self.start..];
        if self.is_finished || pushed.len() > MAX_RECORD_BYTES || memchr2(b'\n', b'\r', pushed).is_some() {
            Stop::Malformed(error)
        } else {
            Stop::NeedsInput
        }
    }

    /// Whether a quote at `index`, outside of quotes, opens a quoted field.
    fn begins_field(&self, index: usize) -> bool {
        let before = &self.buffer[self.start..index];
        let field = if self.dialect.skip_initial_space { self.dialect.without_blanks_at_end(before) } else { before };
        field.last().is_none_or(|byte| *byte == self.dialect.delimiter)
    }

    /// Returns the first line of the current record, and continues at the line behind it.
    fn malformed(&mut self, error: MalformedError) -> Split<'_> {
        let (start, line) = (self.start, self.line);
        let window = self.buffer.len().min(start + MAX_RECORD_BYTES + 1);
        let first_line = memchr2(b'\n', b'\r', &self.buffer[start..window]);
        self.is_skipping = first_line.is_none();
        let end = first_line.map_or(window, |length| start + length);
        self.continue_at(end);
        Split::Malformed { line, error, raw: &self.buffer[start..end.min(start + MAX_EXCERPT_BYTES)] }
    }
}

/// Line endings in `text`: LF, CR, or both together.
fn line_breaks(text: &[u8]) -> u64 {
    let lone_cr = memchr_iter(b'\r', text).filter(|at| text.get(at + 1) != Some(&b'\n')).count();
    (memchr_iter(b'\n', text).count() + lone_cr) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMA: Dialect = Dialect { delimiter: b',', skip_initial_space: false };

    /// Each record as its line, its text, and the reason why it is malformed.
    fn split(dialect: Dialect, chunks: &[&[u8]]) -> Vec<(u64, Vec<u8>, Option<MalformedError>)> {
        let mut splitter = RecordSplitter::new(dialect);
        let (mut found, mut chunks) = (Vec::new(), chunks.iter());
        loop {
            match splitter.split() {
                Split::Record { line, raw, .. } => found.push((line, raw.to_vec(), None)),
                Split::Malformed { line, error, raw } => found.push((line, raw.to_vec(), Some(error))),
                Split::NeedsInput => match chunks.next() {
                    Some(chunk) => splitter.push(chunk),
                    None => splitter.finish(),
                },
                Split::End => return found,
            }
        }
    }

    fn texts(file: &str) -> Vec<(u64, String, Option<MalformedError>)> {
        let found = split(COMMA, &[file.as_bytes()]).into_iter();
        found.map(|(line, raw, error)| (line, String::from_utf8(raw).expect("text"), error)).collect()
    }

    #[test]
    fn records_are_found_with_their_lines() {
        use MalformedError::{TextAfterQuote, UnclosedAtEnd};
        let ok = |line, text: &str| (line, text.to_owned(), None);
        let bad = |line, text: &str, error| (line, text.to_owned(), Some(error));
        for (file, expected) in [
            ("", vec![]),
            ("\n\r\n\r", vec![]),
            ("a,b", vec![ok(1, "a,b")]),
            ("\u{feff}a\n\u{feff}b\n", vec![ok(1, "a"), ok(2, "\u{feff}b")]),
            ("a\n\n\nb\n", vec![ok(1, "a"), ok(4, "b")]),
            ("a\r\n\r\nb\r\n", vec![ok(1, "a"), ok(3, "b")]),
            ("a\r\rb\r", vec![ok(1, "a"), ok(3, "b")]),
            ("a,\"1\n2\r3\r\n4\"\nb", vec![ok(1, "a,\"1\n2\r3\r\n4\""), ok(5, "b")]),
            ("a,\"say \"\"hi\"\"\"\nb", vec![ok(1, "a,\"say \"\"hi\"\"\""), ok(2, "b")]),
            ("a,5\" pipe\nb", vec![ok(1, "a,5\" pipe"), ok(2, "b")]),
            ("\"a\" ,\"b\"\t\nc", vec![ok(1, "\"a\" ,\"b\"\t"), ok(2, "c")]),
            ("a,\"b\nc\nd", vec![bad(1, "a,\"b", UnclosedAtEnd), ok(2, "c"), ok(3, "d")]),
            ("a,\"b", vec![bad(1, "a,\"b", UnclosedAtEnd)]),
            ("a,\"b\r", vec![bad(1, "a,\"b", UnclosedAtEnd)]),
            ("a,\"b\rc\r", vec![bad(1, "a,\"b", UnclosedAtEnd), ok(2, "c")]),
            ("\"", vec![bad(1, "\"", UnclosedAtEnd)]),
            ("a,\"24\\\" wide\"\nb", vec![bad(1, "a,\"24\\\" wide\"", TextAfterQuote { lines: 0 }), ok(2, "b")]),
            (
                "x\na,\"2 inch\nb,c\nd,\"3 inch\ne,f\n",
                vec![
                    ok(1, "x"),
                    bad(2, "a,\"2 inch", TextAfterQuote { lines: 2 }),
                    ok(3, "b,c"),
                    bad(4, "d,\"3 inch", UnclosedAtEnd),
                    ok(5, "e,f"),
                ],
            ),
        ] {
            assert_eq!(texts(file), expected, "{file:?}");
        }
    }

    #[test]
    fn blanks_before_a_quote_belong_to_the_dialect() {
        let file: &[u8] = b"\"a\", \"b, c\"\n";
        let dialect = Dialect { skip_initial_space: true, ..COMMA };
        assert_eq!(split(dialect, &[file]), [(1, b"\"a\", \"b, c\"".to_vec(), None)]);
    }

    #[test]
    fn a_record_at_the_limit_is_whole_and_a_larger_one_costs_its_first_line() {
        let mut file = vec![b'x'; MAX_RECORD_BYTES];
        file.extend_from_slice(b"\ny\n");
        file.extend(vec![b'z'; 3 * MAX_RECORD_BYTES]);
        file.extend_from_slice(b"\r\na,\"open\n");
        file.extend(b"line\n".repeat(MAX_RECORD_BYTES / 5 + 1));
        for size in [file.len(), 1 << 18, 1_000_003] {
            let found = split(COMMA, &file.chunks(size).collect::<Vec<_>>());
            assert_eq!((found[0].1.len(), found[0].2), (MAX_RECORD_BYTES, None));
            assert_eq!(found[1], (2, b"y".to_vec(), None));
            assert_eq!(
                (found[2].0, found[2].1.len(), found[2].2),
                (3, MAX_EXCERPT_BYTES, Some(MalformedError::TooLarge))
            );
            assert_eq!(found[3], (4, b"a,\"open".to_vec(), Some(MalformedError::Unclosed)));
            assert_eq!(found[4], (5, b"line".to_vec(), None));
            assert_eq!(found.len(), 4 + MAX_RECORD_BYTES / 5 + 1);
        }
    }

    #[test]
    fn megabytes_of_blank_lines_are_no_records_and_take_no_memory() {
        let mut splitter = RecordSplitter::new(COMMA);
        splitter.push(b"abc\n");
        assert!(matches!(splitter.split(), Split::Record { .. }));
        for _ in 0..100 {
            splitter.push(&b"\r\n".repeat(50_000));
            assert_eq!(splitter.split(), Split::NeedsInput);
        }
        assert!(splitter.buffer.capacity() < 300_000);
        splitter.finish();
        assert_eq!(splitter.split(), Split::End);
    }

    /// Files of up to six characters of these contain every way in which quotes, line endings and fields follow each other.
    #[test]
    fn any_file_is_split_the_same_whatever_the_chunks_and_each_record_is_one_for_the_parser() {
        let alphabet: [&[u8]; 6] = [b"a", b"\"", b",", b"\n", b"\r", b" "];
        let mut files: Vec<Vec<u8>> = vec![Vec::new()];
        for _ in 0..6 {
            files = files.iter().flat_map(|file| alphabet.map(|piece| [file, piece].concat())).collect();
            for file in &files {
                for skip_initial_space in [false, true] {
                    let dialect = Dialect { skip_initial_space, ..COMMA };
                    let whole = split(dialect, &[file]);
                    assert_eq!(whole, split(dialect, &file.chunks(1).collect::<Vec<_>>()), "{file:?}");
                    for (_, raw, _) in whole.iter().filter(|(_, _, error)| error.is_none()) {
                        let text = dialect.normalized(raw);
                        assert_eq!(records_of_parser(&text), usize::from(!text.is_empty()), "{file:?}: {raw:?}");
                    }
                }
            }
        }
    }

    fn records_of_parser(text: &[u8]) -> usize {
        let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text);
        let records: Result<Vec<_>, _> = reader.byte_records().collect();
        records.expect("records").len()
    }
}
