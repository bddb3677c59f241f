//! Lists of labels, names and the like.

use super::{PIECE_BYTES, Pieces, push_notices, push_text};
use series::{Labels, Successive};

/// `{"name":"value",…}`, in the order of the names.
pub fn push_labels(out: &mut Vec<u8>, labels: &Labels) {
    out.push(b'{');
    for (at, pair) in labels.iter().enumerate() {
        push_pair(out, at == 0, pair);
    }
    out.push(b'}');
}

fn push_pair(out: &mut Vec<u8>, is_first: bool, (name, value): (&str, &str)) {
    if !is_first {
        out.push(b',');
    }
    push_text(out, name);
    out.push(b':');
    push_text(out, value);
}

/// Writes what [`push_labels`] does for series one after the other, and spells only what
/// changes.
#[derive(Default)]
pub(crate) struct SuccessiveLabels<'a> {
    successive: Successive<'a>,
    /// The pairs of the last series.
    text: Vec<u8>,
    /// Where each of them ends.
    ends: Vec<usize>,
}

impl<'a> SuccessiveLabels<'a> {
    pub(crate) fn push(&mut self, out: &mut Vec<u8>, labels: &'a Labels) {
        let (common, new) = self.successive.next(labels);
        self.ends.truncate(common);
        self.text.truncate(self.ends.last().copied().unwrap_or(0));
        for pair in new {
            push_pair(&mut self.text, self.ends.is_empty(), pair);
            self.ends.push(self.text.len());
        }
        out.push(b'{');
        out.extend_from_slice(&self.text);
        out.push(b'}');
    }
}

/// An answer whose `data` is a list.
pub(crate) struct ListJson<T> {
    entries: std::vec::IntoIter<T>,
    push: fn(&mut Vec<u8>, &T),
    warnings: Vec<String>,
    begun: bool,
}

impl<T> ListJson<T> {
    /// `push` writes one entry.
    pub(crate) fn new(entries: Vec<T>, push: fn(&mut Vec<u8>, &T), warnings: Vec<String>) -> Self {
        Self {
            entries: entries.into_iter(),
            push,
            warnings,
            begun: false,
        }
    }
}

impl<T: Send + 'static> Pieces for ListJson<T> {
    fn fill(&mut self, out: &mut Vec<u8>) -> bool {
        while out.len() < PIECE_BYTES {
            match self.entries.next() {
                Some(entry) => {
                    out.extend_from_slice(if self.begun {
                        b","
                    } else {
                        br#"{"status":"success","data":["#
                    });
                    self.begun = true;
                    (self.push)(out, &entry);
                }
                None => {
                    if !self.begun {
                        out.extend_from_slice(br#"{"status":"success","data":["#);
                    }
                    out.push(b']');
                    push_notices(out, &self.warnings, &[]);
                    out.push(b'}');
                    return false;
                }
            }
        }
        true
    }
}
