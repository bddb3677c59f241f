//! The regular expressions of matchers, and what of them can be told without one.
//!
//! Most patterns of dashboards are lists of values, which `$variable` makes of a choice, or begin
//! or end with a plain text. Comparing texts costs a fraction of running an automaton, and
//! building one costs more than asking it about a thousand values.

use crate::matcher::{MatcherError, anchored_regex, translate};
use regex::Regex;
use regex_syntax::hir::{Class, Dot, Hir, HirKind};

/// Most values that a pattern is taken apart to.
const MAX_TEXTS: usize = 256;

/// A pattern that has to match a value as a whole.
#[derive(Debug, Clone)]
pub(crate) enum Pattern {
    /// One of these, sorted.
    Texts(Vec<String>),
    /// Something between two texts, at least so many bytes where these may be any.
    Between {
        prefix: Box<[u8]>,
        suffix: Box<[u8]>,
        middle: Middle,
    },
}

/// What may stand between prefix and suffix.
#[derive(Debug, Clone)]
pub(crate) enum Middle {
    /// Anything of at least so many characters, of which nobody asks for more than one.
    Any { at_least: usize },
    /// What the whole pattern says; prefix and suffix may lie over each other.
    Whole(Regex),
}

impl Pattern {
    pub(crate) fn new(pattern: &str) -> Result<Self, MatcherError> {
        let parsed = regex_syntax::Parser::new().parse(&format!("(?s:{})", translate(pattern)));
        let Ok(hir) = parsed else {
            // One place says what is wrong with a pattern.
            return Ok(Self::Between {
                prefix: Box::default(),
                suffix: Box::default(),
                middle: Middle::Whole(anchored_regex(pattern)?),
            });
        };
        if let Some(mut texts) = texts(&hir) {
            texts.sort_unstable();
            texts.dedup();
            return Ok(Self::Texts(texts));
        }
        let middle = match at_least(&hir) {
            Some(at_least) => Middle::Any { at_least },
            None => Middle::Whole(anchored_regex(pattern)?),
        };
        Ok(Self::Between {
            prefix: edge(&hir, <[Hir]>::first).into(),
            suffix: edge(&hir, <[Hir]>::last).into(),
            middle,
        })
    }

    pub(crate) fn matches(&self, value: &str) -> bool {
        match self {
            Self::Texts(texts) => texts
                .binary_search_by(|text| text.as_str().cmp(value))
                .is_ok(),
            Self::Between {
                prefix,
                suffix,
                middle,
            } => {
                value.as_bytes().starts_with(prefix)
                    && value.as_bytes().ends_with(suffix)
                    && match middle {
                        Middle::Any { at_least } => {
                            value.len() >= prefix.len() + suffix.len() + at_least
                        }
                        Middle::Whole(regex) => regex.is_match(value),
                    }
            }
        }
    }
}

/// All texts that match, where they are few.
fn texts(hir: &Hir) -> Option<Vec<String>> {
    let one = |text: &[u8]| Some(vec![String::from_utf8(text.to_vec()).ok()?]);
    match hir.kind() {
        HirKind::Empty => one(b""),
        HirKind::Literal(literal) => one(&literal.0),
        HirKind::Class(Class::Unicode(class)) => {
            let count: usize = class.iter().map(|range| range.len()).sum();
            let chars = class.iter().flat_map(|range| range.start()..=range.end());
            (count <= MAX_TEXTS).then(|| chars.map(String::from).collect())
        }
        HirKind::Capture(capture) => texts(&capture.sub),
        HirKind::Concat(parts) => {
            let mut all = vec![String::new()];
            for part in parts {
                let ends = texts(part)?;
                if all.len() * ends.len() > MAX_TEXTS {
                    return None;
                }
                let joined = all
                    .iter()
                    .flat_map(|start| ends.iter().map(move |end| format!("{start}{end}")));
                all = joined.collect();
            }
            Some(all)
        }
        HirKind::Alternation(choices) => {
            let mut all = Vec::new();
            for choice in choices {
                all.extend(texts(choice)?);
                if all.len() > MAX_TEXTS {
                    return None;
                }
            }
            Some(all)
        }
        _ => None,
    }
}

/// The plain text with which whatever matches begins or ends, empty where there is none.
fn edge(hir: &Hir, at: fn(&[Hir]) -> Option<&Hir>) -> &[u8] {
    match hir.kind() {
        HirKind::Literal(literal) => &literal.0,
        HirKind::Capture(capture) => edge(&capture.sub, at),
        HirKind::Concat(parts) => at(parts).map_or(&[], |part| edge(part, at)),
        _ => &[],
    }
}

/// How many characters stand at least between a plain text at the begin and one at the end,
/// either of which may be missing, where nothing else is asked for: `.*`, `wiki-.+`, `.*_total`.
fn at_least(hir: &Hir) -> Option<usize> {
    let parts = match hir.kind() {
        HirKind::Concat(parts) => parts,
        _ => std::slice::from_ref(hir),
    };
    let is_text = |hir: &Hir| matches!(hir.kind(), HirKind::Literal(_));
    let any = match parts {
        [any] => any,
        [first, any] if is_text(first) => any,
        [any, last] if is_text(last) => any,
        [first, any, last] if is_text(first) && is_text(last) => any,
        _ => return None,
    };
    let HirKind::Repetition(repetition) = any.kind() else {
        return None;
    };
    let unbounded = repetition.max.is_none() && repetition.min <= 1;
    (unbounded && *repetition.sub == Hir::dot(Dot::AnyChar)).then_some(repetition.min as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts_of(pattern: &str) -> Option<Vec<String>> {
        match Pattern::new(pattern).unwrap() {
            Pattern::Texts(texts) => Some(texts),
            Pattern::Between { .. } => None,
        }
    }

    #[test]
    fn a_choice_of_values_is_a_list() {
        let list = |pattern| texts_of(pattern).unwrap().join(",");
        assert_eq!(list("b|a"), "a,b");
        assert_eq!(list("(wiki-1|wiki-2|shop)"), "shop,wiki-1,wiki-2");
        assert_eq!(list("host-(a|b|)"), "host-,host-a,host-b");
        assert_eq!(list(r"http://a\.b:80/\?x"), "http://a.b:80/?x");
        assert_eq!(list("5[0-2]0"), "500,510,520");
        assert_eq!(list("(?i:a)"), "A,a");
        assert_eq!(list(""), "");
        for pattern in ["a.", "a*", "a{2,}", "(a|b.)", "[^a]", r"\d{3}", "^a"] {
            assert_eq!(texts_of(pattern), None, "{pattern}");
        }
    }

    #[test]
    fn anything_beside_a_text_needs_no_automaton() {
        for (pattern, needs_none) in [
            (".*", true),
            (".+", true),
            ("wiki-.*", true),
            (".+_total", true),
            ("a.*b", true),
            ("a.?b", false),
            ("(?-s:a.*)", false),
            ("a.*b.*", false),
            ("(a.*)", false),
        ] {
            let made = Pattern::new(pattern).unwrap();
            let any = matches!(
                made,
                Pattern::Between {
                    middle: Middle::Any { .. },
                    ..
                }
            );
            assert_eq!(any, needs_none, "{pattern}");
        }
    }

    fn pattern() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just(".*".to_owned()),
            Just(".+".to_owned()),
            Just(".".to_owned()),
            Just("[ab]".to_owned()),
            Just("[^a]".to_owned()),
            Just("(?i:B)".to_owned()),
            Just("b?".to_owned()),
            Just("^".to_owned()),
            Just("$".to_owned()),
            Just("(?-s:.)".to_owned()),
            "[abé\n]{0,3}",
        ];
        leaf.prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| parts.concat()),
                prop::collection::vec(inner.clone(), 1..4)
                    .prop_map(|parts| format!("({})", parts.join("|"))),
                inner.prop_map(|part| format!("(?:{part})*")),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn what_is_told_without_an_automaton_is_what_it_would_say(
            pattern in pattern(),
            values in prop::collection::vec("[abBé\nx]{0,5}", 1..20),
        ) {
            let plain = anchored_regex(&pattern).unwrap();
            let made = Pattern::new(&pattern).unwrap();
            for value in values.iter().map(String::as_str).chain([""]) {
                prop_assert_eq!(made.matches(value), plain.is_match(value), "{:?} {:?}", pattern, value);
            }
        }
    }
}
