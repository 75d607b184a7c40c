//! Sends the same requests to this server and to the official one (`@tus/server` with `@tus/file-store`). Each difference in
//! a response is listed in [`EXPLAINED`], and each entry of that list occurs.

use std::{collections::BTreeMap, fmt::Write};

use reqwest::{Method, Response};
use tests::{
    TestApp,
    tus::{OFFSET_STREAM, Tus, header},
};

use crate::uploads::clients::Reference;

const MAX_SIZE: usize = 1_000;
const FILE: &str = "sku,name\na,Tea\nb,Cup\n";

/// Headers whose values must be the same.
const VALUES: [&str; 9] = [
    "tus-resumable",
    "tus-version",
    "tus-extension",
    "tus-max-size",
    "upload-offset",
    "upload-length",
    "upload-defer-length",
    "upload-metadata",
    "cache-control",
];
/// Headers that must be in both responses or in none.
const PRESENCE: [&str; 2] = ["upload-expires", "location"];

/// Step, what differs, our response, theirs, and why.
#[rustfmt::skip]
const EXPLAINED: &[(&str, &str, &str, &str, &str)] = &[
    ("options", "tus-resumable", "-", "1.0.0", "the protocol requires it in each response except to OPTIONS"),
    ("options", "tus-extension", "checksum,creation,creation-defer-length,creation-with-upload,expiration,termination",
        "creation,creation-defer-length,creation-with-upload,expiration,termination", CHECKSUM),
    ("no version", "tus-version", "1.0.0", "-", VERSION),
    ("other version", "tus-version", "1.0.0", "-", VERSION),
    ("other version", "status", "412", "400", "the protocol requires 412 for an unsupported version"),
    ("too large", "tus-max-size", "1000", "-", MAX),
    ("empty file", "location", "-", "there", EMPTY),
    ("empty file", "status", "422", "201", EMPTY),
    ("concatenation", "status", "400", "501", "it is an error of the client: the extension is not announced"),
    ("head at 0", "upload-expires", "there", "-", EXPIRES),
    ("head, no version", "tus-version", "1.0.0", "-", VERSION),
    ("patch, no version", "tus-version", "1.0.0", "-", VERSION),
    ("patch, no offset", "status", "400", "403", "nothing is forbidden, a header is missing"),
    ("patch, no type", "status", "415", "403", TYPE),
    ("patch, other type", "status", "415", "400", TYPE),
    ("patch behind the end", "upload-offset", "0", "-", OFFSET),
    ("patch before the end", "upload-offset", "5", "-", OFFSET),
    ("head at 5", "upload-expires", "there", "-", EXPIRES),
    ("head at 8", "upload-expires", "there", "-", EXPIRES),
    ("patch beyond the length", "tus-max-size", "1000", "-", MAX),
    ("wrong checksum", "upload-offset", "-", "1", CHECKSUM),
    ("wrong checksum", "upload-expires", "-", "there", CHECKSUM),
    ("wrong checksum", "status", "460", "204", CHECKSUM),
    ("unknown checksum", "upload-offset", "-", "1", CHECKSUM),
    ("unknown checksum", "upload-expires", "-", "there", CHECKSUM),
    ("unknown checksum", "status", "400", "204", CHECKSUM),
    ("patch with the length again", "upload-offset", "8", "-", AGAIN),
    ("patch with the length again", "upload-expires", "there", "-", AGAIN),
    ("patch with the length again", "status", "204", "400", AGAIN),
    ("too much", "tus-max-size", "1000", "-", MAX),
    ("head of it", "upload-expires", "there", "-", EXPIRES),
    ("head, deferred", "upload-expires", "there", "-", EXPIRES),
    ("length too large", "tus-max-size", "1000", "-", MAX),
    ("head, no longer deferred", "upload-expires", "there", "-", EXPIRES),
    ("overridden method", "upload-offset", "9", "-", OVERRIDE),
    ("overridden method", "upload-expires", "there", "-", OVERRIDE),
    ("overridden method", "status", "204", "400", OVERRIDE),
];

const VERSION: &str = "the protocol requires the versions in a 412";
const MAX: &str = "a client whose file is too large needs the maximum size";
const EMPTY: &str = "a file without a row cannot be imported, and is rejected with the same error as by POST /imports";
const EXPIRES: &str = "a client that reconnects with HEAD also needs the expiry";
const TYPE: &str = "the protocol requires 415 for a body of another type";
const OFFSET: &str = "a client with the wrong offset needs the right one";
const CHECKSUM: &str = "the official server does not have this extension and ignores its header";
const AGAIN: &str = "a client that missed the response may repeat its length; another length is rejected";
const OVERRIDE: &str = "the protocol requires it; the official server uses only the method of the request";

struct Step {
    name: &'static str,
    method: Method,
    /// The upload that a step of this name created; none means `/uploads`.
    upload: Option<&'static str>,
    headers: Vec<(&'static str, &'static str)>,
    body: &'static str,
}

fn begin(name: &'static str, headers: &[(&'static str, &'static str)], body: &'static str) -> Step {
    Step { name, method: Method::POST, upload: None, headers: versioned(headers), body }
}

fn to(
    upload: &'static str,
    name: &'static str,
    method: Method,
    headers: &[(&'static str, &'static str)],
    body: &'static str,
) -> Step {
    Step { name, method, upload: Some(upload), headers: versioned(headers), body }
}

fn versioned(headers: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    let mut all = headers.to_vec();
    if !headers.iter().any(|(name, _)| *name == "Tus-Resumable") {
        all.insert(0, ("Tus-Resumable", "1.0.0"));
    }
    all.retain(|(_, value)| !value.is_empty());
    all
}

/// A body for `offset`.
fn at(offset: &'static str) -> [(&'static str, &'static str); 2] {
    [OFFSET_STREAM, ("Upload-Offset", offset)]
}

/// The rules of the protocol, one request after the other.
#[rustfmt::skip]
fn steps() -> Vec<Step> {
    let length = ("Upload-Length", "21");
    let name = ("Upload-Metadata", "filename 0KLQvtCy0LDRgNGLLmNzdg==,filetype dGV4dC9jc3Y=");
    let with = |offset, more| { let mut all = at(offset).to_vec(); all.push(more); all };
    vec![
        Step { name: "options", method: Method::OPTIONS, upload: None, headers: vec![], body: "" },
        begin("no version", &[("Tus-Resumable", ""), length], ""),
        begin("other version", &[("Tus-Resumable", "0.2.2"), length], ""),
        begin("no length", &[], ""),
        begin("both lengths", &[length, ("Upload-Defer-Length", "1")], ""),
        begin("negative length", &[("Upload-Length", "-1")], ""),
        begin("length in words", &[("Upload-Length", "many")], ""),
        begin("deferred, not 1", &[("Upload-Defer-Length", "2")], ""),
        begin("too large", &[("Upload-Length", "1001")], ""),
        begin("empty file", &[("Upload-Length", "0")], ""),
        begin("bad metadata", &[length, ("Upload-Metadata", "filename *")], ""),
        begin("repeated key", &[length, ("Upload-Metadata", "filename YQ==,filename Yg==")], ""),
        begin("concatenation", &[length, ("Upload-Concat", "partial")], ""),
        begin("plain", &[length, name], ""),
        to("plain", "head at 0", Method::HEAD, &[], ""),
        to("plain", "head, no version", Method::HEAD, &[("Tus-Resumable", "")], ""),
        to("plain", "patch, no version", Method::PATCH, &with("0", ("Tus-Resumable", "")), "12345"),
        to("plain", "patch, no offset", Method::PATCH, &[OFFSET_STREAM], "12345"),
        to("plain", "patch, negative offset", Method::PATCH, &at("-1"), "12345"),
        to("plain", "patch, no type", Method::PATCH, &[("Upload-Offset", "0")], "12345"),
        to("plain", "patch, other type", Method::PATCH, &[("Upload-Offset", "0"), ("Content-Type", "text/csv")], "12345"),
        to("plain", "patch behind the end", Method::PATCH, &at("5"), "12345"),
        to("plain", "patch", Method::PATCH, &at("0"), "sku,n"),
        to("plain", "patch before the end", Method::PATCH, &at("0"), "sku,n"),
        to("plain", "head at 5", Method::HEAD, &[], ""),
        to("plain", "patch further", Method::PATCH, &at("5"), "ame"),
        to("plain", "head at 8", Method::HEAD, &[], ""),
        to("plain", "patch with another length", Method::PATCH, &with("8", ("Upload-Length", "22")), "\n"),
        to("plain", "patch beyond the length", Method::PATCH, &at("8"), "\na,Tea\nb,Cup\nmore"),
        begin("checked", &[length], ""),
        to("checked", "wrong checksum", Method::PATCH, &with("0", ("Upload-Checksum", "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=")), "s"),
        begin("checked badly", &[length], ""),
        to("checked badly", "unknown checksum", Method::PATCH, &with("0", ("Upload-Checksum", "md5 1B2M2Y8AsgTpgAmY7PhCfg==")), "s"),
        begin("repeated", &[length], ""),
        to("repeated", "patch with the length again", Method::PATCH, &with("0", length), "sku,name"),
        begin("another", &[length, name], ""),
        to("another", "all of it", Method::PATCH, &at("0"), FILE),
        to("another", "head of the whole", Method::HEAD, &[], ""),
        to("another", "nothing more", Method::PATCH, &at("21"), ""),
        to("another", "too much", Method::PATCH, &at("21"), "x"),
        begin("with upload", &[length, OFFSET_STREAM], "sku,n"),
        to("with upload", "head of it", Method::HEAD, &[], ""),
        begin("whole upload", &[length, OFFSET_STREAM], FILE),
        begin("deferred", &[("Upload-Defer-Length", "1")], ""),
        to("deferred", "head, deferred", Method::HEAD, &[], ""),
        to("deferred", "patch, deferred", Method::PATCH, &at("0"), "sku,n"),
        to("deferred", "length too small", Method::PATCH, &with("5", ("Upload-Length", "4")), ""),
        to("deferred", "length too large", Method::PATCH, &with("5", ("Upload-Length", "1001")), ""),
        to("deferred", "length at last", Method::PATCH, &with("5", length), "ame"),
        to("deferred", "head, no longer deferred", Method::HEAD, &[], ""),
        to("deferred", "overridden method", Method::POST, &[("X-HTTP-Method-Override", "PATCH"), OFFSET_STREAM, ("Upload-Offset", "8")], "\n"),
        to("deferred", "delete", Method::DELETE, &[], ""),
        to("deferred", "head of the deleted", Method::HEAD, &[], ""),
        to("deferred", "patch of the deleted", Method::PATCH, &at("8"), "\n"),
        to("deferred", "delete of the deleted", Method::DELETE, &[], ""),
    ]
}

/// Returns the compared parts of a response.
fn compared(response: &Response) -> BTreeMap<&'static str, String> {
    let mut compared = BTreeMap::from([("status", response.status().as_u16().to_string())]);
    for name in VALUES {
        if let Some(value) = header(response, name) {
            compared.insert(name, value);
        }
    }
    for name in PRESENCE {
        if response.headers().contains_key(name) {
            compared.insert(name, "there".into());
        }
    }
    if let Some(extensions) = compared.get_mut("tus-extension") {
        let mut sorted: Vec<&str> = extensions.split(',').collect();
        sorted.sort_unstable();
        *extensions = sorted.join(",");
    }
    compared
}

/// Sends all steps to a server.
async fn responses(server: &Tus) -> Vec<BTreeMap<&'static str, String>> {
    let mut uploads: BTreeMap<&str, String> = BTreeMap::new();
    let mut all = Vec::new();
    for step in steps() {
        let path = step.upload.map_or("/api/v1/uploads", |name| uploads.get(name).expect("created before"));
        let response = server.bare(step.method, path, &step.headers, step.body).await;
        if let Some(location) = header(&response, "location") {
            let path = location.find("/api/").map_or(location.clone(), |start| location[start..].to_owned());
            uploads.insert(step.name, path);
        }
        all.push(compared(&response));
    }
    all
}

#[tokio::test]
async fn responses_equal_those_of_the_official_server_except_for_explained_differences() {
    let app = TestApp::start_with(&[("MAX_UPLOAD_BYTES", &MAX_SIZE.to_string())]).await;
    let reference = Reference::start(MAX_SIZE).await;
    let (ours, theirs) = (responses(&Tus::of(&app)).await, responses(&Tus::at(&reference.base)).await);
    let mut unmet: Vec<_> =
        EXPLAINED.iter().map(|(step, field, ours, theirs, _)| (*step, *field, *ours, *theirs)).collect();
    let mut unexplained = String::new();
    let none = "-".to_owned();
    for ((step, ours), theirs) in steps().into_iter().zip(&ours).zip(&theirs) {
        for field in VALUES.iter().chain(&PRESENCE).chain(&["status"]) {
            let (ours, theirs) = (ours.get(field).unwrap_or(&none), theirs.get(field).unwrap_or(&none));
            // No response of this API may be cached; the protocol requires this only for some.
            if ours == theirs || (*field == "cache-control" && ours == "no-store" && *theirs == none) {
                continue;
            }
            let known = unmet.iter().position(|known| *known == (step.name, *field, ours.as_str(), theirs.as_str()));
            match known {
                Some(index) => drop(unmet.remove(index)),
                None => writeln!(unexplained, "    (\"{}\", \"{field}\", \"{ours}\", \"{theirs}\", \"\"),", step.name)
                    .unwrap(),
            }
        }
    }
    assert!(unexplained.is_empty(), "unexplained differences:\n{unexplained}");
    assert!(unmet.is_empty(), "explained, but no longer a difference: {unmet:#?}");
    assert!(EXPLAINED.iter().all(|(.., why)| !why.is_empty()));
}
