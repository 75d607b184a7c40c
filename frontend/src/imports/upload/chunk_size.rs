//! How many bytes go into one request, and how long to wait after one that failed.

/// Smallest chunk, in bytes, unless a proxy accepts even less.
const MIN_CHUNK_BYTES: i64 = 256 * 1024;
/// Largest chunk, in bytes: what an interruption costs at worst.
const MAX_CHUNK_BYTES: i64 = 8 * 1024 * 1024;
/// What a proxy rejects as too large is halved down to this size, in bytes; below it, sending makes no sense.
const MIN_PROXY_LIMIT_BYTES: i64 = 16 * 1024;
/// Seconds that a request should take: half of eight, so that it stays below them when the connection slows down to half.
const TARGET_SECONDS: f64 = 4.0;
/// Requests are not made shorter than this, in seconds, however early connections break.
const MIN_TARGET_SECONDS: f64 = 1.0;
/// Largest factor by which a chunk is larger than the one before: one measurement may be an exception.
const MAX_GROWTH: f64 = 4.0;

/// The size of chunks, adapted to how long earlier ones took. It belongs to the connection, not to a file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChunkSizer {
    size: i64,
    /// Largest size that may be tried: a request with more was rejected as too large.
    max_size: i64,
    /// Seconds that the next request should take.
    target_seconds: f64,
}

impl Default for ChunkSizer {
    fn default() -> Self {
        Self { size: MIN_CHUNK_BYTES, max_size: MAX_CHUNK_BYTES, target_seconds: TARGET_SECONDS }
    }
}

impl ChunkSizer {
    /// Bytes of the next chunk if `remaining` are left.
    pub fn next(&self, remaining: i64) -> i64 {
        remaining.min(self.size)
    }

    /// Records a chunk that was stored.
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "chunks are below 2^52")]
    pub fn stored(&mut self, bytes: i64, seconds: f64) {
        // The short chunk at the end of a file says more about the latency than about the throughput.
        if bytes < self.size && seconds < self.target_seconds {
            return;
        }
        let by_throughput = bytes as f64 * self.target_seconds / seconds.max(0.001);
        self.set(by_throughput.min(bytes as f64 * MAX_GROWTH) as i64);
    }

    /// Records a request that broke after `seconds`. If a proxy ends each request after some time, the next ones are shorter
    /// than that.
    pub fn interrupted(&mut self, seconds: f64) {
        if seconds >= MIN_TARGET_SECONDS {
            self.target_seconds = self.target_seconds.min(seconds / 2.0).max(MIN_TARGET_SECONDS);
            self.set(self.size / 2);
        }
    }

    /// Records that a request with `bytes` was rejected for its size. Returns whether a smaller one is worth trying.
    pub fn too_large(&mut self, bytes: i64) -> bool {
        if bytes <= MIN_PROXY_LIMIT_BYTES {
            return false;
        }
        self.max_size = (bytes / 2).max(MIN_PROXY_LIMIT_BYTES);
        self.set(self.size);
        true
    }

    fn set(&mut self, size: i64) {
        self.size = size.clamp(MIN_CHUNK_BYTES, MAX_CHUNK_BYTES).min(self.max_size);
    }
}

/// Seconds to wait after each failure in a row; the last value applies to all further ones.
const RETRY_DELAYS_SECONDS: [f64; 6] = [1.0, 2.0, 4.0, 8.0, 16.0, 30.0];
/// Longest delay that a server can request, in seconds.
const MAX_RETRY_DELAY_SECONDS: f64 = 120.0;

/// Seconds until the next attempt, after `failures` (at least one) without a byte in between.
///
/// `chance`, in `0.0..1.0`, spreads tabs that lost the same server. `requested` is the value of `Retry-After`.
#[expect(clippy::cast_precision_loss, reason = "seconds")]
pub fn retry_delay(failures: usize, chance: f64, requested: Option<i64>) -> f64 {
    let index = failures.saturating_sub(1).min(RETRY_DELAYS_SECONDS.len() - 1);
    let delay = RETRY_DELAYS_SECONDS[index] * (1.0 + 0.2 * (2.0 * chance - 1.0));
    requested.map_or(delay, |requested| delay.max(requested as f64).min(MAX_RETRY_DELAY_SECONDS))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The size of the next chunk, in KiB.
    fn next(sizer: &ChunkSizer) -> i64 {
        sizer.next(i64::MAX) / 1024
    }

    #[test]
    fn chunks_grow_to_what_the_connection_carries_in_four_seconds() {
        let mut sizer = ChunkSizer::default();
        assert_eq!(next(&sizer), 256);
        sizer.stored(256 * 1024, 0.1);
        assert_eq!(next(&sizer), 1024, "at most by a factor of four");
        sizer.stored(1024 * 1024, 2.0);
        assert_eq!(next(&sizer), 2048);
        sizer.stored(2048 * 1024, 8.0);
        assert_eq!(next(&sizer), 1024);
    }

    #[test]
    fn chunks_stay_between_256_kib_and_8_mib() {
        let mut sizer = ChunkSizer::default();
        for _ in 0..5 {
            sizer.stored(sizer.next(i64::MAX), 0.0);
        }
        assert_eq!(next(&sizer), 8192);
        sizer.stored(8192 * 1024, 4_000.0);
        assert_eq!(next(&sizer), 256);
        assert_eq!(sizer.next(100), 100, "at most what is left");
    }

    #[test]
    fn a_short_chunk_at_the_end_of_a_file_does_not_count_as_slow() {
        let mut sizer = ChunkSizer::default();
        sizer.stored(256 * 1024, 1.0);
        sizer.stored(1_000, 0.3);
        assert_eq!(next(&sizer), 1024);
        sizer.stored(500_000, 20.0);
        assert_eq!(next(&sizer), 256, "but a slow one does");
    }

    #[test]
    fn requests_are_shortened_for_a_proxy_that_ends_them_after_three_seconds() {
        let mut sizer = ChunkSizer::default();
        sizer.stored(256 * 1024, 1.0);
        sizer.interrupted(3.0);
        assert_eq!(next(&sizer), 512);
        sizer.stored(512 * 1024, 1.0);
        assert_eq!(next(&sizer), 768, "one and a half seconds at this speed");
        sizer.interrupted(0.1);
        assert_eq!(next(&sizer), 768, "an immediate failure says nothing about lengths");
    }

    #[test]
    fn a_chunk_that_is_too_large_is_halved_for_good() {
        let mut sizer = ChunkSizer::default();
        sizer.stored(256 * 1024, 0.1);
        assert!(sizer.too_large(1024 * 1024));
        assert_eq!(next(&sizer), 512);
        sizer.stored(512 * 1024, 0.1);
        assert_eq!(next(&sizer), 512);
        while sizer.too_large(sizer.next(i64::MAX)) {}
        assert_eq!(next(&sizer), 16);
    }

    #[test]
    fn retry_delays_double_up_to_half_a_minute() {
        let delays: Vec<_> = [1, 2, 3, 4, 5, 6, 99].map(|failures| retry_delay(failures, 0.5, None)).into();
        assert_eq!(delays, [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]);
        assert!((retry_delay(1, 0.0, None), retry_delay(1, 1.0, None)) == (0.8, 1.2));
    }

    #[test]
    fn the_server_may_request_a_longer_delay_up_to_a_limit() {
        let delay = |(failures, requested)| retry_delay(failures, 0.5, Some(requested));
        let delays: Vec<_> = [(1, 7), (6, 7), (1, 86_400)].map(delay).into();
        assert_eq!(delays, [7.0, 30.0, 120.0]);
    }
}
