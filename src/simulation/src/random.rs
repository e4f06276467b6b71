//! Chance that can be repeated: SplitMix64, a stream of its own for each use, so that one more draw
//! for the network does not change what the operator does.

/// A stream of draws.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// The stream of that name for this seed.
    pub(crate) fn stream(seed: u64, name: &str) -> Random {
        let mut state = seed ^ 0x6f74_746c_615f_7369;
        for byte in name.bytes() {
            state = mix(state
                .wrapping_add(u64::from(byte))
                .wrapping_mul(0x100_0000_01b3));
        }
        Random(state)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// At least `low`, below `high`; `low` if there is nothing between.
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = u64::try_from(high.saturating_sub(low)).unwrap_or(0);
        let draw = self.next().checked_rem(span).unwrap_or(0);
        low.saturating_add(i64::try_from(draw).unwrap_or(0))
    }

    /// True once in `times`.
    pub(crate) fn one_in(&mut self, times: i64) -> bool {
        self.between(0, times) == 0
    }

    /// One of these, if there are any.
    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let count = i64::try_from(from.len()).unwrap_or(0);
        from.get(usize::try_from(self.between(0, count)).unwrap_or(0))
    }

    /// The same things in another order.
    pub(crate) fn shuffled<T>(&mut self, mut things: Vec<T>) -> Vec<T> {
        let mut out = Vec::with_capacity(things.len());
        while !things.is_empty() {
            let at = self.between(0, i64::try_from(things.len()).unwrap_or(0));
            out.push(things.swap_remove(usize::try_from(at).unwrap_or(0)));
        }
        out
    }

    /// An id that no topic has.
    pub(crate) fn id(&mut self) -> [u8; 16] {
        let (high, low) = (self.next() | 1, self.next());
        (u128::from(high) << 64 | u128::from(low)).to_be_bytes()
    }
}

/// A good mixer of 64 bits.
pub(crate) fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
