//! Lists of labels, names and the like.

use super::{PIECE_BYTES, Pieces, push_notices, push_text};
use series::Labels;

/// `{"name":"value",…}`, in the order of the names.
pub fn push_labels(out: &mut Vec<u8>, labels: &Labels) {
    out.push(b'{');
    for (at, (name, value)) in labels.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        push_text(out, name);
        out.push(b':');
        push_text(out, value);
    }
    out.push(b'}');
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
