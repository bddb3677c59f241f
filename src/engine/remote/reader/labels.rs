//! A series's `metric` object to labels.

use super::token::{self, Fault, Piece, Raw, skip_space};
use series::Labels;
use std::ops::Range;

/// What is kept from one series to the next.
#[derive(Default)]
pub(super) struct Scratch {
    pairs: Vec<(Raw, Raw)>,
    text: String,
    keys: Keys,
    values: Vec<Range<usize>>,
}

/// What stands before the values of an object: `"name":"`, one behind the other.
#[derive(Default)]
struct Keys {
    text: String,
    each: Vec<Key>,
}

/// Where a key and the name in it stand in [`Keys::text`].
struct Key {
    whole: Range<usize>,
    name: Range<usize>,
}

impl Scratch {
    /// Reads an object whose values are strings.
    ///
    /// A name that stands twice has its last value, as readers of JSON have it. An empty value is
    /// an absent label.
    pub(super) fn labels(&mut self, bytes: &[u8], at: usize) -> Piece<Labels> {
        match self.like_the_last(bytes, at) {
            Some(labels) => Ok(Some(labels)),
            None => self.any(bytes, at),
        }
    }

    /// Reads an object with the names of the last one, or the first of them, and no escapes.
    /// Nearly every series of an answer is one of these.
    fn like_the_last(&mut self, bytes: &[u8], at: usize) -> Option<(Labels, usize)> {
        self.values.clear();
        let mut from = at + 1;
        for key in &self.keys.each {
            let text = &self.keys.text.as_bytes()[key.whole.clone()];
            if !bytes.get(from..)?.starts_with(text) {
                return None;
            }
            let start = from + text.len();
            let end = token::find_quote(bytes, start)?;
            if bytes[end] != b'"' {
                return None;
            }
            self.values.push(start - at..end - at);
            from = end + 2;
            match bytes.get(end + 1)? {
                b',' => {}
                b'}' => {
                    let object = std::str::from_utf8(&bytes[at..from]).ok()?;
                    let pairs = self.keys.each.iter().zip(&self.values);
                    let pairs = pairs.map(|(key, value)| {
                        (&self.keys.text[key.name.clone()], &object[value.clone()])
                    });
                    return Some((Labels::from_sorted_in(&mut self.text, pairs), from));
                }
                _ => return None,
            }
        }
        None
    }

    fn any(&mut self, bytes: &[u8], at: usize) -> Piece<Labels> {
        self.pairs.clear();
        let mut escaped = false;
        let mut from = skip_space(bytes, at + 1);
        if bytes.get(from) == Some(&b'}') {
            return Ok(Some((Labels::empty(), from + 1)));
        }
        let end = loop {
            let Some((name, after)) = token::key(bytes, from)? else {
                return Ok(None);
            };
            let Some((value, after)) = token::raw_string(bytes, skip_space(bytes, after))? else {
                return Ok(None);
            };
            escaped |= name.escaped || value.escaped;
            self.pairs.push((name, value));
            let next = skip_space(bytes, after);
            match bytes.get(next) {
                None => return Ok(None),
                Some(b',') => from = skip_space(bytes, next + 1),
                Some(b'}') => break next + 1,
                Some(_) => return Err(Fault::expected(bytes, next, "',' or '}'")),
            }
        };
        let object = std::str::from_utf8(&bytes[at..end])
            .map_err(|error| Fault::new(at + error.valid_up_to(), "invalid UTF-8"))?;
        let part = |raw: Raw| &object[raw.start - at..raw.end - at];
        let sorted = self
            .pairs
            .windows(2)
            .all(|pair| part(pair[0].0) < part(pair[1].0));
        let labels = if sorted && !escaped {
            self.keys.set(object, at, &self.pairs);
            let pairs = self.pairs.iter();
            Labels::from_sorted_in(
                &mut self.text,
                pairs.map(|(name, value)| (part(*name), part(*value))),
            )
        } else {
            self.rearranged(bytes)?
        };
        Ok(Some((labels, end)))
    }

    fn rearranged(&self, bytes: &[u8]) -> Result<Labels, Fault> {
        let mut builder = series::LabelsBuilder::new();
        for (name, value) in &self.pairs {
            builder.set(token::text(bytes, *name)?, token::text(bytes, *value)?);
        }
        Ok(builder.build())
    }
}

impl Keys {
    /// Takes the keys of an object, which begins at `at`.
    fn set(&mut self, object: &str, at: usize, pairs: &[(Raw, Raw)]) {
        self.text.clear();
        self.each.clear();
        for (name, value) in pairs {
            // From the quote before the name to the one before the value.
            let start = self.text.len();
            self.text
                .push_str(&object[name.start - 1 - at..value.start - at]);
            let name_start = start + 1;
            self.each.push(Key {
                whole: start..self.text.len(),
                name: name_start..name_start + (name.end - name.start),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_after_another_reads_as_it_does_alone() {
        let objects = [
            r#"{"a":"1","b":"2","c":"3"}"#,
            r#"{"a":"","b":"é","c":"3"}"#,
            r#"{"a":"1","b":"2"}"#,
            r#"{"a":"1"}"#,
            r#"{"a":"1","b":"2","c":"3","d":"4"}"#,
            r#"{"a":"1","b":"\"2","c":"3"}"#,
            r#"{ "a" : "1" , "b" : "2" }"#,
            r#"{"a" : "1","b" : "2"}"#,
            r#"{"b":"2","a":"1"}"#,
            r#"{"a":"1","a":"2"}"#,
            r#"{"ab":"1"}"#,
            "{}",
        ];
        for first in objects {
            for second in objects {
                let mut scratch = Scratch::default();
                scratch.labels(first.as_bytes(), 0).unwrap().unwrap();
                let after = scratch.labels(second.as_bytes(), 0).unwrap().unwrap();
                let alone = Scratch::default().any(second.as_bytes(), 0);
                assert_eq!(after, alone.unwrap().unwrap(), "{first} {second}");
                for cut in 0..second.len() {
                    let cut = &second.as_bytes()[..cut.max(1)];
                    assert_eq!(scratch.labels(cut, 0).unwrap(), None);
                }
            }
        }
    }

    #[test]
    fn invalid_utf8_is_refused_behind_an_object_of_the_same_names_too() {
        let mut scratch = Scratch::default();
        scratch.labels(br#"{"a":"1"}"#, 0).unwrap().unwrap();
        let fault = scratch.labels(b"{\"a\":\"\xff\"}", 0).unwrap_err();
        assert_eq!(fault.at, 6);
    }
}
