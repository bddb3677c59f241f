/// Random numbers that a seed determines (SplitMix64: Steele, Lea, Flood, "Fast splittable
/// pseudorandom number generators", 2014). For a demo's visitors, and for no secret.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to below 1.
    pub(super) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Whether something happens that does so in `share` of all cases.
    pub(super) fn happens(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    /// A whole number below `bound`; 0 where that is 0.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.unit() * bound as f64) as usize
    }

    /// A factor around 1 that is sometimes much above it, as the time of an answer is.
    pub(super) fn spread(&mut self) -> f64 {
        // The sum of four even numbers is bell-shaped enough.
        let bell: f64 = (0..4).map(|_| self.unit()).sum::<f64>() - 2.0;
        (bell * 0.9).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_throws_the_same_numbers() {
        let throw = |seed| {
            let mut dice = Dice::new(seed);
            (0..50).map(|_| dice.below(1_000)).collect::<Vec<_>>()
        };
        assert_eq!(throw(7), throw(7));
        assert_ne!(throw(7), throw(8));
    }

    #[test]
    fn a_share_of_a_tenth_happens_about_every_tenth_time() {
        let mut dice = Dice::new(1);
        let happened = (0..10_000).filter(|_| dice.happens(0.1)).count();
        assert!((900..1_100).contains(&happened), "{happened}");
        assert!((0..1_000).all(|_| dice.below(3) < 3));
        assert_eq!(dice.below(0), 0);
    }
}
