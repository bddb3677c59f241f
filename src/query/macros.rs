use crate::interval::{format_go_duration, format_interval};
use series::format_duration;

/// What the macros of one question stand for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Values {
    pub(crate) interval_ms: i64,
    pub(crate) rate_interval_ms: i64,
    /// Wider than 64 bits: from the first to the last millisecond there are more than they hold.
    pub(crate) range_ms: i128,
}

/// The macros, longer names before their beginnings.
const NAMES: [&str; 7] = [
    "__rate_interval_ms",
    "__rate_interval",
    "__interval_ms",
    "__interval",
    "__range_ms",
    "__range_s",
    "__range",
];

/// The macro that a setting consists of, without dollar and braces.
pub(crate) fn sole_macro(text: &str) -> Option<&'static str> {
    let name = text.strip_prefix('$')?;
    let name = name
        .strip_prefix('{')
        .and_then(|name| name.strip_suffix('}'))
        .unwrap_or(name);
    NAMES.into_iter().find(|known| *known == name)
}

/// Puts the values in the place of `$__name` and `${__name}`.
///
/// What follows a name makes no difference (`$__intervalx` becomes `15sx`), and macros inside
/// strings are replaced too: it is a replacement of text, as in Grafana.
pub(crate) fn replace(expr: &str, values: &Values) -> String {
    let mut out = String::with_capacity(expr.len() + 16);
    let mut rest = expr;
    while let Some(dollar) = rest.find('$') {
        out.push_str(&rest[..dollar]);
        rest = &rest[dollar..];
        let found = NAMES.into_iter().find_map(|name| {
            let after = rest[1..].strip_prefix(name).or_else(|| {
                rest[1..]
                    .strip_prefix('{')?
                    .strip_prefix(name)?
                    .strip_prefix('}')
            })?;
            Some((name, after))
        });
        match found {
            Some((name, after)) => {
                out.push_str(&value(name, values));
                rest = after;
            }
            None => {
                out.push('$');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

fn value(name: &str, values: &Values) -> String {
    // Half seconds go up, as Grafana rounds.
    let range_s = (values.range_ms + 500).div_euclid(1_000);
    match name {
        "__rate_interval_ms" => values.rate_interval_ms.to_string(),
        "__rate_interval" => promql_go_duration(values.rate_interval_ms),
        "__interval_ms" => values.interval_ms.to_string(),
        "__interval" => format_interval(values.interval_ms),
        "__range_ms" => values.range_ms.to_string(),
        "__range_s" => range_s.to_string(),
        _ => format!("{range_s}s"),
    }
}

/// Go's spelling where PromQL can read it. Go writes a part of a second as `1.5s`, which PromQL
/// refuses: then the query is asked with `1s500ms` instead of failing.
fn promql_go_duration(ms: i64) -> String {
    if ms >= 1_000 && ms % 1_000 != 0 {
        format_duration(ms)
    } else {
        format_go_duration(ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const VALUES: Values = Values {
        interval_ms: 90_000,
        rate_interval_ms: 105_000,
        range_ms: 3_600_499,
    };

    fn check(expr: &str, replaced: &str) {
        assert_eq!(replace(expr, &VALUES), replaced, "{expr}");
    }

    #[test]
    fn every_macro_has_two_spellings() {
        check("[$__interval] [${__interval}]", "[1m] [1m]");
        check("$__interval_ms ${__interval_ms}", "90000 90000");
        check("$__rate_interval ${__rate_interval}", "1m45s 1m45s");
        check("$__rate_interval_ms ${__rate_interval_ms}", "105000 105000");
        check("$__range ${__range}", "3600s 3600s");
        check("$__range_s ${__range_s}", "3600 3600");
        check("$__range_ms ${__range_ms}", "3600499 3600499");
    }

    #[test]
    fn what_is_no_macro_stays() {
        check(
            "a{b=\"$\"} $$ ${__interval $x ${} $__rang",
            "a{b=\"$\"} $$ ${__interval $x ${} $__rang",
        );
        check("$__intervalx $__range_min", "1mx 3600s_min");
        check("$$__interval", "$1m");
        check("ä$__rangeö", "ä3600sö");
        check("", "");
    }

    #[test]
    fn a_part_of_a_second_is_written_so_that_promql_reads_it() {
        for (ms, text) in [
            (0, "0s"),
            (500, "500ms"),
            (60_000, "1m0s"),
            (1_500, "1s500ms"),
            (61_250, "1m1s250ms"),
            (7_200_000, "2h0m0s"),
        ] {
            assert_eq!(promql_go_duration(ms), text);
        }
    }

    #[test]
    fn half_a_second_of_range_counts_as_one() {
        for (range_ms, text) in [
            (0, "0s"),
            (1, "0s"),
            (499, "0s"),
            (500, "1s"),
            (1_500, "2s"),
        ] {
            let values = Values { range_ms, ..VALUES };
            assert_eq!(replace("$__range", &values), text);
        }
    }

    #[test]
    fn a_setting_that_is_one_macro_is_known() {
        assert_eq!(sole_macro("$__interval"), Some("__interval"));
        assert_eq!(
            sole_macro("${__rate_interval_ms}"),
            Some("__rate_interval_ms")
        );
        for text in [
            "",
            "$",
            "$__interval ",
            "${__interval",
            "__interval",
            "$__x",
            "$__interval}",
        ] {
            assert_eq!(sole_macro(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn text_without_macros_is_left_alone(text in "[^_]{0,40}") {
            prop_assert_eq!(replace(&text, &VALUES), text);
        }

        /// One name after the other over the whole text, longest first: slower, plainly right.
        #[test]
        fn one_pass_equals_one_replacement_per_name(
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    "$", "{", "}", "__interval", "__rate_interval", "_ms", "_s", "__range", "x",
                    "$__interval", "${__range}",
                ]),
                0..20,
            )
        ) {
            let text = parts.concat();
            let mut plain = text.clone();
            for name in NAMES {
                let value = value(name, &VALUES);
                plain = plain.replace(&format!("${name}"), &value);
                plain = plain.replace(&format!("${{{name}}}"), &value);
            }
            prop_assert_eq!(replace(&text, &VALUES), plain);
        }
    }
}
