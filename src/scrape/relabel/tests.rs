use super::*;
use serde_json::{Value, json};
use series::Labels;

fn rules(rules: &Value) -> Result<Vec<RelabelRule>> {
    let item = Item {
        value: rules,
        path: "rules".to_owned(),
    };
    item.list()?.iter().map(RelabelRule::read).collect()
}

/// `want` is `None` where the label set has to be dropped.
#[track_caller]
fn check(from: &[(&str, &str)], with: Value, want: Option<&[(&str, &str)]>) {
    let mut labels = Labels::new(from.iter().copied()).unwrap().to_builder();
    let kept = relabel(&mut labels, &rules(&with).unwrap());
    let got = kept.then(|| labels.build());
    let want = want.map(|pairs| Labels::new(pairs.iter().copied()).unwrap());
    assert_eq!(got, want, "{with}");
}

#[test]
fn replace_joins_matches_and_expands() {
    let from = &[("a", "foo"), ("b", "bar"), ("c", "baz")][..];
    for (rule, want) in [
        (
            json!({"source_labels": ["a"], "target_label": "d", "regex": "f(.*)", "replacement": "ch${1}-ch${1}"}),
            &[("a", "foo"), ("b", "bar"), ("c", "baz"), ("d", "choo-choo")][..],
        ),
        (
            json!({"source_labels": ["a", "b"], "target_label": "a", "regex": "f(.*);(.*)r", "replacement": "b${1}${2}m"}),
            &[("a", "boobam"), ("b", "bar"), ("c", "baz")],
        ),
        (
            json!({"sourceLabels": ["c", "a"], "separator": "-", "targetLabel": "d"}),
            &[("a", "foo"), ("b", "bar"), ("c", "baz"), ("d", "baz-foo")],
        ),
        // The pattern is anchored: a part of the value is no match.
        (
            json!({"source_labels": ["a"], "target_label": "d", "regex": "o", "replacement": "x"}),
            from,
        ),
        // An empty replacement removes the label.
        (
            json!({"source_labels": ["a"], "target_label": "b", "regex": ".*", "replacement": ""}),
            &[("a", "foo"), ("c", "baz")],
        ),
        // No sources: a constant.
        (
            json!({"target_label": "d", "replacement": "const"}),
            &[("a", "foo"), ("b", "bar"), ("c", "baz"), ("d", "const")],
        ),
        // The target is a template too.
        (
            json!({"source_labels": ["a", "b"], "regex": "(f.*);(.*)", "target_label": "${1}_x", "replacement": "$2"}),
            &[("a", "foo"), ("b", "bar"), ("c", "baz"), ("foo_x", "bar")],
        ),
        (
            json!({"source_labels": ["a"], "regex": "x*(.*)", "target_label": "${9}", "replacement": "y"}),
            from,
        ),
    ] {
        check(from, json!([rule]), Some(want));
    }
}

#[test]
fn templates_expand_as_go_expands_them() {
    for (replacement, want) in [
        ("$1", "ab"),
        ("$1x", ""),
        ("${1}x", "abx"),
        ("$first", "ab"),
        ("${first}-$2", "ab-c"),
        ("$0", "ab:c"),
        ("$$1", "$1"),
        ("$", "$"),
        ("a$-b", "a$-b"),
        ("${", "${"),
        ("${}", "${}"),
        ("${a-b}", "${a-b}"),
        ("$3", ""),
        ("$01", ""),
        ("x${99999999999999999999}y", "xy"),
    ] {
        let want: &[(&str, &str)] = &[("l", "ab:c"), ("t", want)];
        check(
            &[("l", "ab:c")],
            json!([{"source_labels": ["l"], "regex": "(?P<first>.*):(.*)", "target_label": "t", "replacement": replacement}]),
            Some(want),
        );
    }
}

#[test]
fn keep_and_drop_look_at_the_whole_value() {
    let from = &[("a", "foo"), ("b", "foo")][..];
    for (rule, kept) in [
        (
            json!({"action": "keep", "source_labels": ["a"], "regex": "fo+"}),
            true,
        ),
        (
            json!({"action": "keep", "source_labels": ["a"], "regex": "fo"}),
            false,
        ),
        (
            json!({"action": "drop", "source_labels": ["a"], "regex": "fo"}),
            true,
        ),
        (
            json!({"action": "Drop", "source_labels": ["a"], "regex": "f.*"}),
            false,
        ),
        (
            json!({"action": "keep", "source_labels": ["absent"], "regex": ""}),
            true,
        ),
        (
            json!({"action": "drop", "source_labels": ["absent"], "regex": ".+"}),
            true,
        ),
        (
            json!({"action": "keepequal", "source_labels": ["a"], "target_label": "b"}),
            true,
        ),
        (
            json!({"action": "keepequal", "source_labels": ["a"], "target_label": "c"}),
            false,
        ),
        (
            json!({"action": "dropequal", "source_labels": ["a"], "target_label": "b"}),
            false,
        ),
        (
            json!({"action": "dropequal", "source_labels": ["a"], "target_label": "c"}),
            true,
        ),
    ] {
        check(from, json!([rule]), kept.then_some(from));
    }
}

#[test]
fn a_rule_sees_what_the_rules_before_it_wrote() {
    check(
        &[("a", "foo")],
        json!([
            {"source_labels": ["a"], "target_label": "b"},
            {"action": "uppercase", "source_labels": ["b"], "target_label": "b"},
            {"action": "keep", "source_labels": ["b"], "regex": "FOO"},
            {"action": "labeldrop", "regex": "a"},
        ]),
        Some(&[("b", "FOO")]),
    );
}

#[test]
fn hashmod_is_the_tail_of_md5() {
    // Both values were computed with Python's hashlib.
    check(
        &[("c", "baz")],
        json!([{"action": "hashmod", "source_labels": ["c"], "target_label": "d", "modulus": 1000}]),
        Some(&[("c", "baz"), ("d", "976")]),
    );
    check(
        &[("a", "foo\nbar")],
        json!([{"action": "hashmod", "source_labels": ["a"], "target_label": "b", "modulus": 1000}]),
        Some(&[("a", "foo\nbar"), ("b", "734")]),
    );
}

#[test]
fn names_are_mapped_dropped_and_kept_by_pattern() {
    let from = &[
        ("__meta_my_bar", "aaa"),
        ("__meta_my_baz", "bbb"),
        ("other", "ccc"),
    ][..];
    check(
        from,
        json!([{"action": "labelmap", "regex": "__meta_(my.*)", "replacement": "${1}"}]),
        Some(&[
            ("__meta_my_bar", "aaa"),
            ("__meta_my_baz", "bbb"),
            ("my_bar", "aaa"),
            ("my_baz", "bbb"),
            ("other", "ccc"),
        ]),
    );
    check(
        from,
        json!([{"action": "labeldrop", "regex": "__meta_my_.*"}]),
        Some(&[("other", "ccc")]),
    );
    check(
        from,
        json!([{"action": "labelkeep", "regex": "oth.*"}]),
        Some(&[("other", "ccc")]),
    );
}

#[test]
fn case_is_mapped_letter_by_letter() {
    check(
        &[("a", "Straße")],
        json!([{"action": "uppercase", "source_labels": ["a"], "target_label": "a"}]),
        Some(&[("a", "STRAßE")]),
    );
    check(
        &[("a", "İÄx")],
        json!([{"action": "lowercase", "source_labels": ["a"], "target_label": "a"}]),
        Some(&[("a", "iäx")]),
    );
}

#[test]
fn a_rule_that_makes_no_sense_is_refused_by_its_key_path() {
    for (rule, path) in [
        (json!({"action": "jump"}), "rules[0].action"),
        (json!({"action": "replace"}), "rules[0].targetLabel"),
        (
            json!({"action": "hashmod", "target_label": "a"}),
            "rules[0].modulus",
        ),
        (json!({"action": "keep", "regex": "a("}), "rules[0].regex"),
        (
            json!({"action": "labeldrop", "regex": "a", "source_labels": ["b"]}),
            "rules[0].source_labels",
        ),
        (
            json!({"action": "lowercase", "target_label": "a", "replacement": "x"}),
            "rules[0].replacement",
        ),
        (
            json!({"action": "keepequal", "target_label": "a", "regex": "x"}),
            "rules[0].regex",
        ),
        (json!("keep"), "rules[0]"),
        (
            json!({"action": "keep", "source_labels": "a"}),
            "rules[0].source_labels",
        ),
    ] {
        match rules(&json!([rule])) {
            Err(Error::Setting { path: got, .. }) => assert_eq!(got, path),
            other => panic!("{other:?}"),
        }
    }
}
