//! The headers of tus 1.0.0, strictly. Pure: text in, values out.

use std::str::FromStr;

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};

use crate::uploads::digest::Algorithm;

/// The only version that is supported.
pub const VERSION: &str = "1.0.0";
/// `Tus-Extension`.
pub const EXTENSIONS: &str = "creation,creation-defer-length,creation-with-upload,checksum,expiration,termination";
/// `Content-Type` of a body with bytes to append.
pub const CONTENT_TYPE: &str = "application/offset+octet-stream";

pub const TUS_RESUMABLE: &str = "Tus-Resumable";
pub const TUS_VERSION: &str = "Tus-Version";
pub const TUS_EXTENSION: &str = "Tus-Extension";
pub const TUS_MAX_SIZE: &str = "Tus-Max-Size";
pub const TUS_CHECKSUM_ALGORITHM: &str = "Tus-Checksum-Algorithm";
pub const UPLOAD_OFFSET: &str = "Upload-Offset";
pub const UPLOAD_LENGTH: &str = "Upload-Length";
pub const UPLOAD_DEFER_LENGTH: &str = "Upload-Defer-Length";
pub const UPLOAD_METADATA: &str = "Upload-Metadata";
pub const UPLOAD_CHECKSUM: &str = "Upload-Checksum";
pub const UPLOAD_CONCAT: &str = "Upload-Concat";
pub const UPLOAD_EXPIRES: &str = "Upload-Expires";
pub const METHOD_OVERRIDE: &str = "X-HTTP-Method-Override";
/// Not of tus: the path of the import of a complete upload.
pub const IMPORT: &str = "Loadify-Import";

/// Longest `Upload-Metadata`, in bytes: a name of 255 characters takes at most 1,360.
const MAX_METADATA_BYTES: usize = 8 << 10;

/// A header that does not follow the protocol: 400.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{header} {fault}")]
pub struct HeaderError {
    header: &'static str,
    fault: String,
}

fn invalid<T>(header: &'static str, fault: impl Into<String>) -> Result<T, HeaderError> {
    Err(HeaderError { header, fault: fault.into() })
}

/// Size of a new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    Known(i64),
    Deferred,
}

/// A number of bytes: digits only, so not `+1`, and at most what a file can have.
pub fn bytes(header: &'static str, value: &str) -> Result<i64, HeaderError> {
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    match value.parse() {
        Ok(bytes) if digits => Ok(bytes),
        _ => invalid(header, format!("must be a number of bytes, not \"{value}\"")),
    }
}

/// The size of the file in a request that creates an upload: exactly one of the two headers must be there.
pub fn length(length: Option<&str>, deferred: Option<&str>) -> Result<Length, HeaderError> {
    match (length, deferred) {
        (Some(value), None) => bytes(UPLOAD_LENGTH, value).map(Length::Known),
        (None, Some("1")) => Ok(Length::Deferred),
        (None, Some(other)) => invalid(UPLOAD_DEFER_LENGTH, format!("can only be 1, not \"{other}\"")),
        (None, None) => invalid(UPLOAD_LENGTH, "is missing; send the size of the file, or Upload-Defer-Length: 1"),
        (Some(_), Some(_)) => invalid(UPLOAD_LENGTH, "and Upload-Defer-Length exclude each other"),
    }
}

/// The metadata of a file that have a meaning here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    pub filename: Option<String>,
    pub filetype: Option<String>,
}

/// Key-value pairs, separated by commas: a key of visible ASCII without comma, then, if the value is not empty, a space
/// and the value in base64. No key may occur twice. Pairs with other keys are checked, and have no effect.
pub fn metadata(value: &str) -> Result<Metadata, HeaderError> {
    if value.len() > MAX_METADATA_BYTES {
        return invalid(UPLOAD_METADATA, format!("is longer than {MAX_METADATA_BYTES} bytes"));
    }
    let mut found = Metadata::default();
    let mut keys = Vec::new();
    for pair in value.split(',') {
        let pair = pair.trim_matches(' ');
        let (key, encoded) = pair.split_once(' ').unwrap_or((pair, ""));
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return invalid(UPLOAD_METADATA, "has a key that is empty or not ASCII");
        }
        if keys.contains(&key) {
            return invalid(UPLOAD_METADATA, format!("has the key {key} twice"));
        }
        keys.push(key);
        let Ok(decoded) = STANDARD.decode(encoded) else {
            return invalid(UPLOAD_METADATA, format!("has a value for {key} that is not base64"));
        };
        let field = match key {
            "filename" => &mut found.filename,
            "filetype" => &mut found.filetype,
            _ => continue,
        };
        match String::from_utf8(decoded) {
            Ok(text) => *field = Some(text),
            Err(_) => {
                return invalid(UPLOAD_METADATA, format!("has a value for {key} that is not UTF-8 inside its base64"));
            }
        }
    }
    Ok(found)
}

/// The digest that the body must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checksum {
    pub algorithm: Algorithm,
    pub digest: Vec<u8>,
}

/// The name of an algorithm, a space, and the digest in base64.
pub fn checksum(value: &str) -> Result<Checksum, HeaderError> {
    let Some((name, encoded)) = value.split_once(' ') else {
        return invalid(UPLOAD_CHECKSUM, "must be an algorithm, a space, and the digest in base64");
    };
    let Ok(algorithm) = Algorithm::from_str(name) else {
        return invalid(UPLOAD_CHECKSUM, format!("names {name}, which is not one of {}", Algorithm::ALL));
    };
    match STANDARD.decode(encoded) {
        Ok(digest) if digest.len() == algorithm.bytes() => Ok(Checksum { algorithm, digest }),
        _ => invalid(UPLOAD_CHECKSUM, format!("has no digest of {} bytes in base64", algorithm.bytes())),
    }
}

/// Whether a `Content-Type` declares bytes to append; parameters have no meaning.
pub fn is_offset_stream(content_type: &str) -> bool {
    content_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(CONTENT_TYPE)
}

/// The value of `Upload-Expires`: a date as in RFC 9110, section 5.6.7.
pub fn expires(at: DateTime<Utc>) -> String {
    httpdate::fmt_http_date(at.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_bytes_is_digits_and_fits_into_a_file() {
        assert_eq!(bytes(UPLOAD_OFFSET, "0"), Ok(0));
        assert_eq!(bytes(UPLOAD_OFFSET, "9223372036854775807"), Ok(i64::MAX));
        for wrong in ["", "-1", "+1", "1.0", "0x10", " 1", "9223372036854775808", "1,1"] {
            assert!(bytes(UPLOAD_OFFSET, wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_length_is_known_or_deferred_and_never_both() {
        assert_eq!(length(Some("5"), None), Ok(Length::Known(5)));
        assert_eq!(length(None, Some("1")), Ok(Length::Deferred));
        for (known, deferred) in [(None, None), (Some("5"), Some("1")), (None, Some("0")), (None, Some("true"))] {
            assert!(length(known, deferred).is_err(), "{known:?} {deferred:?}");
        }
    }

    #[test]
    fn metadata_is_read_in_any_script() {
        let name = "Товары 商品 ñ.csv";
        let value = format!("filename {},filetype dGV4dC9jc3Y=, relativePath bnVsbA==,is_final", STANDARD.encode(name));
        let read = metadata(&value).expect("well-formed");
        assert_eq!(read.filename.as_deref(), Some(name));
        assert_eq!(read.filetype.as_deref(), Some("text/csv"));
    }

    #[test]
    fn malformed_metadata_is_rejected() {
        for wrong in [
            "",
            ",",
            "filename YQ==,",
            "filename YQ==,filename YQ==",
            "other YQ==,other YQ==",
            "filename YQ",
            "filename Y Q==",
            "filename ???",
            "other ???",
            "näme YQ==",
            "filename /w==",
        ] {
            assert!(metadata(wrong).is_err(), "{wrong}");
        }
        assert!(metadata(&format!("other {}", "YWJj".repeat(4_000))).is_err());
    }

    #[test]
    fn a_checksum_names_a_known_algorithm_and_has_its_size() {
        let sha1 = checksum("sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=").expect("the protocol's own example");
        assert_eq!((sha1.algorithm, sha1.digest.len()), (Algorithm::Sha1, 20));
        for wrong in
            ["", "sha1", "sha1 ", "md5 1B2M2Y8AsgTpgAmY7PhCfg==", "sha1 YQ==", "sha256 Kq5sNclPz7QV2+lfQIuc6R7oRu0="]
        {
            assert!(checksum(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_content_type_may_have_any_case_but_no_other_value() {
        assert!(is_offset_stream("application/offset+octet-stream"));
        assert!(is_offset_stream("Application/Offset+Octet-Stream; charset=utf-8"));
        assert!(!is_offset_stream("application/octet-stream"));
        assert!(!is_offset_stream(""));
    }
}
