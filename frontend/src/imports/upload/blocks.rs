//! How much goes into one request, and how long to wait after one that failed.

/// The least that is sent at once, in bytes, unless a proxy takes still less.
const LEAST: i64 = 256 * 1024;
/// The most, in bytes: what a cut can cost at worst.
const MOST: i64 = 8 * 1024 * 1024;
/// What a proxy refuses as too large is halved down to this, in bytes; below it, sending makes no sense.
const TINIEST: i64 = 16 * 1024;
/// Seconds that a request should take: half of eight, so that it stays below them when the line halves its speed.
const AIM: f64 = 4.0;
/// Requests are not made shorter than this many seconds, however early connections break.
const SHORTEST_AIM: f64 = 1.0;
/// A block is at most so many times as large as the one before: one measurement may be luck.
const GROWTH: f64 = 4.0;

/// The size of blocks, learnt from how long those before took. It belongs to the line, not to a file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Blocks {
    size: i64,
    /// A request with more than this was refused as too large.
    ceiling: i64,
    /// Seconds that the next request should take.
    aim: f64,
}

impl Default for Blocks {
    fn default() -> Self {
        Self { size: LEAST, ceiling: MOST, aim: AIM }
    }
}

impl Blocks {
    /// Bytes of the next block, where `remaining` are left.
    pub fn next(&self, remaining: i64) -> i64 {
        remaining.min(self.size)
    }

    /// A block was taken.
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "blocks are below 2^52")]
    pub fn taken(&mut self, bytes: i64, seconds: f64) {
        // The short block at the end of a file tells more of the latency than of the speed.
        if bytes < self.size && seconds < self.aim {
            return;
        }
        let by_speed = bytes as f64 * self.aim / seconds.max(0.001);
        self.set(by_speed.min(bytes as f64 * GROWTH) as i64);
    }

    /// A request broke off after so many seconds. Where something in between ends each request after a time, the next
    /// ones are done before it.
    pub fn cut(&mut self, seconds: f64) {
        if seconds >= SHORTEST_AIM {
            self.aim = self.aim.min(seconds / 2.0).max(SHORTEST_AIM);
            self.set(self.size / 2);
        }
    }

    /// A request with so many bytes was refused for its size. Gives whether a smaller one is worth trying.
    pub fn too_large(&mut self, bytes: i64) -> bool {
        if bytes <= TINIEST {
            return false;
        }
        self.ceiling = (bytes / 2).max(TINIEST);
        self.set(self.size);
        true
    }

    fn set(&mut self, size: i64) {
        self.size = size.clamp(LEAST, MOST).min(self.ceiling);
    }
}

/// Seconds to wait after each failure in a row; the last stands for all that follow.
const PAUSES: [f64; 6] = [1.0, 2.0, 4.0, 8.0, 16.0, 30.0];
/// The most that a server can ask for, in seconds.
const LONGEST: f64 = 120.0;

/// Seconds until the next try, after `failures` (one at least) without a byte in between.
///
/// `chance`, in `0.0..1.0`, spreads tabs that lost the same server. `asked` is what its `Retry-After` says.
#[expect(clippy::cast_precision_loss, reason = "seconds")]
pub fn pause_after(failures: usize, chance: f64, asked: Option<i64>) -> f64 {
    let index = failures.saturating_sub(1).min(PAUSES.len() - 1);
    let pause = PAUSES[index] * (1.0 + 0.2 * (2.0 * chance - 1.0));
    asked.map_or(pause, |asked| pause.max(asked as f64).min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The size of the next block, in KiB.
    fn next(blocks: &Blocks) -> i64 {
        blocks.next(i64::MAX) / 1024
    }

    #[test]
    fn blocks_grow_to_what_the_line_carries_in_four_seconds() {
        let mut blocks = Blocks::default();
        assert_eq!(next(&blocks), 256);
        blocks.taken(256 * 1024, 0.1);
        assert_eq!(next(&blocks), 1024, "by the factor four at most");
        blocks.taken(1024 * 1024, 2.0);
        assert_eq!(next(&blocks), 2048);
        blocks.taken(2048 * 1024, 8.0);
        assert_eq!(next(&blocks), 1024);
    }

    #[test]
    fn blocks_stay_between_256_kib_and_8_mib() {
        let mut blocks = Blocks::default();
        for _ in 0..5 {
            blocks.taken(blocks.next(i64::MAX), 0.0);
        }
        assert_eq!(next(&blocks), 8192);
        blocks.taken(8192 * 1024, 4_000.0);
        assert_eq!(next(&blocks), 256);
        assert_eq!(blocks.next(100), 100, "no more than there is");
    }

    #[test]
    fn a_short_block_at_the_end_of_a_file_does_not_count_as_slow() {
        let mut blocks = Blocks::default();
        blocks.taken(256 * 1024, 1.0);
        blocks.taken(1_000, 0.3);
        assert_eq!(next(&blocks), 1024);
        blocks.taken(500_000, 20.0);
        assert_eq!(next(&blocks), 256, "but a slow one does");
    }

    #[test]
    fn a_proxy_that_ends_requests_after_three_seconds_is_met_with_shorter_ones() {
        let mut blocks = Blocks::default();
        blocks.taken(256 * 1024, 1.0);
        blocks.cut(3.0);
        assert_eq!(next(&blocks), 512);
        blocks.taken(512 * 1024, 1.0);
        assert_eq!(next(&blocks), 768, "one and a half seconds at this speed");
        blocks.cut(0.1);
        assert_eq!(next(&blocks), 768, "a line that is down tells nothing of lengths");
    }

    #[test]
    fn what_is_too_large_is_halved_and_stays_so() {
        let mut blocks = Blocks::default();
        blocks.taken(256 * 1024, 0.1);
        assert!(blocks.too_large(1024 * 1024));
        assert_eq!(next(&blocks), 512);
        blocks.taken(512 * 1024, 0.1);
        assert_eq!(next(&blocks), 512);
        while blocks.too_large(blocks.next(i64::MAX)) {}
        assert_eq!(next(&blocks), 16);
    }

    #[test]
    fn pauses_double_up_to_half_a_minute() {
        let pauses: Vec<_> = [1, 2, 3, 4, 5, 6, 99].map(|failures| pause_after(failures, 0.5, None)).into();
        assert_eq!(pauses, [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]);
        assert!((pause_after(1, 0.0, None), pause_after(1, 1.0, None)) == (0.8, 1.2));
    }

    #[test]
    fn the_server_may_ask_for_more_time_but_not_for_any() {
        assert!(pause_after(1, 0.5, Some(7)) == 7.0);
        assert!(pause_after(6, 0.5, Some(7)) == 30.0);
        assert!(pause_after(1, 0.5, Some(86_400)) == 120.0);
    }
}
