//! What a client of the tus protocol sends, request by request.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use reqwest::{Method, Response, StatusCode};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{PATIENCE, TestApp};

/// What bytes to append are declared as.
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
        Self { base: base.to_owned(), client: reqwest::Client::new() }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// A request as it is given, without what a client would add.
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

    /// Begins an upload. Gives its path.
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

    /// Where the upload is, by HEAD.
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

/// `Upload-Offset` of an answer.
pub fn offset_of(response: &Response) -> usize {
    header(response, "upload-offset").expect("an Upload-Offset").parse().unwrap()
}

/// The number of the import that an answer names.
pub fn import_of(response: &Response) -> i64 {
    let address = header(response, "loadify-import").expect("a Loadify-Import");
    address.strip_prefix("/api/v1/imports/").expect("the address of an import").parse().unwrap()
}

/// A pair of `Upload-Metadata`.
pub fn pair(key: &str, value: &str) -> String {
    format!("{key} {}", STANDARD.encode(value))
}

/// A PATCH that is sent bit by bit.
pub struct OpenPatch {
    line: TcpStream,
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
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let mut line = TcpStream::connect(address).await.unwrap();
        line.write_all(format!("{head}\r\n").as_bytes()).await.unwrap();
        Self { line }
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.line.write_all(bytes).await.unwrap();
    }

    /// Hangs up without a word.
    pub fn reset(self) {
        self.line.set_zero_linger().unwrap();
    }

    /// The whole answer; ends when the server closes the line.
    pub async fn answer(mut self) -> String {
        let mut answer = Vec::new();
        let read = tokio::time::timeout(PATIENCE, self.line.read_to_end(&mut answer)).await;
        read.expect("the server closes the line").unwrap();
        String::from_utf8_lossy(&answer).to_lowercase()
    }
}
