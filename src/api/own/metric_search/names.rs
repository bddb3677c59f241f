//! An engine's names, prepared once so that a search of them takes a few milliseconds.
//!
//! All names stand in one text, so that a word is looked for in all of them in one go, and what a
//! word's search finds is one bit per name. `plain.rs` says in the shortest way what has to come
//! out, and a property test holds the two to each other.

use super::{Fit, Found, FoundMetric};
use crate::own::metrics::SUFFIXES;
use engine::FamilyMetadata;
use memchr::{memchr, memmem};
use series::Limited;
use std::collections::HashMap;

/// Stands for a name whose family nothing is known of.
const NO_FAMILY: u32 = u32::MAX;

/// A word this short is not looked for letter by letter: it would fit nearly every name.
const SHORTEST_BY_LETTERS: usize = 3;

/// One engine's names, with what is known of their families.
pub struct Names {
    /// As a person may type them.
    lowercase: Texts,
    /// As they are shown, where that differs for one of them.
    shown: Option<Texts>,
    /// The bytes that each name has in lowercase, one bit for each (by its lowest six bits).
    letters: Vec<u64>,
    /// The place of each name's family.
    family: Vec<u32>,
    families: Vec<Family>,
    lowercase_helps: Texts,
    /// Whether the server has more names.
    truncated: bool,
}

struct Family {
    kind: &'static str,
    help: String,
    unit: String,
}

impl Names {
    /// Prepares names, which stand in order, for being searched.
    #[must_use]
    pub fn new(names: Limited<Vec<String>>, metadata: FamilyMetadata) -> Self {
        let Limited { entries, truncated } = names;
        let mut lowercase = Texts::with_room_for(&entries);
        let mut differ = false;
        for name in &entries {
            if name.bytes().all(is_lowercase) {
                lowercase.push(name);
            } else {
                let lower = name.to_lowercase();
                differ |= lower != *name;
                lowercase.push(&lower);
            }
        }
        let shown = differ.then(|| {
            let mut shown = Texts::with_room_for(&entries);
            entries.iter().for_each(|name| shown.push(name));
            shown
        });
        let letters = (0..entries.len()).map(|at| letters(lowercase.get(at)));

        let mut families = Vec::new();
        let mut lowercase_helps = Texts::default();
        let mut place_of: HashMap<String, u32> = HashMap::new();
        for (name, mut list) in metadata {
            let (Some(metadata), Ok(place)) = (list.pop(), u32::try_from(families.len())) else {
                continue;
            };
            lowercase_helps.push(&metadata.help.to_lowercase());
            families.push(Family {
                kind: metadata.kind.as_str(),
                help: metadata.help,
                unit: metadata.unit,
            });
            place_of.insert(name, place);
        }
        let family_of = |name: &String| {
            if place_of.is_empty() {
                return NO_FAMILY;
            }
            let own = place_of.get(name).or_else(|| {
                let family = SUFFIXES
                    .iter()
                    .find_map(|suffix| name.strip_suffix(suffix))?;
                place_of.get(family)
            });
            own.copied().unwrap_or(NO_FAMILY)
        };
        Self {
            letters: letters.collect(),
            family: entries.iter().map(family_of).collect(),
            lowercase,
            shown,
            families,
            lowercase_helps,
            truncated,
        }
    }

    /// About how much memory they take.
    pub(super) fn bytes(&self) -> usize {
        let families = self.families.iter();
        let facts = families.map(|f| size_of::<Family>() + f.help.len() + f.unit.len());
        self.lowercase.bytes()
            + self.shown.as_ref().map_or(0, Texts::bytes)
            + self.lowercase_helps.bytes()
            + self.letters.len() * (size_of::<u64>() + size_of::<u32>())
            + facts.sum::<usize>()
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.lowercase.len() == 0
    }

    /// The metrics that `text` means, best first, at most so many; without a word the first ones.
    #[must_use]
    pub fn search(&self, text: &str, limit: usize) -> Found {
        let text = text.to_lowercase();
        let words: Vec<&str> = text.split_whitespace().collect();
        if words.is_empty() {
            let all = 0..self.lowercase.len().min(limit);
            return self.found(self.lowercase.len(), all);
        }
        let mut ranks = self.ranks(text.trim(), &words);
        let found = ranks.len();
        if found > limit && limit > 0 {
            ranks.select_nth_unstable(limit - 1);
        }
        ranks.truncate(limit);
        ranks.sort_unstable();
        self.found(found, ranks.into_iter().map(place_of_rank))
    }

    /// The rank of every name that fits.
    fn ranks(&self, text: &str, words: &[&str]) -> Vec<u64> {
        let marks: Vec<WordMarks> = words.iter().map(|word| self.marks(word)).collect();
        let by_letters = words.iter().all(|word| word.len() >= SHORTEST_BY_LETTERS);
        let wanted = words.iter().fold(0, |all, word| all | letters(word));
        let mut ranks = Vec::new();
        for at in 0..self.lowercase.len() {
            let fit = if marks.iter().all(|word| word.names.has(at)) {
                let name = self.lowercase.get(at);
                if name == text {
                    Fit::Whole
                } else if name.starts_with(text) {
                    Fit::Start
                } else if marks.iter().all(|word| word.starts.has(at)) {
                    Fit::Words
                } else {
                    Fit::Inside
                }
            } else if self.fits_with_help(at, &marks) {
                Fit::Help
            } else if by_letters
                && self.letters[at] & wanted == wanted
                && words
                    .iter()
                    .all(|word| holds_letters(self.lowercase.get(at), word))
            {
                Fit::Letters
            } else {
                continue;
            };
            ranks.push(rank(fit, self.shown().length(at), at));
        }
        ranks
    }

    fn fits_with_help(&self, at: usize, marks: &[WordMarks]) -> bool {
        let family = self.family[at];
        family != NO_FAMILY
            && marks
                .iter()
                .all(|word| word.names.has(at) || word.helps.has(family as usize))
    }

    /// Where a word stands.
    fn marks(&self, word: &str) -> WordMarks {
        let mut marks = WordMarks {
            names: Marks::none_of(self.lowercase.len()),
            starts: Marks::none_of(self.lowercase.len()),
            helps: Marks::none_of(self.families.len()),
        };
        let all = self.lowercase.all.as_bytes();
        self.lowercase.find_all(word, |name, at| {
            marks.names.set(name);
            let starts = at == self.lowercase.start(name) || !all[at - 1].is_ascii_alphanumeric();
            if starts {
                marks.starts.set(name);
            }
            starts
        });
        self.lowercase_helps.find_all(word, |family, _| {
            marks.helps.set(family);
            true
        });
        marks
    }

    fn shown(&self) -> &Texts {
        self.shown.as_ref().unwrap_or(&self.lowercase)
    }

    fn found(&self, found: usize, places: impl Iterator<Item = usize>) -> Found {
        let metrics = places.map(|at| {
            let family = self.families.get(self.family[at] as usize);
            FoundMetric {
                name: self.shown().get(at).to_owned(),
                r#type: family.map_or("unknown", |family| family.kind),
                description: family.map(|f| f.help.clone()).unwrap_or_default(),
                unit: family.map(|f| f.unit.clone()).unwrap_or_default(),
            }
        });
        Found {
            found,
            names: self.lowercase.len(),
            truncated: self.truncated,
            metrics: metrics.collect(),
        }
    }
}

/// Where one word stands.
struct WordMarks {
    /// The names that hold it.
    names: Marks,
    /// Those in which it starts a word.
    starts: Marks,
    /// The families whose help holds it.
    helps: Marks,
}

/// One bit for each of a row of things.
struct Marks(Vec<u64>);

impl Marks {
    fn none_of(things: usize) -> Self {
        Self(vec![0; things.div_ceil(64)])
    }

    fn set(&mut self, at: usize) {
        self.0[at / 64] |= 1 << (at % 64);
    }

    fn has(&self, at: usize) -> bool {
        self.0[at / 64] >> (at % 64) & 1 == 1
    }
}

/// Many texts in one, with a line break between them.
#[derive(Default)]
struct Texts {
    all: String,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Texts {
    fn with_room_for(texts: &[String]) -> Self {
        let bytes = texts.iter().map(|text| text.len() + 1).sum();
        Self {
            all: String::with_capacity(bytes),
            ends: Vec::with_capacity(texts.len()),
        }
    }

    fn push(&mut self, text: &str) {
        self.all.push_str(text);
        self.ends.push(self.all.len());
        self.all.push('\n');
    }

    fn len(&self) -> usize {
        self.ends.len()
    }

    fn bytes(&self) -> usize {
        self.all.capacity() + self.ends.capacity() * size_of::<usize>()
    }

    fn start(&self, at: usize) -> usize {
        match at {
            0 => 0,
            at => self.ends[at - 1] + 1,
        }
    }

    fn length(&self, at: usize) -> usize {
        self.ends[at] - self.start(at)
    }

    fn get(&self, at: usize) -> &str {
        &self.all[self.start(at)..self.ends[at]]
    }

    /// Tells `found` of each text that holds `word`, which has no white space in it and so never
    /// reaches over a line break: of its first place in that text, and of the following ones until
    /// `found` has seen enough of this text.
    fn find_all(&self, word: &str, mut found: impl FnMut(usize, usize) -> bool) {
        let finder = memmem::Finder::new(word);
        let (mut from, mut text) = (0, 0);
        while let Some(place) = finder.find(&self.all.as_bytes()[from..]) {
            let place = from + place;
            while self.ends[text] <= place {
                text += 1;
            }
            let enough = found(text, place);
            from = if enough {
                self.ends[text]
            } else {
                place + word.len()
            };
        }
    }
}

fn is_lowercase(byte: u8) -> bool {
    byte.is_ascii() && !byte.is_ascii_uppercase()
}

/// The bytes of a text, one bit for each.
fn letters(text: &str) -> u64 {
    text.bytes().fold(0, |all, byte| all | 1 << (byte & 63))
}

/// Whether `letters` stand in `name` in their order, whatever is between them.
pub(super) fn holds_letters(name: &str, letters: &str) -> bool {
    if !letters.is_ascii() {
        let mut rest = name.chars();
        return letters.chars().all(|letter| rest.any(|c| c == letter));
    }
    let mut rest = name.as_bytes();
    letters.bytes().all(|letter| match memchr(letter, rest) {
        Some(at) => {
            rest = &rest[at + 1..];
            true
        }
        None => false,
    })
}

/// Fit, length and place in one number, which sorts as they do in this order: a name of 512 MiB
/// counts as no longer than that, and four milliards of names are told apart.
fn rank(fit: Fit, length: usize, at: usize) -> u64 {
    const LONGEST: u64 = (1 << 29) - 1;
    (fit as u64) << 61 | (length as u64).min(LONGEST) << 32 | at as u64
}

fn place_of_rank(rank: u64) -> usize {
    (rank & u64::from(u32::MAX)) as usize
}
