//! HTTP/1.1 without a client library: sends exactly the bytes that a test writes, on keep-alive connections.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Maximum time for a response.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);

/// A connection to a server, opened again whenever the server closes it.
pub struct RawConnection {
    /// Host and port.
    address: String,
    stream: Option<TcpStream>,
    /// Bytes of the next response that have arrived.
    buffer: Vec<u8>,
}

/// A response: the body is empty for an event stream.
#[derive(Debug, Clone)]
pub struct RawResponse {
    pub status: u16,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl RawResponse {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn has_type(&self, content_type: &str) -> bool {
        self.header("content-type").is_some_and(|found| found.starts_with(content_type))
    }
}

impl RawConnection {
    /// `base` is the URL of a server, such as `http://127.0.0.1:8000`.
    pub fn new(base: &str) -> Self {
        let address = base.trim_start_matches("http://").to_owned();
        Self { address, stream: None, buffer: Vec::new() }
    }

    /// Sends a request and reads the response. `None` if the server closes the connection without one. A request on a connection
    /// that was kept open is sent again if the server has closed it in the meantime.
    pub async fn send(&mut self, method: &str, request: &[u8]) -> Option<RawResponse> {
        let reused = self.stream.is_some();
        let response = self.exchange(method, request).await;
        if response.is_none() && reused {
            return self.exchange(method, request).await;
        }
        response
    }

    async fn exchange(&mut self, method: &str, request: &[u8]) -> Option<RawResponse> {
        if self.stream.is_none() {
            let stream = TcpStream::connect(&self.address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            self.stream = Some(stream);
            self.buffer.clear();
        }
        let response = tokio::time::timeout(RESPONSE_TIMEOUT, async {
            self.stream.as_mut()?.write_all(request).await.ok()?;
            self.read_response(method).await
        });
        let response = response.await.unwrap_or_else(|_| panic!("no response to {}", String::from_utf8_lossy(request)));
        let keep = response.as_ref().is_some_and(|response| {
            // After CONNECT, the connection is a tunnel.
            !response.has_type("text/event-stream")
                && response.header("connection") != Some("close")
                && method != "CONNECT"
        });
        if !keep {
            self.stream = None;
        }
        response
    }

    async fn read_response(&mut self, method: &str) -> Option<RawResponse> {
        let end = self.read_until(b"\r\n\r\n").await?;
        let head = String::from_utf8(self.buffer.drain(..end).collect()).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().unwrap();
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
        let mut response = RawResponse { status, headers, body: Vec::new() };
        if method == "HEAD" || matches!(status, 204 | 304) || response.has_type("text/event-stream") {
            return Some(response);
        }
        if response.header("transfer-encoding") == Some("chunked") {
            loop {
                let end = self.read_until(b"\r\n").await?;
                let line = String::from_utf8(self.buffer.drain(..end).collect()).unwrap();
                let size = usize::from_str_radix(line.trim(), 16).unwrap();
                self.fill(size + 2).await?;
                response.body.extend(self.buffer.drain(..size + 2).take(size));
                if size == 0 {
                    return Some(response);
                }
            }
        }
        let length = response.header("content-length").map_or(0, |length| length.parse().unwrap());
        self.fill(length).await?;
        response.body = self.buffer.drain(..length).collect();
        Some(response)
    }

    /// Returns the position after `pattern`.
    async fn read_until(&mut self, pattern: &[u8]) -> Option<usize> {
        loop {
            if let Some(at) = self.buffer.windows(pattern.len()).position(|window| window == pattern) {
                return Some(at + pattern.len());
            }
            self.fill(self.buffer.len() + 1).await?;
        }
    }

    /// Reads until the buffer has `length` bytes. `None` if the server closes the connection before.
    async fn fill(&mut self, length: usize) -> Option<()> {
        while self.buffer.len() < length {
            if self.stream.as_mut()?.read_buf(&mut self.buffer).await.ok()? == 0 {
                return None;
            }
        }
        Some(())
    }
}
