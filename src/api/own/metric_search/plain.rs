//! What a search of metrics finds, said in the shortest way: each name by itself, and all of them
//! sorted. Tests hold the search to it, and the benchmark runs beside it.

use std::collections::HashMap;

/// Names in order, and the help of each family.
pub(super) struct Plain {
    pub(super) names: Vec<String>,
    pub(super) helps: HashMap<String, String>,
}

const SUFFIXES: [&str; 6] = ["_total", "_bucket", "_count", "_sum", "_created", "_info"];

impl Plain {
    /// How many names fit, and the best of them.
    pub(super) fn search(&self, text: &str, limit: usize) -> (usize, Vec<String>) {
        let text = text.to_lowercase();
        let words: Vec<&str> = text.split_whitespace().collect();
        let mut fits: Vec<(u8, usize, &String)> = self
            .names
            .iter()
            .filter_map(|name| Some((self.fit(name, text.trim(), &words)?, name.len(), name)))
            .collect();
        // Without a word all of them stand as they stood.
        if !words.is_empty() {
            fits.sort_by_key(|(fit, length, _)| (*fit, *length));
        }
        let best = fits.iter().take(limit).map(|(_, _, name)| (*name).clone());
        (fits.len(), best.collect())
    }

    fn fit(&self, name: &str, text: &str, words: &[&str]) -> Option<u8> {
        let lower = name.to_lowercase();
        if lower == text {
            return Some(0);
        }
        if lower.starts_with(text) {
            return Some(1);
        }
        if words.iter().all(|word| lower.contains(word)) {
            let all_start = words.iter().all(|word| starts_a_word(&lower, word));
            return Some(if all_start { 2 } else { 3 });
        }
        let help = self.help(name).to_lowercase();
        if words
            .iter()
            .all(|word| lower.contains(word) || help.contains(word))
        {
            return Some(4);
        }
        words
            .iter()
            .all(|word| word.len() > 2 && holds_letters(&lower, word))
            .then_some(5)
    }

    fn help(&self, name: &str) -> &str {
        let family = || {
            let family = SUFFIXES
                .iter()
                .find_map(|suffix| name.strip_suffix(suffix))?;
            self.helps.get(family)
        };
        self.helps.get(name).or_else(family).map_or("", |help| help)
    }
}

fn starts_a_word(name: &str, word: &str) -> bool {
    name.match_indices(word)
        .any(|(at, _)| at == 0 || !name.as_bytes()[at - 1].is_ascii_alphanumeric())
}

fn holds_letters(name: &str, letters: &str) -> bool {
    let mut rest = name.chars();
    letters.chars().all(|letter| rest.any(|c| c == letter))
}
