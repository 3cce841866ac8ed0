//! What chance decides, from a seed alone.

/// Splitmix64 (Steele, Lea and Flood 2014).
pub struct Dice(u64);

impl Dice {
    /// Mixed, since what follows from one number and from its neighbour would be the same story, a step later.
    pub fn new(seed: u64) -> Self {
        Self(mixed(seed))
    }

    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed(self.0)
    }

    /// From 0 up to the limit, which is not reached.
    pub fn below(&mut self, limit: i64) -> i64 {
        i64::try_from(self.number() % limit.unsigned_abs()).expect("it is below an i64")
    }

    /// One of these; there must be one.
    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        let last = i64::try_from(all.len()).expect("a list is short");
        &all[usize::try_from(self.below(last)).expect("it is not negative")]
    }
}

fn mixed(number: u64) -> u64 {
    let it = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    it ^ (it >> 31)
}
