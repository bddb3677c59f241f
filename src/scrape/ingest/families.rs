use exposition::Entry;
use series::{Metadata, MetricKind};
use std::collections::HashMap;

/// What pages say about metric families, and what of it is not handed over yet.
#[derive(Default)]
pub(super) struct Families {
    by_name: HashMap<String, Family>,
    pass: u32,
    changed: usize,
}

struct Family {
    metadata: Metadata,
    pass: u32,
    /// Which of type, help and unit the page of `pass` has named.
    named: u8,
    changed: bool,
}

const TYPE: u8 = 1;
const HELP: u8 = 2;
const UNIT: u8 = 4;

/// A family is forgotten when so many pages did not name it.
const REMEMBERED_PASSES: u32 = 10;

impl Families {
    pub(super) fn begin(&mut self) {
        self.pass += 1;
    }

    /// Takes in a line of metadata; anything else is ignored.
    pub(super) fn take(&mut self, entry: &Entry<'_>) {
        match entry {
            Entry::Type { family, kind } => self.set(family, TYPE, kind, |m| &mut m.kind),
            Entry::Help { family, text } => self.set(family, HELP, &**text, |m| &mut m.help),
            Entry::Unit { family, unit } => self.set(family, UNIT, &**unit, |m| &mut m.unit),
            Entry::Sample(_) | Entry::Comment(_) => {}
        }
    }

    fn set<T, V>(&mut self, name: &str, what: u8, value: &V, place: fn(&mut Metadata) -> &mut T)
    where
        T: PartialEq<V>,
        V: ToOwned<Owned = T> + ?Sized,
    {
        if !self.by_name.contains_key(name) {
            let family = Family {
                metadata: Metadata::default(),
                pass: 0,
                named: 0,
                changed: true,
            };
            self.changed += 1;
            self.by_name.insert(name.to_owned(), family);
        }
        let Some(family) = self.by_name.get_mut(name) else {
            return;
        };
        if family.pass != self.pass {
            family.pass = self.pass;
            family.named = 0;
        }
        family.named |= what;
        let place = place(&mut family.metadata);
        if *place != *value {
            *place = value.to_owned();
            if !family.changed {
                family.changed = true;
                self.changed += 1;
            }
        }
    }

    /// What is new or has changed since it was last handed over, by name, after a whole page.
    pub(super) fn changes(&mut self) -> Vec<(String, Metadata)> {
        for family in self.by_name.values_mut().filter(|f| f.pass == self.pass) {
            // What the page does not say any more does not hold any more.
            let now = Metadata {
                kind: match family.named & TYPE {
                    0 => MetricKind::Unknown,
                    _ => family.metadata.kind,
                },
                help: match family.named & HELP {
                    0 => String::new(),
                    _ => std::mem::take(&mut family.metadata.help),
                },
                unit: match family.named & UNIT {
                    0 => String::new(),
                    _ => std::mem::take(&mut family.metadata.unit),
                },
            };
            let lost = (family.named & TYPE == 0 && family.metadata.kind != now.kind)
                || (family.named & HELP == 0 && !family.metadata.help.is_empty())
                || (family.named & UNIT == 0 && !family.metadata.unit.is_empty());
            family.metadata = now;
            if lost && !family.changed {
                family.changed = true;
                self.changed += 1;
            }
        }
        if self.changed == 0 {
            return Vec::new();
        }
        let mut changes: Vec<(String, Metadata)> = self
            .by_name
            .iter()
            .filter(|(_, family)| family.changed)
            .map(|(name, family)| (name.clone(), family.metadata.clone()))
            .collect();
        changes.sort_unstable();
        changes
    }

    /// Says that the changes were written.
    pub(super) fn commit(&mut self) {
        if self.changed > 0 {
            for family in self.by_name.values_mut() {
                family.changed = false;
            }
            self.changed = 0;
        }
        let pass = self.pass;
        self.by_name
            .retain(|_, family| pass - family.pass <= REMEMBERED_PASSES);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use exposition::{Format, Parser};

    fn page(families: &mut Families, text: &str) -> Vec<(String, Metadata)> {
        families.begin();
        let mut parser = Parser::new(text.as_bytes(), Format::PrometheusText);
        while let Some(entry) = parser.next().unwrap() {
            families.take(&entry);
        }
        families.changes()
    }

    fn gauge(help: &str) -> Metadata {
        Metadata {
            kind: MetricKind::Gauge,
            help: help.to_owned(),
            unit: String::new(),
        }
    }

    #[test]
    fn only_changes_are_handed_over_until_they_are_written() {
        let mut families = Families::default();
        let first = "# HELP a x\n# TYPE a gauge\n# TYPE b counter\n";
        let changes = page(&mut families, first);
        assert_eq!(changes.len(), 2);
        assert_eq!(changes[0], ("a".to_owned(), gauge("x")));
        // Not written: handed over again.
        assert_eq!(page(&mut families, first).len(), 2);
        families.commit();
        assert_eq!(page(&mut families, first), []);
        families.commit();
        let changes = page(
            &mut families,
            "# HELP a y\n# TYPE a gauge\n# TYPE b counter\n",
        );
        assert_eq!(changes, [("a".to_owned(), gauge("y"))]);
        families.commit();
        let changes = page(&mut families, "# TYPE a gauge\n# TYPE b gauge\n");
        assert_eq!(
            changes,
            [("a".to_owned(), gauge("")), ("b".to_owned(), gauge(""))]
        );
    }

    #[test]
    fn a_family_that_went_away_is_forgotten_after_a_while() {
        let mut families = Families::default();
        page(&mut families, "# TYPE a gauge\n");
        families.commit();
        for _ in 0..=REMEMBERED_PASSES {
            page(&mut families, "# TYPE b gauge\n");
            families.commit();
        }
        assert_eq!(families.by_name.len(), 1);
    }
}
