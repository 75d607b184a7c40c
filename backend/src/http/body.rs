//! Bodies that nobody wants any more.

use std::time::Duration;

use actix_web::web::Payload;
use futures_util::StreamExt;
use tokio::time::{Instant, timeout};

/// Bytes that are still read, and thrown away, after a refusal: a client that is cut off while it sends may not see the
/// answer.
const MOST_BYTES: usize = 64 << 20;
/// And for how long.
const LONGEST: Duration = Duration::from_secs(20);
/// A client that sends nothing for so long listens.
const PAUSE: Duration = Duration::from_secs(2);

/// Reads on and forgets, until the client pauses.
pub async fn drain(body: &mut Payload) {
    let mut drained = 0;
    let until = Instant::now() + LONGEST;
    while let Ok(Some(Ok(chunk))) = timeout(PAUSE, body.next()).await {
        drained += chunk.len();
        if drained > MOST_BYTES || Instant::now() > until {
            return;
        }
    }
}
