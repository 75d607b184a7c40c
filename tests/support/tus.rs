//! A client of the tus protocol, request by request.

use std::{fmt::Write, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use reqwest::{Method, Response, StatusCode};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{TestApp, WAIT_TIMEOUT};

/// `Content-Type` of a body with bytes to append.
pub const OFFSET_STREAM: (&str, &str) = ("Content-Type", "application/offset+octet-stream");

/// A client of one web process.
#[derive(Clone)]
pub struct Tus {
    base: String,
    client: reqwest::Client,
}

impl Tus {
    pub fn of(app: &TestApp) -> Self {
        Self::at(&app.base)
    }

    pub fn at(base: &str) -> Self {
        Self::with(base, &reqwest::Client::new())
    }

    /// Returns a client with the headers of an HTTP client, for example of a session.
    pub fn with(base: &str, client: &reqwest::Client) -> Self {
        Self { base: base.to_owned(), client: client.clone() }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Sends a request with only the given headers.
    pub async fn bare(&self, method: Method, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Response {
        let mut request = self.client.request(method, self.url(path)).timeout(Duration::from_secs(50));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(body.into()).send().await.unwrap()
    }

    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Response {
        let mut all = vec![("Tus-Resumable", "1.0.0")];
        all.extend_from_slice(headers);
        self.bare(method, path, &all, body).await
    }

    pub async fn create_with(&self, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Response {
        self.send(Method::POST, "/api/v1/uploads", headers, body).await
    }

    /// Creates an upload. Returns its path.
    pub async fn create(&self, length: usize) -> String {
        let response = self.create_with(&[("Upload-Length", &length.to_string())], "").await;
        assert_eq!(response.status(), StatusCode::CREATED);
        header(&response, "location").unwrap()
    }

    pub async fn patch_with(
        &self,
        path: &str,
        offset: usize,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Response {
        let offset = offset.to_string();
        let mut all = vec![OFFSET_STREAM, ("Upload-Offset", offset.as_str())];
        all.extend_from_slice(headers);
        self.send(Method::PATCH, path, &all, body).await
    }

    pub async fn patch(&self, path: &str, offset: usize, body: impl Into<Bytes>) -> Response {
        self.patch_with(path, offset, &[], body).await
    }

    pub async fn head(&self, path: &str) -> Response {
        self.send(Method::HEAD, path, &[], "").await
    }

    /// Returns the offset of the upload, from a HEAD request.
    pub async fn offset(&self, path: &str) -> usize {
        let response = self.head(path).await;
        assert_eq!(response.status(), StatusCode::OK);
        offset_of(&response)
    }

    pub async fn delete(&self, path: &str) -> Response {
        self.send(Method::DELETE, path, &[], "").await
    }
}

pub fn header(response: &Response, name: &str) -> Option<String> {
    response.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
}

/// `Upload-Offset` of a response.
pub fn offset_of(response: &Response) -> usize {
    header(response, "upload-offset").expect("an Upload-Offset").parse().unwrap()
}

/// The id of the import in a response.
pub fn import_of(response: &Response) -> i64 {
    let address = header(response, "loadify-import").expect("a Loadify-Import");
    address.strip_prefix("/api/v1/imports/").expect("the path of an import").parse().unwrap()
}

/// A pair of `Upload-Metadata`.
pub fn pair(key: &str, value: &str) -> String {
    format!("{key} {}", STANDARD.encode(value))
}

/// A PATCH whose body is sent in parts.
pub struct OpenPatch {
    connection: TcpStream,
}

impl OpenPatch {
    /// Sends the head, for a body of `length` bytes at `offset`.
    pub async fn begin(base: &str, path: &str, offset: usize, length: usize, headers: &[(&str, &str)]) -> Self {
        let address = base.trim_start_matches("http://");
        let mut head = format!(
            "PATCH {path} HTTP/1.1\r\nHost: {address}\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: {offset}\r\n\
             Content-Type: application/offset+octet-stream\r\nContent-Length: {length}\r\n"
        );
        for (name, value) in headers {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        let mut connection = TcpStream::connect(address).await.unwrap();
        connection.write_all(format!("{head}\r\n").as_bytes()).await.unwrap();
        Self { connection }
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.connection.write_all(bytes).await.unwrap();
    }

    /// Resets the connection.
    pub fn reset(self) {
        self.connection.set_zero_linger().unwrap();
    }

    /// Returns the whole response; ends when the server closes the connection.
    pub async fn response(mut self) -> String {
        let mut response = Vec::new();
        let read = tokio::time::timeout(WAIT_TIMEOUT, self.connection.read_to_end(&mut response)).await;
        read.expect("the server closes the connection").unwrap();
        String::from_utf8_lossy(&response).to_lowercase()
    }
}

/// A POST of a file whose body is sent in parts.
pub struct OpenPost {
    connection: TcpStream,
}

impl OpenPost {
    /// Sends the head, for a body of `length` bytes.
    pub async fn begin(base: &str, path: &str, length: usize) -> Self {
        let address = base.trim_start_matches("http://");
        let mut connection = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: text/csv\r\nContent-Length: {length}\r\n\r\n"
        );
        connection.write_all(head.as_bytes()).await.unwrap();
        Self { connection }
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.connection.write_all(bytes).await.unwrap();
    }
}
