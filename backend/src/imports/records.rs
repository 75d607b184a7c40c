//! The records of a stored file, one after the other, with their places; the same ones on every pass.
//!
//! csv-async reads on to the end of the file where a quote is never closed, and takes fields of any size into memory. So a
//! [`Guard`] stands before it and stops a record that grows past [`MAX_RECORD_BYTES`]; such a record is reported, and
//! reading goes on at the line after the one on which it began. Nothing behind a stray quote is lost.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use anyhow::{Context as _, bail};
use bytes::Bytes;
use csv_async::{AsyncReader, AsyncReaderBuilder, ByteRecord};
use futures_util::stream::BoxStream;
use shared::{detect::Layout, import::RowErrorCode};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader, ReadBuf};
use tokio_util::io::StreamReader;

use crate::{
    imports::rows::{self, RowError},
    storage::Storage,
};

/// Largest record, in bytes. A description of 65,536 characters of four bytes fits four times.
pub const MAX_RECORD_BYTES: u64 = 1 << 20;
/// Read buffer of the parser, in bytes: its default of 8 KiB makes it four times slower.
const BUFFER_BYTES: usize = 256 << 10;
/// Records that may be broken off before the file is given up: each of them costs reading up to [`MAX_RECORD_BYTES`] again.
const MAX_BROKEN: u32 = 100;

type Source = StreamReader<BoxStream<'static, std::io::Result<Bytes>>, Bytes>;

/// Where a record stands in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// From 1; the header does not count.
    pub row_no: i64,
    /// From 1; the header is line 1.
    pub line: i64,
}

/// What [`Records::next`] found.
pub enum Found {
    /// The record is in the buffer that the caller gave.
    Record(Place),
    /// A record that cannot be read; the excerpt is its beginning.
    Broken(Place, RowError, String),
    End,
}

/// A pass over a stored file.
pub struct Records {
    storage: Storage,
    object_key: String,
    size_bytes: u64,
    delimiter: u8,
    reader: AsyncReader<Guard>,
    /// Where the record in hand begins, by the parser's count; shared with the guard.
    record_start: Arc<AtomicU64>,
    /// Where the parser's positions begin to count: it is set up anew behind each broken record.
    base_byte: u64,
    base_line: u64,
    /// Records end with a bare LF, which the parser has counted by the time it gives the record; it has not with CRLF.
    ends_with_lf: bool,
    row_no: i64,
    broken: u32,
}

impl Records {
    /// Opens the file behind its header.
    pub async fn open(storage: &Storage, object_key: &str, size_bytes: u64, layout: &Layout) -> anyhow::Result<Self> {
        let record_start = Arc::new(AtomicU64::new(0));
        let source = open_at(storage, object_key, 0).await?;
        let mut records = Self {
            storage: storage.clone(),
            object_key: object_key.to_owned(),
            size_bytes,
            delimiter: layout.delimiter,
            reader: parser(source, layout.delimiter, &record_start),
            record_start,
            base_byte: 0,
            base_line: 0,
            ends_with_lf: false,
            row_no: 0,
            broken: 0,
        };
        let mut header = ByteRecord::new();
        records.reader.read_byte_record(&mut header).await.context("the header cannot be read")?;
        records.ends_with_lf = records.reader.position().line() - newlines(&header) > 1;
        Ok(records)
    }

    /// Bytes of the file that are read.
    pub fn bytes_read(&self) -> u64 {
        self.base_byte + self.reader.position().byte()
    }

    /// Reads the next record into `record`.
    ///
    /// # Errors
    /// When storage fails, or when the quotes of the file are broken beyond [`MAX_BROKEN`].
    pub async fn next(&mut self, record: &mut ByteRecord) -> anyhow::Result<Found> {
        let start = self.reader.position().clone();
        self.record_start.store(start.byte(), Relaxed);
        let read = self.reader.read_byte_record(record).await;
        let end = self.reader.position().clone();
        let (code, message) = match read {
            Ok(false) => return Ok(Found::End),
            Ok(true) if end.byte() - start.byte() > MAX_RECORD_BYTES => too_large(end.line() > start.line() + 1),
            Ok(true) if self.ends_file(end.byte()) && self.is_cut_off(start.byte(), end.byte()).await? => (
                RowErrorCode::UnclosedQuote,
                "a quote is opened here and not closed before the end of the file".to_owned(),
            ),
            Ok(true) => {
                self.row_no += 1;
                let line = (end.line() - newlines(record) - u64::from(self.ends_with_lf)).max(start.line());
                return Ok(Found::Record(self.place(line)));
            }
            Err(error) if is_guard(&error) => too_large(end.line() > start.line() + 1),
            Err(error) => return Err(error).context("the file cannot be read"),
        };
        self.row_no += 1;
        self.broken += 1;
        if self.broken > MAX_BROKEN {
            bail!(Unreadable(format!(
                "More than {MAX_BROKEN} rows of this file are too large or open a quote that is never closed; the last of them is row {}. Save the file again, with quotes inside quoted texts doubled.",
                self.row_no
            )));
        }
        let (place, excerpt) = self.skip_line(start.byte(), start.line()).await?;
        Ok(Found::Broken(place, RowError { column: None, code, message }, excerpt))
    }

    fn place(&self, line: u64) -> Place {
        Place { row_no: self.row_no, line: i64::try_from(self.base_line + line).unwrap_or(i64::MAX) }
    }

    fn ends_file(&self, byte: u64) -> bool {
        self.base_byte + byte >= self.size_bytes
    }

    /// Whether the record that ends the file ends inside quotes, which the parser does not tell.
    async fn is_cut_off(&mut self, start: u64, end: u64) -> anyhow::Result<bool> {
        let raw = self.storage.read_range(&self.object_key, self.base_byte + start..self.base_byte + end).await?;
        Ok(ends_inside_quotes(&raw, self.delimiter))
    }

    /// Sets the parser up behind the line on which the record at `start` begins; gives that line's place and beginning.
    async fn skip_line(&mut self, start: u64, line: u64) -> anyhow::Result<(Place, String)> {
        let start = self.base_byte + start;
        let mut source = BufReader::new(open_at(&self.storage, &self.object_key, start).await?);
        let (mut skipped, mut blank_lines, mut beginning) = (0, 0, Vec::new());
        loop {
            let chunk = source.fill_buf().await?;
            if chunk.is_empty() {
                break;
            }
            let newline = chunk.iter().position(|byte| *byte == b'\n');
            let taken = newline.map_or(chunk.len(), |at| at + 1);
            beginning.extend_from_slice(&chunk[..taken.min(4_096_usize.saturating_sub(beginning.len()))]);
            source.consume(taken);
            skipped += taken as u64;
            if newline.is_some() {
                if beginning.trim_ascii().is_empty() {
                    // The rest of the line before, or an empty line: the record has not begun.
                    blank_lines += 1;
                    beginning.clear();
                    continue;
                }
                break;
            }
        }
        let place = self.place(line + blank_lines);
        self.base_byte = start + skipped;
        self.base_line += line + blank_lines;
        self.record_start.store(0, Relaxed);
        let rest = open_at(&self.storage, &self.object_key, self.base_byte).await?;
        self.reader = parser(rest, self.delimiter, &self.record_start);
        Ok((place, rows::shorten(String::from_utf8_lossy(&beginning).trim_end())))
    }
}

/// The file's fault, not the machine's: trying again would not help.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub String);

fn too_large(several_lines: bool) -> (RowErrorCode, String) {
    if several_lines {
        (
            RowErrorCode::UnclosedQuote,
            format!("a quote that is opened here is not closed within {MAX_RECORD_BYTES} bytes"),
        )
    } else {
        (RowErrorCode::RecordTooLarge, format!("the row is larger than {MAX_RECORD_BYTES} bytes"))
    }
}

#[expect(clippy::naive_bytecount, reason = "some hundred bytes at a time")]
fn newlines(record: &ByteRecord) -> u64 {
    record.as_slice().iter().filter(|byte| **byte == b'\n').count() as u64
}

fn ends_inside_quotes(raw: &[u8], delimiter: u8) -> bool {
    let mut core = csv_core::ReaderBuilder::new().delimiter(delimiter).build();
    let (mut output, mut ends) = (vec![0; raw.len() + 1], vec![0; raw.len() + 2]);
    let (result, read, written, fields) = core.read_record(raw, &mut output, &mut ends);
    if !matches!(result, csv_core::ReadRecordResult::InputEmpty) {
        return false;
    }
    // One more line break ends a record, unless it is data inside quotes.
    debug_assert_eq!(read, raw.len());
    let (result, ..) = core.read_record(b"\n", &mut output[written..], &mut ends[fields..]);
    matches!(result, csv_core::ReadRecordResult::InputEmpty)
}

async fn open_at(storage: &Storage, object_key: &str, offset: u64) -> anyhow::Result<Source> {
    match storage.read(object_key, offset).await {
        Ok(stream) => Ok(StreamReader::new(stream)),
        // Tried again some times, not failed at once: another worker may see it, or the folder may be mounted late.
        Err(object_store::Error::NotFound { .. }) => bail!(
            "The file of this import is not in the storage that this worker looked in, {}. Web and workers must share one: set STORAGE_URL to the same bucket for all of them, or to the same folder, which all of their machines mount. If the import has failed by then, import the file again.",
            storage.location()
        ),
        Err(error) => Err(error).context("the storage does not answer"),
    }
}

fn parser(source: Source, delimiter: u8, record_start: &Arc<AtomicU64>) -> AsyncReader<Guard> {
    AsyncReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .buffer_capacity(BUFFER_BYTES)
        .create_reader(Guard { source, delivered: 0, record_start: Arc::clone(record_start) })
}

/// Refuses to deliver more of a record than it may have.
struct Guard {
    source: Source,
    delivered: u64,
    record_start: Arc<AtomicU64>,
}

#[derive(Debug, thiserror::Error)]
#[error("a record is larger than {MAX_RECORD_BYTES} bytes")]
struct RecordTooLarge;

impl AsyncRead for Guard {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        // The parser asks for more when it has used all that it was given: the difference is the record in hand.
        if self.delivered - self.record_start.load(Relaxed) > MAX_RECORD_BYTES {
            return Poll::Ready(Err(std::io::Error::other(RecordTooLarge)));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.source).poll_read(cx, buffer))?;
        self.delivered += (buffer.filled().len() - before) as u64;
        Poll::Ready(Ok(()))
    }
}

fn is_guard(error: &csv_async::Error) -> bool {
    match error.kind() {
        csv_async::ErrorKind::Io(error) => {
            error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<RecordTooLarge>)
        }
        _ => false,
    }
}
