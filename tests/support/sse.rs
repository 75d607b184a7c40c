//! A client of Server-Sent Events that behaves like a browser and records the blocks for tests.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream::BoxStream};
use reqwest::{StatusCode, header::HeaderMap};
use shared::{
    event::{EventKind, ImportEvent, ImportState},
    job::JobStatus,
};

use crate::WAIT_TIMEOUT;

/// One block of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// The unnumbered event at the beginning.
    State(Box<ImportState>),
    Event(ImportEvent),
    Comment(String),
    Retry(Duration),
    /// The server has ended the stream.
    End,
}

pub struct EventStream {
    pub status: StatusCode,
    pub headers: HeaderMap,
    bytes: BoxStream<'static, reqwest::Result<Bytes>>,
    buffer: String,
}

impl EventStream {
    pub async fn open(client: &reqwest::Client, base: &str, id: i64, seen: Option<i64>) -> Self {
        let mut request =
            client.get(format!("{base}/api/v1/imports/{id}/events")).header("Accept", "text/event-stream");
        request = request.header("Accept-Encoding", "br, gzip");
        if let Some(seen) = seen {
            request = request.header("Last-Event-ID", seen);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        Self { status, headers, bytes: response.bytes_stream().boxed(), buffer: String::new() }
    }

    /// Returns the next block.
    ///
    /// # Errors
    /// Fails when the connection breaks.
    pub async fn next(&mut self) -> reqwest::Result<Block> {
        loop {
            if let Some(end) = self.buffer.find("\n\n") {
                let block: String = self.buffer.drain(..end + 2).collect();
                return Ok(parse(block.trim_end()));
            }
            let chunk = tokio::time::timeout(WAIT_TIMEOUT, self.bytes.next()).await.expect("the stream is silent");
            match chunk {
                Some(chunk) => self.buffer.push_str(std::str::from_utf8(&chunk?).expect("UTF-8")),
                None => return Ok(Block::End),
            }
        }
    }

    /// Returns the next numbered event, or `None` at the end of the stream.
    pub async fn next_event(&mut self) -> reqwest::Result<Option<ImportEvent>> {
        loop {
            match self.next().await? {
                Block::Event(event) => return Ok(Some(event)),
                Block::End => return Ok(None),
                _ => {}
            }
        }
    }

    /// Returns all numbered events up to the end of the stream.
    pub async fn to_end(mut self) -> Vec<ImportEvent> {
        let mut events = Vec::new();
        while let Some(event) = self.next_event().await.expect("the stream is not cut") {
            events.push(event);
        }
        events
    }
}

/// A stream whose events are distinguished by name.
pub struct NamedStream {
    pub status: StatusCode,
    bytes: BoxStream<'static, reqwest::Result<Bytes>>,
    buffer: String,
}

impl NamedStream {
    pub async fn open(request: reqwest::RequestBuilder) -> Self {
        let response = request.header("Accept", "text/event-stream").send().await.unwrap();
        Self { status: response.status(), bytes: response.bytes_stream().boxed(), buffer: String::new() }
    }

    /// Returns the name and the data of the next event, or `None` at the end of the stream.
    pub async fn next(&mut self) -> Option<(String, serde_json::Value)> {
        loop {
            while let Some(end) = self.buffer.find("\n\n") {
                let block: String = self.buffer.drain(..end + 2).collect();
                let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::trim_start);
                if let Some(name) = field("event:") {
                    return Some((name.to_owned(), serde_json::from_str(field("data:")?).expect("JSON")));
                }
            }
            let chunk = tokio::time::timeout(WAIT_TIMEOUT, self.bytes.next()).await.expect("the stream is silent");
            self.buffer.push_str(std::str::from_utf8(&chunk?.expect("the stream is not cut")).expect("UTF-8"));
        }
    }

    /// Waits until the server has accepted the stream: its first block sets the reconnection time.
    pub async fn ready(mut self) -> Self {
        while !self.buffer.contains("retry:") {
            let chunk = tokio::time::timeout(WAIT_TIMEOUT, self.bytes.next()).await.expect("the stream is silent");
            let chunk = chunk.expect("the stream continues").expect("the stream is not cut");
            self.buffer.push_str(std::str::from_utf8(&chunk).expect("UTF-8"));
        }
        self
    }
}

fn parse(block: &str) -> Block {
    let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::trim_start);
    if let Some(comment) = block.strip_prefix(':') {
        return Block::Comment(comment.trim().to_owned());
    }
    if let Some(retry) = field("retry:") {
        return Block::Retry(Duration::from_millis(retry.parse().expect("a number")));
    }
    let data = field("data:").unwrap_or_else(|| panic!("a block without data: {block}"));
    if field("event:") == Some("state") {
        assert_eq!(field("id:"), None, "the state has no number");
        return Block::State(Box::new(serde_json::from_str(data).expect("an ImportState")));
    }
    let event: ImportEvent = serde_json::from_str(data).expect("an ImportEvent");
    assert_eq!(field("id:"), Some(event.seq.to_string().as_str()));
    assert_eq!(field("event:"), Some(event.kind.as_str()));
    Block::Event(event)
}

/// Fails unless the events are numbered `first`, `first + 1`, ... and end with the only final one, apart from failures that
/// were retried.
pub fn assert_numbered(events: &[ImportEvent], first: i64) {
    let numbers: Vec<i64> = events.iter().map(|event| event.seq).collect();
    let expected: Vec<i64> = (first..).take(numbers.len()).collect();
    assert_eq!(numbers, expected);
    assert!(events.last().is_some_and(|event| event.status.is_final()), "the last event is final");
    for pair in events.windows(2) {
        let failed = pair[0].status == JobStatus::Failed;
        assert_eq!(failed, pair[1].kind == EventKind::Retried, "a retry follows a failure, and nothing else: {pair:?}");
        assert!(failed || !pair[0].status.is_final(), "nothing follows the final event: {pair:?}");
        assert!(pair[0].counts.read <= pair[1].counts.read, "counts never decrease: {pair:?}");
    }
}
