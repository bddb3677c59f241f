//! A series's `metric` object to labels.

use super::token::{self, Fault, Piece, Raw, skip_space};
use series::Labels;

/// Memory that is kept from one series to the next.
#[derive(Default)]
pub(super) struct Scratch {
    pairs: Vec<(Raw, Raw)>,
    text: String,
}

impl Scratch {
    /// Reads an object whose values are strings.
    ///
    /// A name that stands twice has its last value, as readers of JSON have it. An empty value is
    /// an absent label.
    pub(super) fn labels(&mut self, bytes: &[u8], at: usize) -> Piece<Labels> {
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
