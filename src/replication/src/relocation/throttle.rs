//! How fast replicas may be copied.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How long to wait at most before the rate is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Lets so many bytes a second pass, all who ask together.
#[derive(Debug, Default)]
pub(crate) struct Throttle(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    rate: Option<u64>,
    /// When what has passed is paid for.
    free_at: Option<Instant>,
}

impl Throttle {
    pub(crate) fn set_rate(&self, bytes_per_second: Option<u64>) {
        let mut state = self.0.lock();
        if state.rate != bytes_per_second {
            state.rate = bytes_per_second;
            state.free_at = None;
        }
    }

    /// Waits for its turn.
    pub(crate) async fn wait(&self) {
        loop {
            let pause = self.pause(Instant::now());
            if pause.is_zero() {
                return;
            }
            tokio::time::sleep(pause.min(LOOK_AGAIN)).await;
        }
    }

    fn pause(&self, now: Instant) -> Duration {
        let state = self.0.lock();
        match (state.rate, state.free_at) {
            (Some(0), _) => LOOK_AGAIN,
            (Some(_), Some(free_at)) => free_at.saturating_duration_since(now),
            _ => Duration::ZERO,
        }
    }

    /// Takes note of what has passed.
    pub(crate) fn spent(&self, bytes: usize) {
        self.spent_at(bytes, Instant::now());
    }

    fn spent_at(&self, bytes: usize, now: Instant) {
        let mut state = self.0.lock();
        if let Some(rate) = state.rate.filter(|rate| *rate > 0) {
            let price = Duration::from_secs_f64(bytes as f64 / rate as f64);
            let begin = state.free_at.map_or(now, |at| at.max(now));
            state.free_at = begin.checked_add(price);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_paid_with_time() {
        let throttle = Throttle::default();
        let now = Instant::now();
        throttle.spent_at(1 << 30, now);
        assert_eq!(throttle.pause(now), Duration::ZERO, "without a rate");
        throttle.set_rate(Some(1000));
        throttle.spent_at(500, now);
        throttle.spent_at(1000, now);
        assert_eq!(throttle.pause(now), Duration::from_millis(1500));
        let later = now + Duration::from_secs(10);
        assert_eq!(throttle.pause(later), Duration::ZERO, "nothing is saved up");
        throttle.spent_at(1000, later);
        assert_eq!(throttle.pause(later), Duration::from_secs(1));
        throttle.set_rate(Some(0));
        assert!(!throttle.pause(later + Duration::from_secs(99)).is_zero());
        throttle.set_rate(None);
        assert_eq!(throttle.pause(later), Duration::ZERO);
    }
}
