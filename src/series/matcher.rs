use crate::pattern::Pattern;
use regex::Regex;
use std::fmt;

/// How a matcher compares (Prometheus querying/basics, "Time series selectors").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`, anchored at both ends.
    Regex,
    /// `!~`, anchored at both ends.
    NotRegex,
}

impl MatchOp {
    /// The operator's text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Regex => "=~",
            Self::NotRegex => "!~",
        }
    }
}

/// Why a matcher is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid regular expression {pattern:?}: {reason}")]
pub struct MatcherError {
    /// The pattern as given.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: String,
}

/// A condition on one label. An absent label counts as empty.
#[derive(Debug, Clone)]
pub struct Matcher {
    name: String,
    op: MatchOp,
    value: String,
    pattern: Option<Pattern>,
}

impl Matcher {
    /// Makes a matcher; regular expressions are compiled here, in RE2's syntax, anchored, with
    /// `.` matching newlines, as Prometheus does since 3.0.
    ///
    /// # Errors
    /// [`MatcherError`] when `value` is no regular expression but has to be one.
    pub fn new(
        op: MatchOp,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Result<Self, MatcherError> {
        let value = value.into();
        let pattern = match op {
            MatchOp::Equal | MatchOp::NotEqual => None,
            MatchOp::Regex | MatchOp::NotRegex => Some(Pattern::new(&value)?),
        };
        Ok(Self {
            name: name.into(),
            op,
            value,
            pattern,
        })
    }

    /// `name="value"`.
    #[must_use]
    pub fn equal(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            op: MatchOp::Equal,
            value: value.into(),
            pattern: None,
        }
    }

    /// The label's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it compares.
    #[must_use]
    pub fn op(&self) -> MatchOp {
        self.op
    }

    /// The text it compares with: a value, or a pattern without anchors.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether a label with this value fulfils the condition; `""` stands for an absent label.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        match (self.op, &self.pattern) {
            (MatchOp::Equal, _) => self.value == value,
            (MatchOp::NotEqual, _) => self.value != value,
            (MatchOp::Regex, Some(pattern)) => pattern.matches(value),
            (MatchOp::NotRegex, Some(pattern)) => !pattern.matches(value),
            (MatchOp::Regex | MatchOp::NotRegex, None) => false,
        }
    }

    /// The only values that fulfil the condition, sorted, where it is a regular expression that
    /// lists them (`a|b`), so that an index need not be searched through.
    #[must_use]
    pub fn listed(&self) -> Option<&[String]> {
        match (self.op, &self.pattern) {
            (MatchOp::Regex, Some(Pattern::Texts(texts))) => Some(texts),
            _ => None,
        }
    }

    /// Whether a series without the label fulfils the condition.
    #[must_use]
    pub fn matches_absent(&self) -> bool {
        self.matches("")
    }
}

/// Compiles a pattern as Prometheus does in selectors and relabelling: RE2's syntax, anchored at
/// both ends, `.` matching newlines.
///
/// Go's RE2 and Rust's `regex` speak nearly the same language. Two spellings that Go knows and
/// Rust does not are rewritten: `\Q…\E`, and braces that open no repetition and so stand for
/// themselves.
///
/// # Errors
/// [`MatcherError`] when `pattern` is no regular expression.
pub fn anchored_regex(pattern: &str) -> Result<Regex, MatcherError> {
    let translated = translate(pattern);
    Regex::new(&format!("^(?s:{translated})$")).map_err(|error| MatcherError {
        pattern: pattern.to_owned(),
        // The message shows the pattern over several lines; its last line says what is wrong.
        reason: error
            .to_string()
            .lines()
            .last()
            .unwrap_or_default()
            .trim_start_matches("error: ")
            .to_owned(),
    })
}

pub(crate) fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut rest = pattern;
    let mut in_class = false;
    while let Some(c) = rest.chars().next() {
        if let Some(quoted) = rest.strip_prefix("\\Q") {
            let end = quoted.find("\\E");
            out.push_str(&regex::escape(&quoted[..end.unwrap_or(quoted.len())]));
            rest = end.map_or("", |end| &quoted[end + 2..]);
            continue;
        }
        let mut width = c.len_utf8();
        match c {
            '\\' => {
                width += rest[1..].chars().next().map_or(0, char::len_utf8);
                // `\p{Greek}` and `\x{10FFFF}` own their braces.
                if matches!(rest.as_bytes().get(1), Some(b'p' | b'P' | b'x'))
                    && rest.as_bytes().get(2) == Some(&b'{')
                {
                    width = rest.find('}').map_or(width, |end| end + 1);
                }
                out.push_str(&rest[..width]);
            }
            '[' if !in_class => {
                in_class = true;
                out.push('[');
                let after = &rest[1..];
                // A bracket right behind the opening one stands for itself.
                for literal in ["^]", "]", "^"] {
                    if after.starts_with(literal) {
                        out.push_str(&literal.replace(']', "\\]"));
                        width += literal.len();
                        break;
                    }
                }
            }
            '[' if rest.starts_with("[:") && rest.contains(":]") => {
                let end = rest.find(":]").map_or(1, |end| end + 2);
                out.push_str(&rest[..end]);
                width = end;
            }
            // Rust reads nested classes and set operations where Go reads plain characters.
            '[' => out.push_str("\\["),
            '&' | '~' if in_class => {
                out.push('\\');
                out.push(c);
            }
            '-' if in_class && rest.starts_with("--") => out.push_str("\\-"),
            ']' if in_class => {
                in_class = false;
                out.push(']');
            }
            '{' if !in_class && !opens_repetition(rest) => out.push_str("\\{"),
            c => out.push(c),
        }
        rest = &rest[width..];
    }
    out
}

/// Whether `text`, which starts with `{`, reads `{n}`, `{n,}` or `{n,m}`.
fn opens_repetition(text: &str) -> bool {
    let Some(end) = text.find('}') else {
        return false;
    };
    let (low, high) = match text[1..end].split_once(',') {
        Some((low, high)) => (low, Some(high)),
        None => (&text[1..end], None),
    };
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    !low.is_empty() && digits(low) && high.is_none_or(digits)
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        self.op == other.op && self.name == other.name && self.value == other.value
    }
}

impl Eq for Matcher {}

/// As it stands in a selector: `job=~"wiki.*"`.
impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{:?}", self.name, self.op.as_str(), self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, matched: &[&str], refused: &[&str]) {
        let matcher = Matcher::new(MatchOp::Regex, "l", pattern).unwrap();
        for value in matched {
            assert!(matcher.matches(value), "{pattern} should match {value:?}");
        }
        for value in refused {
            assert!(
                !matcher.matches(value),
                "{pattern} should not match {value:?}"
            );
        }
    }

    #[test]
    fn patterns_are_anchored_and_dots_match_newlines() {
        check("a|b", &["a", "b"], &["ab", "xa"]);
        check("a.b", &["a\nb"], &[]);
        check("", &[""], &["x"]);
    }

    #[test]
    fn spellings_of_go_are_understood() {
        check(r"\Qa.b\E+", &["a.b", "a.bb"], &["axb"]);
        check(r"x{,2}", &["x{,2}"], &["x", "xx"]);
        check(r"{{a}}", &["{{a}}"], &[]);
        check(r"x{2,}", &["xx", "xxx"], &["x"]);
        check(r"[[a]+", &["[a["], &["b"]);
        check(r"[]a]+", &["]a"], &[]);
        check(r"[^]a]", &["b"], &["]"]);
        check(r"[a&&b]+", &["a&b"], &[]);
        check(r"[[:alpha:]]+", &["ab"], &["1"]);
        check(r"\p{Greek}\x{41}", &["αA"], &[]);
    }

    #[test]
    fn an_absent_label_is_empty() {
        assert!(
            Matcher::new(MatchOp::NotEqual, "l", "x")
                .unwrap()
                .matches_absent()
        );
        assert!(
            Matcher::new(MatchOp::Regex, "l", ".*")
                .unwrap()
                .matches_absent()
        );
        assert!(
            !Matcher::new(MatchOp::Regex, "l", ".+")
                .unwrap()
                .matches_absent()
        );
    }

    #[test]
    fn a_bad_pattern_says_what_is_wrong() {
        let error = Matcher::new(MatchOp::Regex, "l", "a(b").unwrap_err();
        assert_eq!(error.pattern, "a(b");
        assert!(error.reason.contains("unclosed group"), "{}", error.reason);
    }
}
