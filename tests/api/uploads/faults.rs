//! A large file over a connection that breaks all the time.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use bytes::Bytes;
use futures_util::stream;
use rand::{RngCore, SeedableRng, rngs::StdRng};
use sha2::Digest;
use tests::{
    TestApp,
    faults::{FaultProxy, Faults},
    tus::{Tus, header, import_of, offset_of},
};

const FILE_BYTES: usize = 40_000_000;
/// Size of the writes of a client.
const WRITE_BYTES: usize = 16 << 10;

/// A file of products whose bytes do not repeat, so that a misplaced byte is noticed.
fn file(seed: u64) -> Bytes {
    let mut random = StdRng::seed_from_u64(seed);
    let mut file = b"sku,name\n".to_vec();
    while file.len() < FILE_BYTES {
        let mut noise = [0; 96];
        random.fill_bytes(&mut noise);
        let noise: String = noise.iter().map(|byte| format!("{byte:02x}")).collect();
        file.extend_from_slice(format!("{},{}\n", &noise[..40], &noise[40..]).as_bytes());
    }
    file.truncate(FILE_BYTES);
    file.into()
}

/// A client that sends all missing bytes in one request, and asks for the offset after each failure.
struct Client {
    base: String,
    upload: String,
    file: Bytes,
    requests: u32,
}

impl Client {
    /// Each request has a connection of its own, so that none is used that is broken.
    fn http() -> reqwest::Client {
        reqwest::Client::builder().pool_max_idle_per_host(0).timeout(Duration::from_secs(30)).build().unwrap()
    }

    fn request(&self, method: reqwest::Method) -> reqwest::RequestBuilder {
        Self::http().request(method, format!("{}{}", self.base, self.upload)).header("Tus-Resumable", "1.0.0")
    }

    /// The offset of the upload, however often the request fails.
    async fn offset(&mut self) -> usize {
        loop {
            self.requests += 1;
            if let Ok(response) = self.request(reqwest::Method::HEAD).send().await {
                assert_eq!(response.status(), 200);
                return offset_of(&response);
            }
        }
    }

    /// Sends from `offset` to the end. Returns the import, if the file is complete.
    async fn send(&mut self, offset: usize) -> Option<i64> {
        self.requests += 1;
        let missing = self.file.slice(offset..);
        let size = missing.len();
        let writes = (0..size)
            .step_by(WRITE_BYTES)
            .map(move |start| std::io::Result::Ok(missing.slice(start..(start + WRITE_BYTES).min(size))));
        let request = self
            .request(reqwest::Method::PATCH)
            .header("Content-Type", "application/offset+octet-stream")
            .header("Content-Length", size)
            .header("Upload-Offset", offset)
            .body(reqwest::Body::wrap_stream(stream::iter(writes)));
        let response = request.send().await.ok()?;
        match response.status().as_u16() {
            204 => header(&response, "loadify-import").map(|_| import_of(&response)),
            // The request before had stored more than was known.
            409 | 400 => None,
            status => panic!("{status}"),
        }
    }

    async fn upload(&mut self) -> i64 {
        let mut before = 0;
        loop {
            let offset = self.offset().await;
            assert!(offset >= before, "the offset never decreases");
            before = offset;
            if offset == self.file.len() {
                let response = self.request(reqwest::Method::HEAD).send().await;
                if let Ok(response) = response {
                    return import_of(&response);
                }
                continue;
            }
            if let Some(import) = self.send(offset).await {
                return import;
            }
        }
    }
}

#[tokio::test]
async fn forty_megabytes_survive_cuts_and_resets_and_hardly_a_byte_is_sent_twice() {
    let seed = std::env::var("FAULT_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    println!("FAULT_SEED={seed}");
    let app = TestApp::serve(&[]).await;
    let file = file(seed);
    let faults = Faults {
        latency: Duration::from_millis(20),
        // Slow enough that some requests are cut and others reset, whatever the seed.
        bytes_per_second: Some(1_500_000),
        cut_requests_after: Some(Duration::from_secs(3)),
        mean_time_to_reset: Some(Duration::from_secs(3)),
        seed,
        ..Faults::default()
    };
    let proxy = FaultProxy::to(app.base.trim_start_matches("http://"), faults).await;
    let upload = Tus::of(&app).create(file.len()).await;
    let mut client = Client { base: proxy.base(), upload, file: file.clone(), requests: 0 };
    let import = client.upload().await;
    let sent = proxy.tally.from_client_bytes.load(Relaxed);
    let (cuts, resets) = (proxy.tally.cuts.load(Relaxed), proxy.tally.resets.load(Relaxed));
    println!("{sent} bytes for {FILE_BYTES}, {} requests, {cuts} cuts, {resets} resets", client.requests);
    assert!(cuts >= 1 && resets >= 1, "the connection was too good: {cuts} cuts, {resets} resets");
    assert!(sent * 10 < FILE_BYTES as u64 * 11, "more than a tenth was sent twice: {sent}");
    assert_eq!(app.import_now(import).await.sha256, Some(format!("{:x}", sha2::Sha256::digest(&file))));
    assert!(app.stored_bytes(import).await == file[..], "other bytes than were sent");
}

#[tokio::test]
async fn a_file_of_forty_megabytes_survives_a_cut_after_each_megabyte() {
    let app = TestApp::serve(&[]).await;
    let file = file(7);
    let faults = Faults { cut_after_bytes: Some(1_000_000), ..Faults::default() };
    let proxy = FaultProxy::to(app.base.trim_start_matches("http://"), faults).await;
    let upload = Tus::of(&app).create(file.len()).await;
    let mut client = Client { base: proxy.base(), upload, file: file.clone(), requests: 0 };
    let import = client.upload().await;
    assert!(proxy.tally.cuts.load(Relaxed) >= 39);
    assert_eq!(app.import_now(import).await.sha256, Some(format!("{:x}", sha2::Sha256::digest(&file))));
}
