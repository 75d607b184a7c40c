//! Throughput: how fast a count grows, such as the rows of an import or the bytes of an upload.

use chrono::{DateTime, TimeDelta, Utc};

/// Window of the current rate: long enough to even out batches, short enough to follow a change.
const RATE_WINDOW: TimeDelta = TimeDelta::seconds(4);
/// Window of the estimated time left: longer, so that it does not jump.
const ESTIMATE_WINDOW: TimeDelta = TimeDelta::seconds(20);
/// Pause after which the next point is overdue: they arrive at least every two seconds while there is a worker.
const OVERDUE_AFTER: TimeDelta = TimeDelta::milliseconds(2_500);
/// Shortest time to compute a rate over.
const MIN_WINDOW: TimeDelta = TimeDelta::milliseconds(400);

#[derive(Debug, Clone, Copy, PartialEq)]
struct Point {
    at: DateTime<Utc>,
    count: f64,
}

/// History of a count that only grows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Throughput {
    points: Vec<Point>,
}

impl Throughput {
    /// Records the count at a time. A point earlier than the last one is ignored.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub fn record(&mut self, at: DateTime<Utc>, count: i64) {
        if self.points.last().is_none_or(|last| last.at <= at) {
            self.points.push(Point { at, count: count as f64 });
        }
    }

    /// Growth per second in the last few seconds before `now`. `None` with too few points.
    pub fn current(&self, now: DateTime<Utc>) -> Option<f64> {
        self.over(RATE_WINDOW, now)
    }

    /// Seconds until `remaining` more are counted. `None` if nothing moves, or with too few points.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub fn time_left(&self, remaining: i64, now: DateTime<Utc>) -> Option<f64> {
        let moves = self.current(now)? > 0.0;
        let rate = self.over(ESTIMATE_WINDOW, now).filter(|rate| moves && *rate > 0.0)?;
        Some(remaining as f64 / rate)
    }

    /// Growth per second in each of `slices` equal parts of the time from the first point to the last, oldest first.
    /// Empty with too few points.
    pub fn curve(&self, slices: u16) -> Vec<f64> {
        let (Some(first), Some(last)) = (self.points.first(), self.points.last()) else { return Vec::new() };
        let span = seconds(last.at - first.at);
        if last.at - first.at < MIN_WINDOW {
            return Vec::new();
        }
        // No slice is shorter than the distance of two points, or the curve would show their rhythm.
        let meaningful = u16::try_from(self.points.len() / 2).unwrap_or(slices);
        let slices = slices.min(meaningful).max(2);
        let width = span / f64::from(slices);
        let counts = self.counts_at((0..=slices).map(|slice| f64::from(slice) * width));
        counts.windows(2).map(|pair| (pair[1] - pair[0]) / width).collect()
    }

    /// The rate over the last `window`.
    fn over(&self, window: TimeDelta, now: DateTime<Utc>) -> Option<f64> {
        let last = self.points.last()?;
        // Until the next point is overdue, the rate is that at the last one: it does not sink between two points.
        let overdue = now - last.at > OVERDUE_AFTER;
        let until = if overdue { now } else { last.at };
        let young = self.points.partition_point(|point| point.at < until - window);
        let Some(from) = self.points.get(if overdue { young } else { young.min(self.points.len().checked_sub(2)?) })
        else {
            return Some(0.0);
        };
        (until - from.at >= MIN_WINDOW).then(|| (last.count - from.count) / seconds(until - from.at))
    }

    /// The counts at ascending times, in seconds after the first point, by linear interpolation.
    fn counts_at(&self, times: impl Iterator<Item = f64>) -> Vec<f64> {
        let Some(first) = self.points.first() else { return Vec::new() };
        let mut next = 1;
        times
            .map(|time| {
                while next + 1 < self.points.len() && seconds(self.points[next].at - first.at) < time {
                    next += 1;
                }
                let (before, after) = (self.points[next - 1], self.points[next]);
                let (begin, span) = (seconds(before.at - first.at), seconds(after.at - before.at));
                let share = if span > 0.0 { ((time - begin) / span).clamp(0.0, 1.0) } else { 1.0 };
                before.count + (after.count - before.count) * share
            })
            .collect()
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of a century are exact")]
fn seconds(span: TimeDelta) -> f64 {
    span.num_milliseconds() as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_800_000_000_000 + millis).expect("a moment")
    }

    fn throughput(points: &[(i64, i64)]) -> Throughput {
        let mut throughput = Throughput::default();
        for (millis, count) in points {
            throughput.record(at(*millis), *count);
        }
        throughput
    }

    fn rounded(value: Option<f64>) -> Option<String> {
        value.map(|value| format!("{value:.0}"))
    }

    #[test]
    fn too_few_points_have_no_rate() {
        assert_eq!(throughput(&[]).current(at(0)), None);
        assert_eq!(throughput(&[(0, 0)]).current(at(0)), None);
        assert_eq!(throughput(&[(0, 0), (250, 9)]).current(at(250)), None);
        assert_eq!(throughput(&[(0, 0)]).curve(10), Vec::<f64>::new());
    }

    #[test]
    fn the_current_rate_is_that_of_the_last_seconds() {
        let slow_then_fast = throughput(&[(0, 0), (5_000, 50), (9_000, 90), (10_000, 1_090), (13_000, 4_090)]);
        assert_eq!(rounded(slow_then_fast.current(at(13_000))).as_deref(), Some("1000"));
    }

    #[test]
    fn the_rate_of_a_count_that_does_not_move_falls_to_zero() {
        let stopped = throughput(&[(0, 0), (1_000, 1_000)]);
        assert_eq!(rounded(stopped.current(at(2_000))).as_deref(), Some("1000"));
        assert_eq!(rounded(stopped.current(at(4_000))).as_deref(), Some("250"));
        assert_eq!(rounded(stopped.current(at(9_000))).as_deref(), Some("0"));
        assert_eq!(stopped.time_left(1_000, at(9_000)), None);
    }

    #[test]
    fn the_time_left_is_what_remains_by_the_steady_rate() {
        assert_eq!(rounded(throughput(&[(0, 0), (2_000, 200)]).time_left(1_000, at(2_000))).as_deref(), Some("10"));
        assert_eq!(throughput(&[(0, 5), (2_000, 5)]).time_left(1_000, at(2_000)), None);
    }

    #[test]
    fn the_curve_shows_a_pause_as_zero() {
        let points: Vec<_> =
            [0, 100, 200, 200, 200, 300, 400].into_iter().zip(0..).map(|(c, s)| (s * 1_000, c)).collect();
        assert_eq!(throughput(&points).curve(6), [200.0 / 2.0, 0.0, 100.0]);
        assert_eq!(throughput(&[(0, 0), (1_000, 10), (2_000, 20), (3_000, 20)]).curve(2), [10.0, 20.0 / 6.0]);
    }

    #[test]
    fn points_of_the_past_are_ignored() {
        assert_eq!(throughput(&[(1_000, 5), (0, 3)]), throughput(&[(1_000, 5)]));
    }
}
