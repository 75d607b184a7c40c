//! The records of a stored file, one by one, with their positions; every pass returns the same ones.
//!
//! [`RecordSplitter`] finds where records begin and end, csv-async parses each of them. Blank rows and repetitions of the
//! header are skipped: they are not rows.

use std::{
    io::{self, Read},
    pin::Pin,
    task::{Context, Poll},
};

use anyhow::{Context as _, bail};
use csv_async::{AsyncReader, AsyncReaderBuilder, ByteRecord};
use futures_util::StreamExt;
use shared::{
    csv::{FileFormat, MalformedError, Position, RecordSplitter, Split},
    import::RowErrorCode,
};
use tokio::io::{AsyncRead, ReadBuf};

use crate::{
    imports::rows::{self, RowError},
    storage::{ByteStream, Storage},
};

/// Read buffer of the parser, in bytes.
const BUFFER_BYTES: usize = 16 << 10;

/// What [`Records::next`] found.
pub enum Found {
    /// The record is in the caller's buffer, and its text in [`Records::raw`].
    Record(Position),
    /// A record that cannot be parsed; the excerpt is its beginning.
    Malformed(Position, RowError, String),
    End,
}

/// A pass over a stored file.
pub struct Records<'format> {
    format: &'format FileFormat,
    file: ByteStream,
    splitter: RecordSplitter,
    parser: AsyncReader<RawRecord>,
    /// The text of the current record.
    raw: Vec<u8>,
    row_no: i64,
}

impl<'format> Records<'format> {
    /// Opens a file behind its header.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn open(storage: &Storage, object_key: &str, format: &'format FileFormat) -> anyhow::Result<Self> {
        let parser = AsyncReaderBuilder::new()
            .delimiter(format.dialect.delimiter)
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(BUFFER_BYTES)
            .create_reader(RawRecord::default());
        let mut records = Self {
            format,
            file: open(storage, object_key).await?,
            splitter: RecordSplitter::new(format.dialect),
            parser,
            raw: Vec::new(),
            row_no: 0,
        };
        // The header has been read when the file was stored.
        records.next_split().await?;
        Ok(records)
    }

    /// Returns how many bytes of the file have been read.
    pub const fn bytes_read(&self) -> u64 {
        self.splitter.position()
    }

    /// Returns the text of the current record, as it is in the file.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Reads the next row into `record`.
    ///
    /// # Errors
    /// When storage fails. An error of the file is [`Found::Malformed`].
    pub async fn next(&mut self, record: &mut ByteRecord) -> anyhow::Result<Found> {
        loop {
            match self.next_split().await? {
                Next::Record { line, is_terminated } => {
                    let text = self.format.dialect.normalized(&self.raw);
                    if text.trim_ascii().is_empty() {
                        continue;
                    }
                    self.parser.get_mut().set(&text);
                    self.parser.read_byte_record(record).await.context("a record cannot be parsed")?;
                    if is_blank(record) || self.format.mapping.is_header(|index| record.get(index)) {
                        continue;
                    }
                    let position = self.next_position(line);
                    if !is_terminated && record.len() < self.format.mapping.columns.len() {
                        return Ok(Found::Malformed(position, rows::cut_off(), rows::excerpt(&self.raw)));
                    }
                    return Ok(Found::Record(position));
                }
                Next::Malformed { line, error } => {
                    let code = match error {
                        MalformedError::Unclosed | MalformedError::UnclosedAtEnd => RowErrorCode::UnclosedQuote,
                        MalformedError::TextAfterQuote { .. } => RowErrorCode::TextAfterQuote,
                        MalformedError::TooLarge => RowErrorCode::RecordTooLarge,
                    };
                    let error = RowError { column: None, code, message: error.to_string() };
                    return Ok(Found::Malformed(self.next_position(line), error, rows::excerpt(&self.raw)));
                }
                Next::End => return Ok(Found::End),
            }
        }
    }

    fn next_position(&mut self, line: u64) -> Position {
        self.row_no += 1;
        Position { row_no: self.row_no, line: i64::try_from(line).unwrap_or(i64::MAX) }
    }

    /// Copies the next record of the file into `raw`.
    async fn next_split(&mut self) -> anyhow::Result<Next> {
        loop {
            let (next, raw) = match self.splitter.split() {
                Split::Record { line, raw, is_terminated } => (Next::Record { line, is_terminated }, raw),
                Split::Malformed { line, error, raw } => (Next::Malformed { line, error }, raw),
                Split::End => (Next::End, &[][..]),
                Split::NeedsInput => {
                    match self.file.next().await {
                        Some(chunk) => self.splitter.push(&chunk.context("the file cannot be read")?),
                        None => self.splitter.finish(),
                    }
                    continue;
                }
            };
            self.raw.clear();
            self.raw.extend_from_slice(raw);
            return Ok(next);
        }
    }
}

/// A [`Split`] whose text has been copied.
enum Next {
    Record { line: u64, is_terminated: bool },
    Malformed { line: u64, error: MalformedError },
    End,
}

/// The file cannot be imported; a retry would fail in the same way.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub String);

/// Whether no field has any text, as in rows that a spreadsheet has emptied.
fn is_blank(record: &ByteRecord) -> bool {
    record.iter().all(|field| field.trim_ascii().is_empty())
}

async fn open(storage: &Storage, object_key: &str) -> anyhow::Result<ByteStream> {
    match storage.read(object_key).await {
        Ok(stream) => Ok(stream),
        // Retried, not failed at once: another worker may have it, or the folder may be mounted late.
        Err(object_store::Error::NotFound { .. }) => bail!(
            "The file of this import is not in the storage of this worker, {}. Web and workers must share one: set STORAGE_URL to the same bucket for all of them, or to the same folder, which all of their machines mount. If the import has failed by then, import the file again.",
            storage.location()
        ),
        Err(error) => Err(error).context("the storage does not answer"),
    }
}

/// The text of one record, for the parser to read.
#[derive(Default)]
struct RawRecord(io::Cursor<Vec<u8>>);

impl RawRecord {
    fn set(&mut self, text: &[u8]) {
        self.0.set_position(0);
        let buffer = self.0.get_mut();
        buffer.clear();
        buffer.extend_from_slice(text);
        // With its line ending, the parser knows that the record is whole without asking for more.
        buffer.push(b'\n');
    }
}

impl AsyncRead for RawRecord {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = self.0.read(buffer.initialize_unfilled())?;
        buffer.advance(read);
        Poll::Ready(Ok(()))
    }
}
