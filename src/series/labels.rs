use crate::METRIC_NAME;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Why a set of labels is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelsError {
    /// A name stands twice.
    #[error("label {0:?} stands twice")]
    Repeated(String),
}

/// A set of labels, sorted by name, no name twice, no empty value (in Prometheus an empty value
/// means that the label is absent).
///
/// One shared allocation: cloning costs a counter, comparing for equality and hashing one run
/// over the bytes. Each name and value stands in the text behind its length, written as
/// characters below U+8000 with 14 bits each, so that the whole stays valid UTF-8.
#[derive(Clone, Eq)]
pub struct Labels(Arc<str>);

impl Labels {
    /// No labels.
    #[must_use]
    pub fn empty() -> Self {
        Self(Arc::default())
    }

    /// Takes pairs in any order; pairs with an empty value are left out.
    ///
    /// # Errors
    /// [`LabelsError::Repeated`] when a name stands twice.
    pub fn new<N: AsRef<str>, V: AsRef<str>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, LabelsError> {
        let mut pairs: Vec<(N, V)> = pairs.into_iter().collect();
        pairs.sort_by(|a, b| a.0.as_ref().cmp(b.0.as_ref()));
        for pair in pairs.windows(2) {
            if pair[0].0.as_ref() == pair[1].0.as_ref() {
                return Err(LabelsError::Repeated(pair[0].0.as_ref().to_owned()));
            }
        }
        // One byte is enough for nearly every length.
        let lengths = pairs
            .iter()
            .map(|(n, v)| n.as_ref().len() + v.as_ref().len() + 2);
        let mut text = String::with_capacity(lengths.sum());
        for (name, value) in &pairs {
            push_pair(&mut text, name.as_ref(), value.as_ref());
        }
        Ok(Self(text.into()))
    }

    /// Takes pairs that are already sorted by name without repetition, as a stored index holds
    /// them, and skips the sorting. Pairs with an empty value are left out.
    pub fn from_sorted<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self::from_sorted_in(&mut String::new(), pairs)
    }

    /// As [`Labels::from_sorted`], and puts the text together in `scratch`, whose memory whoever
    /// makes many labels keeps.
    pub fn from_sorted_in<'a>(
        scratch: &mut String,
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        Self::write_sorted(scratch, pairs);
        Self(Arc::from(scratch.as_str()))
    }

    /// Puts the text of [`Labels::from_sorted`] in place of what `scratch` holds.
    pub(crate) fn write_sorted<'a>(
        scratch: &mut String,
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) {
        scratch.clear();
        let mut last = None;
        for (name, value) in pairs {
            debug_assert!(last < Some(name), "labels out of order at {name:?}");
            push_pair(scratch, name, value);
            last = Some(name);
        }
    }

    /// The labels of a text that was written before.
    pub(crate) fn of_text(text: Arc<str>) -> Self {
        Self(text)
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    /// The pairs in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        Pairs(&self.0)
    }

    /// The pairs from a byte of the text on at which one begins.
    pub(crate) fn iter_from(&self, begin: usize) -> impl Iterator<Item = (&str, &str)> + Clone {
        Pairs(&self.0[begin..])
    }

    /// Where the pairs from `begin` on end in the text.
    pub(crate) fn pair_ends(&self, begin: usize) -> impl Iterator<Item = usize> {
        let mut pairs = Pairs(&self.0[begin..]);
        std::iter::from_fn(move || {
            pairs.next()?;
            Some(self.0.len() - pairs.0.len())
        })
    }

    /// How many bytes of the text are the same at the front.
    pub(crate) fn same_bytes(&self, other: &Self) -> usize {
        common_prefix(self.0.as_bytes(), other.0.as_bytes())
    }

    /// The value of `name`, where it is present.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter()
            .find(|(n, _)| *n == name)
            .map(|(_, value)| value)
    }

    /// The metric's name, where there is one.
    #[must_use]
    pub fn metric_name(&self) -> Option<&str> {
        self.get(METRIC_NAME)
    }

    /// How many labels there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same labels without those that `drop` names.
    #[must_use]
    pub fn without(&self, mut drop: impl FnMut(&str) -> bool) -> Self {
        let mut text = String::with_capacity(self.0.len());
        Self::from_sorted_in(&mut text, self.iter().filter(|(name, _)| !drop(name)))
    }

    /// A builder that starts from these labels.
    #[must_use]
    pub fn to_builder(&self) -> LabelsBuilder {
        LabelsBuilder {
            pairs: self
                .iter()
                .map(|(n, v)| (n.to_owned(), v.to_owned()))
                .collect(),
        }
    }

    /// The bytes that these labels take on the heap.
    #[must_use]
    pub fn heap_size(&self) -> usize {
        self.0.len()
    }
}

/// Labels that share their memory, as most of one series do, are not looked at.
impl PartialEq for Labels {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

impl Hash for Labels {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl Default for Labels {
    fn default() -> Self {
        Self::empty()
    }
}

/// By name, then value, pair by pair; a prefix comes first (Prometheus `labels.Compare`).
impl Ord for Labels {
    fn cmp(&self, other: &Self) -> Ordering {
        // Neighbours have most of their text in common: only what follows needs a closer look.
        let (bytes, others) = (self.0.as_bytes(), other.0.as_bytes());
        let common = common_prefix(bytes, others);
        if common == bytes.len() || common == others.len() {
            return bytes.len().cmp(&others.len());
        }
        let mut rest = &*self.0;
        let mut before = rest;
        while bytes.len() - rest.len() <= common {
            before = rest;
            if take_text(&mut rest).is_none() {
                break;
            }
        }
        // The first text that differs, and those behind it.
        let mut others = &other.0[bytes.len() - before.len()..];
        let mut own = before;
        std::iter::from_fn(|| take_text(&mut own))
            .cmp(std::iter::from_fn(|| take_text(&mut others)))
    }
}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// As Prometheus writes a series: `up{job="wiki"}`; a metric or label name that is no plain
/// identifier is quoted.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.metric_name();
        let plain = name.filter(|n| is_plain_name(n, true));
        let mut separator = "";
        if let Some(plain) = plain {
            f.write_str(plain)?;
            if self.len() == 1 {
                return Ok(());
            }
        }
        f.write_str("{")?;
        if let (Some(name), None) = (name, plain) {
            write_quoted(f, name)?;
            separator = ", ";
        }
        for (name, value) in self.iter().filter(|(name, _)| *name != METRIC_NAME) {
            f.write_str(separator)?;
            if is_plain_name(name, false) {
                f.write_str(name)?;
            } else {
                write_quoted(f, name)?;
            }
            f.write_str("=")?;
            write_quoted(f, value)?;
            separator = ", ";
        }
        f.write_str("}")
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Puts labels together or changes some of them.
#[derive(Debug, Clone, Default)]
pub struct LabelsBuilder {
    pairs: Vec<(String, String)>,
}

impl LabelsBuilder {
    /// A builder without labels.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets `name`; an empty value removes it.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) -> &mut Self {
        let (name, value) = (name.into(), value.into());
        match self.pairs.iter_mut().find(|(n, _)| *n == name) {
            Some(pair) => pair.1 = value,
            None => self.pairs.push((name, value)),
        }
        self
    }

    /// Removes `name` where it is present.
    pub fn remove(&mut self, name: &str) -> &mut Self {
        self.pairs.retain(|(n, _)| n != name);
        self
    }

    /// The value of `name`, where it is set.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// The pairs that are set, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(n, v)| (n.as_str(), v.as_str()))
    }

    /// The labels as they are set now.
    #[must_use]
    pub fn build(&self) -> Labels {
        let mut pairs: Vec<(&str, &str)> = self.iter().collect();
        pairs.sort_unstable();
        Labels::from_sorted(pairs)
    }
}

/// How many bytes at the front are the same.
fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    let (words, others) = (a.as_chunks::<8>().0, b.as_chunks::<8>().0);
    let differs = |(a, b): (&[u8; 8], &[u8; 8])| u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
    let mut same = 0;
    for difference in words.iter().zip(others).map(differs) {
        if difference != 0 {
            return same + difference.trailing_zeros() as usize / 8;
        }
        same += 8;
    }
    let rest = a[same..].iter().zip(&b[same..]);
    same + rest.take_while(|(a, b)| a == b).count()
}

fn push_pair(text: &mut String, name: &str, value: &str) {
    if value.is_empty() {
        return;
    }
    push_length(text, name.len());
    text.push_str(name);
    push_length(text, value.len());
    text.push_str(value);
}

const LENGTH_BITS: u32 = 14;
const MORE: u32 = 1 << LENGTH_BITS;

#[inline]
fn push_length(text: &mut String, length: usize) {
    match u8::try_from(length) {
        // Nearly every length is one byte.
        Ok(length @ ..0x80) => text.push(char::from(length)),
        _ => push_long_length(text, length),
    }
}

fn push_long_length(text: &mut String, mut length: usize) {
    // All characters stay below U+8000, far from the surrogates, so that none is refused.
    while length >= MORE as usize {
        let digit = (length as u32 & (MORE - 1)) | MORE;
        text.push(char::from_u32(digit).unwrap_or_default());
        length >>= LENGTH_BITS;
    }
    text.push(char::from_u32(length as u32).unwrap_or_default());
}

fn take_text<'a>(rest: &mut &'a str) -> Option<&'a str> {
    let bytes = rest.as_bytes();
    let first = *bytes.first()?;
    // Nearly every length is one byte.
    let (length, width) = if first < 0x80 {
        (first as usize, 1)
    } else {
        let mut length = 0;
        let mut shift = 0;
        let mut width = 0;
        for c in rest.chars() {
            let digit = c as u32;
            width += c.len_utf8();
            length |= ((digit & (MORE - 1)) as usize) << shift;
            shift += LENGTH_BITS;
            if digit & MORE == 0 {
                break;
            }
        }
        (length, width)
    };
    let (text, after) = rest[width..].split_at(length);
    *rest = after;
    Some(text)
}

#[derive(Clone)]
struct Pairs<'a>(&'a str);

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let name = take_text(&mut self.0)?;
        let value = take_text(&mut self.0)?;
        Some((name, value))
    }
}

/// Whether `name` can stand unquoted: `[a-zA-Z_][a-zA-Z0-9_]*`, for metrics with colons too.
fn is_plain_name(name: &str, colons: bool) -> bool {
    let mut bytes = name.bytes();
    let letter = |b: u8| b.is_ascii_alphabetic() || b == b'_' || (colons && b == b':');
    bytes.next().is_some_and(letter) && bytes.all(|b| letter(b) || b.is_ascii_digit())
}

fn write_quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            c => fmt::Write::write_char(f, c)?,
        }
    }
    f.write_str("\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        Labels::new(pairs.iter().copied()).unwrap()
    }

    #[test]
    fn an_empty_value_is_an_absent_label() {
        let with_empty = labels(&[("job", "wiki"), ("zone", "")]);
        assert_eq!(with_empty, labels(&[("job", "wiki")]));
        assert_eq!(with_empty.get("zone"), None);
    }

    #[test]
    fn a_name_that_stands_twice_is_refused() {
        assert_eq!(
            Labels::new([("a", "1"), ("b", "2"), ("a", "3")]),
            Err(LabelsError::Repeated("a".into()))
        );
    }

    #[test]
    fn a_series_is_written_as_prometheus_writes_it() {
        for (pairs, text) in [
            (&[][..], "{}"),
            (&[("__name__", "up")], "up"),
            (
                &[("__name__", "up"), ("job", "a\"b\\c\nd")],
                r#"up{job="a\"b\\c\nd"}"#,
            ),
            (&[("job", "wiki"), ("a", "b")], r#"{a="b", job="wiki"}"#),
            (
                &[("__name__", "my.metric"), ("a.b", "c")],
                r#"{"my.metric", "a.b"="c"}"#,
            ),
        ] {
            assert_eq!(labels(pairs).to_string(), text);
        }
    }

    #[test]
    fn order_goes_by_pairs_and_not_by_lengths() {
        let short = labels(&[("a", "z")]);
        let long = labels(&[("a", "yyyyyyy")]);
        assert!(long < short);
        assert!(labels(&[("a", "b")]) < labels(&[("a", "b"), ("c", "d")]));
    }

    #[test]
    fn very_long_values_survive() {
        for length in [0x7f, 0x80, 0x3fff, 0x4000, 1 << 20, (1 << 28) + 5] {
            let value = "x".repeat(length);
            let made = Labels::new([("a", value.as_str()), ("b", "1")]).unwrap();
            assert_eq!(made.get("a").map(str::len), Some(length));
            assert_eq!(made.get("b"), Some("1"));
        }
    }

    proptest! {
        #[test]
        fn the_order_is_that_of_the_pairs(
            a in prop::collection::btree_map("[ab]{0,2}|x{120,300}", "[ab]{1,3}|é{60,70}|x{120,300}", 0..4),
            b in prop::collection::btree_map("[ab]{0,2}|x{120,300}", "[ab]{1,3}|é{60,70}|x{120,300}", 0..4),
            shared in prop::collection::btree_map("[ab]{0,2}|x{120,300}", "[ab]{1,3}|é{60,70}|x{120,300}", 0..4),
        ) {
            let with = |own: &BTreeMap<String, String>| {
                let mut all = own.clone();
                all.extend(shared.clone());
                all
            };
            for (a, b) in [(&a, &b), (&with(&a), &with(&b)), (&a, &with(&a))] {
                let (x, y) = (Labels::new(a).unwrap(), Labels::new(b).unwrap());
                prop_assert_eq!(x.cmp(&y), a.iter().cmp(b.iter()), "{:?} {:?}", x, y);
                prop_assert_eq!(y.cmp(&x), b.iter().cmp(a.iter()));
            }
        }

        #[test]
        fn what_goes_in_comes_out_sorted(map in prop::collection::btree_map(".{0,20}", ".{1,200}", 0..8)) {
            let made = Labels::new(map.iter().rev()).unwrap();
            let back: BTreeMap<String, String> =
                made.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
            prop_assert_eq!(&back, &map);
            prop_assert_eq!(made.to_builder().build(), made);
        }
    }
}
