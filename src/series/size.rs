/// Reads a number of bytes as Prometheus writes it (`512MB`, `1.5GB`, powers of 1024, or
/// without a unit). `None` for anything else, and for what 64 bits do not hold.
#[must_use]
pub fn parse_bytes(text: &str) -> Option<u64> {
    // "B" ends all the others and stands last.
    const UNITS: [(&str, u32); 7] = [
        ("EB", 60),
        ("PB", 50),
        ("TB", 40),
        ("GB", 30),
        ("MB", 20),
        ("KB", 10),
        ("B", 0),
    ];
    let text = text.trim();
    let (number, shift) = UNITS
        .iter()
        .find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, *shift)))
        .unwrap_or((text, 0));
    let bytes = number.trim().parse::<f64>().ok()? * (1_u64 << shift) as f64;
    (bytes >= 0.0 && bytes < u64::MAX as f64).then_some(bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_1024() {
        for (text, bytes) in [
            ("512", Some(512)),
            ("512B", Some(512)),
            ("1KB", Some(1_024)),
            ("1.5GB", Some(3 << 29)),
            ("", None),
            ("GB", None),
            ("-1MB", None),
            ("NaN", None),
            ("16EB", None),
        ] {
            assert_eq!(parse_bytes(text), bytes, "{text}");
        }
    }
}
