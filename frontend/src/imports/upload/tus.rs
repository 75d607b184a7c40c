//! The words of tus 1.0.0 (<https://tus.io/protocols/resumable-upload>), and what an answer means.

use base64::{Engine, engine::general_purpose::STANDARD};
use shared::problem::{ErrorCode, Problem};

use crate::api;

pub const VERSION: &str = "1.0.0";
/// The type of a block.
pub const BLOCK_TYPE: &str = "application/offset+octet-stream";

/// Where uploads are created.
pub fn creation_url() -> String {
    format!("{}/uploads", api::BASE)
}

/// `Upload-Metadata`: keys with values in Base64.
pub fn metadata(file_name: &str) -> String {
    format!("filename {},filetype {}", STANDARD.encode(file_name), STANDARD.encode("text/csv"))
}

/// The path of a `Location`. A server behind a proxy may not know by which origin it is seen, and it is ours in any case.
pub fn path_of(location: &str) -> &str {
    match location.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/", |slash| &rest[slash..]),
        None => location,
    }
}

/// What came back. Without an answer, the status is 0.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// `Upload-Offset`: bytes that the server has.
    pub offset: Option<i64>,
    /// `Upload-Length`: bytes that it expects in all.
    pub length: Option<i64>,
    /// `Location` of a new upload.
    pub location: Option<String>,
    /// The import that the upload has become: the last part of `Loadify-Import`.
    pub import: Option<i64>,
    /// `Retry-After`, in seconds.
    pub retry_after: Option<i64>,
    pub body: String,
}

/// What an answer means for the upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is complete, and has become this import.
    Arrived(i64),
    /// The server has so many bytes.
    At(i64),
    /// Something in between takes no request of this size.
    TooLarge,
    /// The server knows the upload no more.
    Expired,
    /// One has to sign in.
    SignedOut,
    /// It may go better later; where that is known, after so many seconds.
    Later { why: String, after: Option<i64> },
    /// It will not go better.
    Refused(Problem),
}

impl Verdict {
    pub fn later(why: &str) -> Self {
        Self::Later { why: why.to_owned(), after: None }
    }
}

impl Answer {
    /// What it means for an upload of `size` bytes.
    pub fn verdict(&self, size: i64) -> Verdict {
        match self.status {
            0 => Verdict::later("Connection lost"),
            200..300 => self.progress(size),
            // The server has more or less than was thought; it says how much.
            409 if self.offset.is_some() => self.progress(size),
            401 => Verdict::SignedOut,
            404 | 410 => Verdict::Expired,
            413 => Verdict::TooLarge,
            408 | 409 | 423 | 425 | 429 | 500.. => {
                Verdict::Later { why: format!("The server is not ready ({})", self.status), after: self.retry_after }
            }
            _ => match self.problem() {
                // Where a proxy hears the answer to a body that broke off on the way to it.
                problem if problem.code == ErrorCode::UploadIncomplete => Verdict::later("Connection lost"),
                problem => Verdict::Refused(problem),
            },
        }
    }

    fn progress(&self, size: i64) -> Verdict {
        if let Some(import) = self.import {
            return Verdict::Arrived(import);
        }
        // An upload of another size is not this file.
        if self.length.is_some_and(|length| length != size) {
            return Verdict::Expired;
        }
        match self.offset {
            Some(offset) if (0..=size).contains(&offset) => Verdict::At(offset),
            Some(_) => Verdict::Expired,
            None => Verdict::later("The server's answer cannot be understood"),
        }
    }

    /// The reason of a refusal.
    pub fn problem(&self) -> Problem {
        // The answer to HEAD never has a body.
        if self.body.is_empty() {
            let detail = format!("The server refuses the file and gives no reason ({}).", self.status);
            return api::problem(self.status, ErrorCode::Unknown, &detail);
        }
        let unexplained = || api::problem(self.status, ErrorCode::Unknown, "The server's answer cannot be understood.");
        api::parse::<serde_json::Value>(self.status, &self.body).err().unwrap_or_else(unexplained)
    }
}

/// The number at the end of `/api/v1/imports/7`.
pub fn import_of(path: &str) -> Option<i64> {
    path.rsplit('/').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16) -> Answer {
        Answer { status, ..Answer::default() }
    }

    fn at(status: u16, offset: i64) -> Answer {
        Answer { offset: Some(offset), ..answer(status) }
    }

    #[test]
    fn names_travel_in_base64_whatever_their_script() {
        assert_eq!(metadata("продукты.csv"), "filename 0L/RgNC+0LTRg9C60YLRiy5jc3Y=,filetype dGV4dC9jc3Y=");
    }

    #[test]
    fn of_a_location_only_the_path_counts() {
        for location in ["http://internal:8000/api/v1/uploads/a", "/api/v1/uploads/a"] {
            assert_eq!(path_of(location), "/api/v1/uploads/a");
        }
        assert_eq!(path_of("http://internal"), "/");
    }

    #[test]
    fn bytes_that_are_there_count_even_where_they_were_not_expected() {
        assert_eq!(at(204, 50).verdict(100), Verdict::At(50));
        assert_eq!(at(409, 70).verdict(100), Verdict::At(70));
        let head = Answer { length: Some(100), ..at(200, 0) };
        assert_eq!(head.verdict(100), Verdict::At(0));
    }

    #[test]
    fn a_complete_upload_names_its_import() {
        let last = Answer { import: import_of("/api/v1/imports/7"), ..at(204, 100) };
        assert_eq!(last.verdict(100), Verdict::Arrived(7));
        assert_eq!(import_of("/api/v1/imports/"), None);
    }

    #[test]
    fn an_upload_that_is_gone_or_another_begins_anew() {
        assert_eq!(answer(404).verdict(100), Verdict::Expired);
        assert_eq!(answer(410).verdict(100), Verdict::Expired);
        assert_eq!(Answer { length: Some(99), ..at(200, 10) }.verdict(100), Verdict::Expired);
        assert_eq!(at(204, 101).verdict(100), Verdict::Expired);
    }

    #[test]
    fn trouble_that_passes_is_waited_for() {
        for status in [0, 408, 409, 423, 429, 500, 502, 503, 504] {
            assert!(matches!(answer(status).verdict(100), Verdict::Later { .. }), "{status}");
        }
        let busy = Answer { retry_after: Some(9), ..answer(503) };
        assert_eq!(
            busy.verdict(100),
            Verdict::Later { why: "The server is not ready (503)".to_owned(), after: Some(9) }
        );
        assert_eq!(answer(204).verdict(100), Verdict::later("The server's answer cannot be understood"));
    }

    #[test]
    fn a_body_that_broke_off_is_a_lost_connection() {
        let body = r#"{"type":"about:blank","title":"","status":400,"code":"upload_incomplete","detail":"Cut."}"#;
        let cut = Answer { body: body.to_owned(), ..answer(400) };
        assert_eq!(cut.verdict(100), Verdict::later("Connection lost"));
    }

    #[test]
    fn trouble_that_stays_is_told_in_the_servers_words() {
        let body = r#"{"type":"about:blank","title":"","status":422,"code":"no_sku_column","detail":"No sku."}"#;
        let Verdict::Refused(problem) = Answer { body: body.to_owned(), ..answer(422) }.verdict(100) else {
            panic!("refused");
        };
        assert_eq!((problem.code, problem.detail.as_str()), (ErrorCode::NoSkuColumn, "No sku."));
        assert_eq!(answer(401).verdict(100), Verdict::SignedOut);
        assert_eq!(answer(413).verdict(100), Verdict::TooLarge);
    }
}
