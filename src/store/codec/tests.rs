use super::*;
use proptest::prelude::*;
use series::STALE_NAN;

const KERNELS: [Kernel; 3] = [Kernel::Portable, Kernel::Avx2, Kernel::Avx512];

fn check(values: &[f64]) -> usize {
    let mut size = 0;
    for effort in [Effort::Quick, Effort::Thorough, Effort::Dense] {
        let chunk = encode_values(values, effort);
        // The search does not count the bytes of base and slope.
        assert!(effort != Effort::Dense || chunk.len() <= size + 18);
        size = chunk.len();
        for kernel in KERNELS.into_iter().filter(|kernel| kernel.is_available()) {
            let mut back = vec![7.0; values.len()];
            let info = decode_values(kernel, &chunk, &mut back).unwrap();
            let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&back), bits(values), "{kernel:?} {effort:?}");
            assert_eq!(info.len, values.len());
            let no_nan = !values.iter().any(|v| v.is_nan());
            let grows = values.windows(2).all(|pair| pair[0] <= pair[1]);
            assert_eq!(info.no_nan, no_nan);
            assert_eq!(info.never_decreases, grows && no_nan);
        }
    }
    size
}

fn check_times(times: &[i64]) -> usize {
    let chunk = encode_times(times);
    for kernel in KERNELS.into_iter().filter(|kernel| kernel.is_available()) {
        let mut back = Vec::new();
        assert_eq!(decode_times(kernel, &chunk, &mut back), Ok(times.len()));
        assert_eq!(back, times, "{kernel:?}");
    }
    chunk.len()
}

#[test]
fn the_corners_of_floats_come_back_bit_by_bit() {
    check(&[0.0]);
    check(&[-0.0, 0.0, -0.0]);
    check(&[f64::NAN, STALE_NAN, f64::from_bits(0xfff8_dead_beef_0001)]);
    check(&[f64::INFINITY, f64::NEG_INFINITY, 0.0, f64::MAX, f64::MIN]);
    check(&[f64::MIN_POSITIVE, 5e-324, -5e-324]);
    check(&[9_007_199_254_740_991.0, 9_007_199_254_740_992.0, -9e15]);
    check(&[f64::MAX, f64::MIN].repeat(100));
    check(&[STALE_NAN; 240]);
    let mut counter: Vec<f64> = (0..240).map(f64::from).collect();
    counter[100] = STALE_NAN;
    counter[101..].iter_mut().for_each(|v| *v -= 101.0);
    check(&counter);
    // Once longer with unary bits than without.
    check(&[18.0, STALE_NAN, 1.0].repeat(11));
}

#[test]
fn the_corners_of_times_come_back() {
    check_times(&[i64::MIN]);
    check_times(&[i64::MIN, i64::MAX]);
    check_times(&[i64::MIN, 0, i64::MAX]);
    check_times(&(0..256).map(|i| i * 15_000).collect::<Vec<_>>());
}

#[test]
fn a_constant_takes_a_dozen_bytes() {
    assert!(check(&[17.0; 240]) <= 10);
    assert!(check(&[0.1 + 0.2; 240]) <= 20);
    assert!(check(&(0..240).map(|i| f64::from(i) * 60.0).collect::<Vec<_>>()) <= 10);
}

#[test]
fn a_restart_costs_a_patch_and_not_the_width() {
    let mut counter: Vec<f64> = (0..240u32)
        .map(|i| f64::from(1_000_000 + i * 50 + i * 7919 % 8))
        .collect();
    let smooth = check(&counter);
    let restart: Vec<f64> = counter[120..].iter().map(|v| v - 1_006_000.0).collect();
    counter[120..].copy_from_slice(&restart);
    assert!(check(&counter) <= smooth + 16);
}

#[test]
fn a_common_factor_is_taken_out() {
    let pages: Vec<f64> = (0..240u64)
        .map(|i| (10_000 + i * 7919 % 128) as f64 * 4096.0)
        .collect();
    assert!(check(&pages) <= 240 * 7 / 8 + 20);
}

#[test]
fn jitter_of_times_costs_its_own_bits_only() {
    let times: Vec<i64> = (0..240)
        .map(|i| 1_700_000_000_000 + i * 15_000 + i * 7919 % 8)
        .collect();
    assert!(check_times(&times) <= 240 * 4 / 8 + 20);
}

#[test]
fn every_flipped_byte_is_noticed() {
    let values: Vec<f64> = (0..100).map(|i| f64::from(i * i)).collect();
    let chunk = encode_values(&values, Effort::Thorough);
    let mut out = [0.0; MAX_CHUNK_SAMPLES];
    for at in 0..chunk.len() {
        let mut damaged = chunk.clone();
        damaged[at] ^= 0x41;
        assert!(decode_values(Kernel::best(), &damaged, &mut out).is_err());
        assert!(decode_values(Kernel::best(), &chunk[..at], &mut out).is_err());
    }
}

fn any_value() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<u64>().prop_map(f64::from_bits),
        any::<i64>().prop_map(|v| v as f64),
        (-1_000_000i64..1_000_000).prop_map(|v| v as f64 / 100.0),
        (0i64..50).prop_map(|v| v as f64),
        Just(STALE_NAN),
        Just(-0.0),
    ]
}

/// Columns of one kind with some of another among them.
fn any_column() -> impl Strategy<Value = Vec<f64>> {
    let steps = (
        any::<i32>(),
        prop::collection::vec(0i64..1000, 1..=256),
        0u8..5,
        1i64..5000,
    )
        .prop_map(|(start, steps, exponent, unit)| {
            let mut at = i64::from(start);
            steps
                .into_iter()
                .map(|step| {
                    at += step * unit;
                    at as f64 / POWERS[exponent as usize]
                })
                .collect::<Vec<_>>()
        });
    let wild = prop::collection::vec(any_value(), 1..=256);
    let few = (prop::collection::vec(any_value(), 1..4), 1usize..=256)
        .prop_map(|(few, n)| few.iter().copied().cycle().take(n).collect::<Vec<_>>());
    let noise =
        (any::<f64>(), prop::collection::vec(0u32..1 << 30, 1..=256)).prop_map(|(start, noise)| {
            noise
                .into_iter()
                .map(|n| start + start * f64::from(n) * 1e-12)
                .collect()
        });
    let base = prop_oneof![steps, wild, few, noise];
    (
        base,
        prop::collection::vec((any::<prop::sample::Index>(), any_value()), 0..4),
    )
        .prop_map(|(mut column, strangers)| {
            for (at, value) in strangers {
                let at = at.index(column.len());
                column[at] = value;
            }
            column
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn values_come_back_bit_by_bit_from_every_kernel(values in any_column()) {
        check(&values);
    }

    #[test]
    fn times_come_back(times in prop::collection::vec(any::<i64>(), 1..=256),
                       start: i64, steps in prop::collection::vec(0i64..20_000, 1..=256)) {
        check_times(&times);
        let mut at = start;
        let grown: Vec<i64> = steps.iter().map(|s| { at = at.wrapping_add(*s); at }).collect();
        check_times(&grown);
    }

    #[test]
    fn bytes_with_a_fitting_checksum_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        let mut out = [0.0; MAX_CHUNK_SAMPLES];
        for kernel in KERNELS.into_iter().filter(|kernel| kernel.is_available()) {
            let _ = decode_values(kernel, &bytes, &mut out);
            let _ = decode_times(kernel, &bytes, &mut Vec::new());
        }
    }
}
