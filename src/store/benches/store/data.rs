//! The kinds of values that figures are given for.

use series::Labels;

/// A small generator of reproducible noise (SplitMix64).
pub(crate) struct Noise(pub(crate) u64);

impl Noise {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// About normal, mean 0, deviation 1.
    pub(crate) fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Counters,
    Buckets,
    GaugeBytes,
    GaugeHundredths,
    GaugeFull,
}

pub(crate) const KINDS: [Kind; 5] = [
    Kind::Counters,
    Kind::Buckets,
    Kind::GaugeBytes,
    Kind::GaugeHundredths,
    Kind::GaugeFull,
];

pub(crate) const BUCKETS: [&str; 11] = [
    "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "+Inf",
];

/// One series of a kind, sample by sample.
pub(crate) struct Walk {
    kind: Kind,
    noise: Noise,
    at: f64,
    rate: f64,
}

impl Walk {
    pub(crate) fn new(kind: Kind, series: usize) -> Self {
        let mut noise = Noise(series as u64 * 7919 + 1);
        let rate = match kind {
            // How many observations fall into a bucket, from few to all.
            Kind::Buckets => {
                [0.0, 0.1, 0.5, 2.0, 5.0, 8.0, 9.5, 9.9, 10.0, 10.0, 10.0][series % 11]
            }
            _ => 20.0 + noise.unit() * 200.0,
        };
        let at = match kind {
            Kind::Counters | Kind::Buckets => noise.below(1_000_000) as f64,
            Kind::GaugeBytes => (100_000 + noise.below(10_000)) as f64 * 4096.0,
            Kind::GaugeHundredths => 5000.0,
            Kind::GaugeFull => 50.0 + noise.unit(),
        };
        Self {
            kind,
            noise,
            at,
            rate,
        }
    }

    /// How far a counter goes from one sample to the next on average.
    pub(crate) fn rate(&self) -> f64 {
        self.rate
    }

    pub(crate) fn next(&mut self) -> f64 {
        match self.kind {
            Kind::Counters | Kind::Buckets => {
                let step = self.rate + self.rate.sqrt() * self.noise.normal();
                self.at += step.round().max(0.0);
                self.at
            }
            Kind::GaugeBytes => {
                self.at += (self.noise.below(128) as f64 - 63.5).round() * 4096.0;
                self.at
            }
            Kind::GaugeHundredths => {
                self.at += (self.noise.normal() * 40.0).round();
                self.at / 100.0
            }
            Kind::GaugeFull => {
                self.at += self.noise.normal() * 0.5;
                self.at
            }
        }
    }

    pub(crate) fn labels(kind: Kind, series: usize) -> Labels {
        let instance = ("instance", format!("host-{:02}:9100", series / 11 % 50));
        match kind {
            Kind::Buckets => Labels::new([
                (
                    "__name__",
                    "http_request_duration_seconds_bucket".to_owned(),
                ),
                ("job", "wiki".to_owned()),
                ("handler", format!("/page/{}", series / 11)),
                ("le", BUCKETS[series % 11].to_owned()),
                instance,
            ]),
            _ => Labels::new([
                ("__name__", format!("app_{kind:?}_total").to_lowercase()),
                ("job", "wiki".to_owned()),
                ("g", format!("{}", series % 20)),
                ("n", format!("{series}")),
                instance,
            ]),
        }
        .unwrap_or_default()
    }
}
