//! The files of the page, kept in memory. `scripts/build-page` compresses them; what it did not is compressed at start.

use std::{collections::HashMap, io::Write, path::Path};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        Method,
        header::{self, HeaderValue},
    },
    web::{Bytes, Data},
};
use anyhow::Context;
use base64::{Engine, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};

use crate::http::{ApiError, security_headers};

/// Brotli's quality, 0 to 11: at 9 a megabyte takes about a third of a second, and the result is 3 % larger than at 11.
const BROTLI_QUALITY: u32 = 9;

struct Asset {
    content_type: String,
    plain: Bytes,
    gzip: Option<Bytes>,
    brotli: Option<Bytes>,
}

/// The files of the page by path, without the leading slash.
pub struct Assets {
    files: HashMap<String, Asset>,
    /// The Content-Security-Policy of the page.
    policy: HeaderValue,
}

impl Assets {
    /// Reads all files of `folder`. If it does not exist, the page has not been built; the API works without it.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn load(folder: &Path) -> anyhow::Result<Self> {
        let mut files = HashMap::new();
        if folder.is_dir() {
            read(folder, folder, &mut files).with_context(|| format!("STATIC_DIR: {}", folder.display()))?;
        } else {
            tracing::warn!("No page in {} (STATIC_DIR): only the API is served", folder.display());
        }
        let page = files.get("index.html").map(|page: &Asset| String::from_utf8_lossy(&page.plain).into_owned());
        let boot = page.as_deref().and_then(boot_script).map(csp_hash);
        Ok(Self { files, policy: HeaderValue::try_from(security_headers::page_policy(boot.as_deref()))? })
    }

    pub fn policy(&self) -> &HeaderValue {
        &self.policy
    }
}

/// Returns the inline script of the page, by which Trunk starts the WebAssembly module.
fn boot_script(page: &str) -> Option<&str> {
    let (_, rest) = page.split_once("<script type=\"module\">")?;
    rest.split_once("</script>").map(|(script, _)| script)
}

/// Returns the source expression for a script (CSP 3, section 2.3.1).
fn csp_hash(script: &str) -> String {
    format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(script)))
}

fn read(root: &Path, folder: &Path, files: &mut HashMap<String, Asset>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            read(root, &path, files)?;
            continue;
        }
        let name = path.strip_prefix(root)?.to_string_lossy().replace('\\', "/");
        if path.extension().is_some_and(|extension| extension == "br" || extension == "gz") {
            continue;
        }
        let mime = mime_guess::from_path(&path).first_or_octet_stream();
        let plain = Bytes::from(std::fs::read(&path)?);
        let is_text = mime.type_() == "text"
            || ["javascript", "wasm", "json", "svg+xml"].contains(&mime.subtype().as_str())
            || mime.suffix().is_some_and(|suffix| suffix == "xml");
        let (gzip, brotli) = if is_text {
            (Some(compressed(&path, "gz", || gzip(&plain))?), Some(compressed(&path, "br", || brotli(&plain))?))
        } else {
            (None, None)
        };
        let content_type = if mime.type_() == "text" { format!("{mime}; charset=utf-8") } else { mime.to_string() };
        files.insert(name, Asset { content_type, plain, gzip, brotli });
    }
    Ok(())
}

/// Reads the file that has `suffix` added to its name, unless it is older than the file itself, or else compresses.
fn compressed(path: &Path, suffix: &str, compress: impl FnOnce() -> std::io::Result<Bytes>) -> std::io::Result<Bytes> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{suffix}"));
    let modified = |path: &Path| path.metadata().and_then(|metadata| metadata.modified());
    match modified(Path::new(&name)) {
        Ok(time) if time >= modified(path)? => std::fs::read(name).map(Bytes::from),
        _ => compress(),
    }
}

fn gzip(plain: &[u8]) -> std::io::Result<Bytes> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(plain)?;
    encoder.finish().map(Bytes::from)
}

fn brotli(plain: &[u8]) -> std::io::Result<Bytes> {
    let mut compressed = Vec::new();
    brotli::CompressorWriter::new(&mut compressed, 64 << 10, BROTLI_QUALITY, 22).write_all(plain)?;
    Ok(compressed.into())
}

/// Serves a file of the page; for every other path the page itself, whose router shows it.
pub async fn serve(request: HttpRequest, assets: Data<Assets>) -> Result<HttpResponse, ApiError> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(ApiError::MethodNotAllowed { allow: "GET, HEAD".into() });
    }
    // Decoded as by the router: an encoded `/%61pi/nothing` is a missing path of the API, not the page.
    let path = request.match_info().as_str().trim_start_matches('/');
    let is_route = !path.starts_with("api/") && !path.rsplit('/').next().unwrap_or_default().contains('.');
    let (asset, immutable) = match assets.files.get(path) {
        Some(asset) => (asset, has_hash(path)),
        None if is_route => {
            let page = assets.files.get("index.html");
            (page.ok_or_else(|| ApiError::NotFound("the page (it has not been built)".into()))?, false)
        }
        None => return Err(ApiError::NotFound(request.path().to_owned())),
    };
    let accepted =
        request.headers().get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (encoding, body) = match (&asset.brotli, &asset.gzip) {
        (Some(brotli), _) if accepted.contains("br") => ("br", brotli),
        (_, Some(gzip)) if accepted.contains("gzip") => ("gzip", gzip),
        _ => ("identity", &asset.plain),
    };
    let cache = if immutable { "public, max-age=31536000, immutable" } else { "no-cache" };
    Ok(HttpResponse::Ok()
        .content_type(asset.content_type.as_str())
        .insert_header((header::CONTENT_ENCODING, encoding))
        .insert_header((header::VARY, "Accept-Encoding"))
        .insert_header((header::CACHE_CONTROL, cache))
        .body(body.clone()))
}

/// Returns whether the name changes with the content: Trunk adds a hash of 13 to 16 hexadecimal digits to it.
fn has_hash(path: &str) -> bool {
    let is_hash = |part: &str| part.len() >= 13 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    path.split(['/', '-', '.', '_']).any(is_hash)
}
