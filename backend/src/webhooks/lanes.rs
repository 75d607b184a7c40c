//! Deliveries that are claimed and not sent yet, and who sends them: so many lanes at the same time, so many for one
//! webhook, webhooks in turn. A lane goes from one delivery to the next by itself, so that none stands still while the
//! database is written to.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, PoisonError},
};

#[derive(Debug)]
struct Queue<T> {
    waiting: VecDeque<T>,
    /// Being sent.
    sent: u16,
}

#[derive(Debug)]
struct State<T> {
    queues: BTreeMap<i64, Queue<T>>,
    lanes: u16,
    /// The webhook that was served last.
    last: i64,
    closed: bool,
}

#[derive(Debug)]
pub struct Lanes<T> {
    state: Mutex<State<T>>,
    most: u16,
    per_webhook: u16,
}

impl<T> Lanes<T> {
    pub fn new(most: u16, per_webhook: u16) -> Self {
        let state = State { queues: BTreeMap::new(), lanes: 0, last: 0, closed: false };
        Self { state: Mutex::new(state), most, per_webhook }
    }

    fn with<R>(&self, act: impl FnOnce(&mut State<T>) -> R) -> R {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn push(&self, webhook: i64, item: T) {
        self.with(|state| {
            let queue = state.queues.entry(webhook).or_insert_with(|| Queue { waiting: VecDeque::new(), sent: 0 });
            queue.waiting.push_back(item);
        });
    }

    /// The first piece of work of a new lane; `None` where there is none, or there are lanes enough.
    pub fn open(&self) -> Option<(i64, T)> {
        self.with(|state| {
            if state.lanes >= self.most {
                return None;
            }
            let next = self.pick(state)?;
            state.lanes += 1;
            Some(next)
        })
    }

    /// The next piece of work of a lane that is done with one for `webhook`; the lane ends where there is none.
    pub fn next(&self, webhook: i64) -> Option<(i64, T)> {
        self.with(|state| {
            if let Some(queue) = state.queues.get_mut(&webhook) {
                queue.sent -= 1;
                if queue.sent == 0 && queue.waiting.is_empty() {
                    state.queues.remove(&webhook);
                }
            }
            let next = self.pick(state);
            state.lanes -= u16::from(next.is_none());
            next
        })
    }

    /// Takes back all that waits; from now on nothing does.
    pub fn close(&self) -> Vec<T> {
        self.with(|state| {
            state.closed = true;
            state.queues.values_mut().flat_map(|queue| queue.waiting.drain(..)).collect()
        })
    }

    fn pick(&self, state: &mut State<T>) -> Option<(i64, T)> {
        if state.closed {
            return None;
        }
        let (before, after) = (..=state.last, (state.last + 1)..);
        let fit = |(_, queue): &(&i64, &Queue<T>)| queue.sent < self.per_webhook && !queue.waiting.is_empty();
        let found = state.queues.range(after).find(fit).or_else(|| state.queues.range(before).find(fit));
        let webhook = *found?.0;
        let queue = state.queues.get_mut(&webhook)?;
        let item = queue.waiting.pop_front()?;
        queue.sent += 1;
        state.last = webhook;
        Some((webhook, item))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn webhooks_are_served_in_turn_and_none_by_more_lanes_than_its_share() {
        let lanes = Lanes::new(5, 2);
        for item in 0..4 {
            lanes.push(1, item);
            lanes.push(2, item);
        }
        let opened: Vec<_> = std::iter::from_fn(|| lanes.open()).collect();
        assert_eq!(opened, [(1, 0), (2, 0), (1, 1), (2, 1)]);
        assert_eq!(lanes.next(2), Some((2, 2)), "its own share is free again, that of the other is not");
        lanes.push(3, 0);
        assert_eq!(lanes.open(), Some((3, 0)));
        lanes.push(4, 0);
        assert_eq!(lanes.open(), None, "there are five");
        assert_eq!(lanes.next(3), Some((4, 0)), "but one that is free takes what there is");
    }

    #[test]
    fn a_lane_ends_when_nothing_waits_and_another_is_opened_later() {
        let lanes = Lanes::new(1, 1);
        lanes.push(1, 'a');
        assert_eq!(lanes.open(), Some((1, 'a')));
        assert_eq!(lanes.next(1), None);
        lanes.push(1, 'b');
        lanes.push(1, 'c');
        assert_eq!(lanes.open(), Some((1, 'b')));
        assert_eq!(lanes.close(), ['c']);
        assert_eq!(lanes.next(1), None);
        lanes.push(2, 'd');
        assert_eq!(lanes.open(), None);
    }
}
