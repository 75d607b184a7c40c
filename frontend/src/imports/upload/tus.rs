//! The headers of tus 1.0.0 (<https://tus.io/protocols/resumable-upload>), and the meaning of a response.

use base64::{Engine, engine::general_purpose::STANDARD};
use shared::problem::{ErrorCode, Problem};

use crate::api;

pub const VERSION: &str = "1.0.0";
/// `Content-Type` of a chunk.
pub const CHUNK_CONTENT_TYPE: &str = "application/offset+octet-stream";

/// The URL at which uploads are created.
pub fn creation_url() -> String {
    format!("{}/uploads", api::BASE)
}

/// `Upload-Metadata`: keys with values in Base64.
pub fn metadata(file_name: &str) -> String {
    format!("filename {},filetype {}", STANDARD.encode(file_name), STANDARD.encode("text/csv"))
}

/// The path of a `Location`. A server behind a proxy may not know its public origin, which is ours in any case.
pub fn path_of(location: &str) -> &str {
    match location.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/", |slash| &rest[slash..]),
        None => location,
    }
}

/// A response. Without one, the status is 0.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    /// `Upload-Offset`: bytes that the server has.
    pub offset: Option<i64>,
    /// `Upload-Length`: size of the whole file.
    pub length: Option<i64>,
    /// `Location` of a new upload.
    pub location: Option<String>,
    /// Id of the import of the complete file: the last part of `Loadify-Import`.
    pub import: Option<i64>,
    /// `Retry-After`, in seconds.
    pub retry_after: Option<i64>,
    pub body: String,
}

/// What a response means for the upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is complete; this is the id of its import.
    Completed(i64),
    /// The server has this many bytes.
    Offset(i64),
    /// A proxy does not accept requests of this size.
    TooLarge,
    /// The server does not know the upload any more.
    Expired,
    /// The user has to sign in.
    SignedOut,
    /// It may succeed later, after this many seconds if that is known.
    Retry { why: String, after: Option<i64> },
    /// It will not succeed by itself.
    Rejected(Problem),
}

impl Outcome {
    pub fn retry(why: &str) -> Self {
        Self::Retry { why: why.to_owned(), after: None }
    }
}

impl Response {
    /// Returns what it means for an upload of `size` bytes.
    pub fn outcome(&self, size: i64) -> Outcome {
        match self.status {
            0 => Outcome::retry("Connection lost"),
            200..300 => self.progress(size),
            // The server has more or fewer bytes than was assumed; it says how many.
            409 if self.offset.is_some() => self.progress(size),
            401 => Outcome::SignedOut,
            404 | 410 => Outcome::Expired,
            // There is no room for the file; the server says why.
            507 => Outcome::Rejected(self.problem()),
            413 => Outcome::TooLarge,
            408 | 409 | 423 | 425 | 429 | 500.. => {
                Outcome::Retry { why: format!("The server is not ready ({})", self.status), after: self.retry_after }
            }
            _ => match self.problem() {
                // A proxy received this response to a body that broke on the way to it.
                problem if problem.code == ErrorCode::UploadIncomplete => Outcome::retry("Connection lost"),
                problem => Outcome::Rejected(problem),
            },
        }
    }

    fn progress(&self, size: i64) -> Outcome {
        if let Some(import) = self.import {
            return Outcome::Completed(import);
        }
        // An upload of another size is not this file.
        if self.length.is_some_and(|length| length != size) {
            return Outcome::Expired;
        }
        match self.offset {
            Some(offset) if (0..=size).contains(&offset) => Outcome::Offset(offset),
            Some(_) => Outcome::Expired,
            None => Outcome::retry("The response of the server is not valid"),
        }
    }

    /// The problem in an error response.
    pub fn problem(&self) -> Problem {
        // The response to HEAD never has a body.
        if self.body.is_empty() {
            let detail = format!("The server rejected the file without a reason ({}).", self.status);
            return api::problem(self.status, ErrorCode::Unknown, &detail);
        }
        let unexplained = || api::problem(self.status, ErrorCode::Unknown, "The response of the server is not valid.");
        api::parse::<serde_json::Value>(self.status, &self.body).err().unwrap_or_else(unexplained)
    }
}

/// The id at the end of `/api/v1/imports/7`.
pub fn import_of(path: &str) -> Option<i64> {
    path.rsplit('/').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16) -> Response {
        Response { status, ..Response::default() }
    }

    fn at(status: u16, offset: i64) -> Response {
        Response { offset: Some(offset), ..response(status) }
    }

    #[test]
    fn file_names_are_sent_in_base64_whatever_their_script() {
        assert_eq!(metadata("продукты.csv"), "filename 0L/RgNC+0LTRg9C60YLRiy5jc3Y=,filetype dGV4dC9jc3Y=");
    }

    #[test]
    fn only_the_path_of_a_location_counts() {
        for location in ["http://internal:8000/api/v1/uploads/a", "/api/v1/uploads/a"] {
            assert_eq!(path_of(location), "/api/v1/uploads/a");
        }
        assert_eq!(path_of("http://internal"), "/");
    }

    #[test]
    fn the_offset_of_the_server_counts_even_if_it_is_unexpected() {
        assert_eq!(at(204, 50).outcome(100), Outcome::Offset(50));
        assert_eq!(at(409, 70).outcome(100), Outcome::Offset(70));
        let head = Response { length: Some(100), ..at(200, 0) };
        assert_eq!(head.outcome(100), Outcome::Offset(0));
    }

    #[test]
    fn a_complete_upload_names_its_import() {
        let last = Response { import: import_of("/api/v1/imports/7"), ..at(204, 100) };
        assert_eq!(last.outcome(100), Outcome::Completed(7));
        assert_eq!(import_of("/api/v1/imports/"), None);
    }

    #[test]
    fn an_upload_that_is_gone_or_of_another_size_is_restarted() {
        assert_eq!(response(404).outcome(100), Outcome::Expired);
        assert_eq!(response(410).outcome(100), Outcome::Expired);
        assert_eq!(Response { length: Some(99), ..at(200, 10) }.outcome(100), Outcome::Expired);
        assert_eq!(at(204, 101).outcome(100), Outcome::Expired);
    }

    #[test]
    fn temporary_errors_are_retried() {
        for status in [0, 408, 409, 423, 429, 500, 502, 503, 504] {
            assert!(matches!(response(status).outcome(100), Outcome::Retry { .. }), "{status}");
        }
        let busy = Response { retry_after: Some(9), ..response(503) };
        assert_eq!(
            busy.outcome(100),
            Outcome::Retry { why: "The server is not ready (503)".to_owned(), after: Some(9) }
        );
        assert_eq!(response(204).outcome(100), Outcome::retry("The response of the server is not valid"));
    }

    #[test]
    fn an_incomplete_body_is_a_lost_connection() {
        let body = r#"{"type":"about:blank","title":"","status":400,"code":"upload_incomplete","detail":"Cut."}"#;
        let cut = Response { body: body.to_owned(), ..response(400) };
        assert_eq!(cut.outcome(100), Outcome::retry("Connection lost"));
    }

    #[test]
    fn permanent_errors_have_the_text_of_the_server() {
        let body = r#"{"type":"about:blank","title":"","status":422,"code":"no_sku_column","detail":"No sku."}"#;
        let Outcome::Rejected(problem) = Response { body: body.to_owned(), ..response(422) }.outcome(100) else {
            panic!("not rejected");
        };
        assert_eq!((problem.code, problem.detail.as_str()), (ErrorCode::NoSkuColumn, "No sku."));
        assert_eq!(response(401).outcome(100), Outcome::SignedOut);
        assert_eq!(response(413).outcome(100), Outcome::TooLarge);
        assert!(matches!(response(507).outcome(100), Outcome::Rejected(_)));
    }
}
