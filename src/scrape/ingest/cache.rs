//! What a target's pages looked like so far: which series each line belongs to, in which order
//! the lines came, and which series have to be marked stale when they do not come again.
//!
//! A page is worked on in a *pass*. Marks of a pass are numbers, not flags, so that nothing has
//! to be undone when the page turns out bad: only [`Cache::commit`] makes a pass count.

use series::{Exemplar, SeriesRef};
use std::collections::HashMap;
use std::sync::Arc;

/// A line of pages, by the text of its series.
struct Line {
    /// The text; empty where the line was forgotten and its place is free.
    text: Arc<[u8]>,
    /// The line that came behind it last time.
    next: u32,
    /// Its series, or [`DROPPED`].
    series: u32,
    /// The last pass that saw it.
    pass: u32,
    /// The last exemplar, so that it is handed over once and not with every scrape.
    exemplar: Option<Box<PageExemplar>>,
}

/// An exemplar as a page gave it: without a time where there was none.
#[derive(PartialEq)]
pub(super) struct PageExemplar {
    pub(super) exemplar: Exemplar,
    pub(super) timed: bool,
}

/// A series that lines belong to.
struct Series {
    reference: SeriesRef,
    /// How many lines belong to it: more than one where labels are spelled differently.
    lines: u32,
    /// The last pass that saw it with a sample at the scrape's time.
    pass: u32,
    /// Whether the last scrape that was written had it, so that its end has to be marked.
    live: bool,
}

/// A place in the order of lines: nowhere, at the start, or behind the last.
const NONE: u32 = u32::MAX;

/// The series of a line that relabelling drops.
const DROPPED: u32 = u32::MAX - 1;

/// What is known of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// It belongs to this series.
    Series(u32),
    /// It is dropped.
    Dropped,
}

/// The end of a link between lines that stand next to each other on a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Before the first line.
    Start,
    /// A known line.
    Line(u32),
    /// The n-th line that is new in this pass.
    New(u32),
}

#[derive(Default)]
pub(super) struct Cache {
    lines: Vec<Line>,
    free_lines: Vec<u32>,
    by_text: HashMap<Arc<[u8]>, u32>,
    first: Option<u32>,
    series: Vec<Series>,
    free_series: Vec<u32>,
    by_reference: HashMap<SeriesRef, u32>,
    pass: u32,
    lines_seen: usize,
    live: usize,
    live_seen: usize,
    rising: Vec<u32>,
}

impl Cache {
    /// Begins a page.
    pub(super) fn begin(&mut self) {
        self.pass += 1;
        self.lines_seen = 0;
        self.live_seen = 0;
        self.rising.clear();
    }

    pub(super) fn first(&self) -> Option<u32> {
        self.first
    }

    pub(super) fn next(&self, line: u32) -> Option<u32> {
        let next = self.lines[line as usize].next;
        (next != NONE).then_some(next)
    }

    /// The text of a line, empty where it was forgotten.
    pub(super) fn text(&self, line: u32) -> &[u8] {
        self.lines.get(line as usize).map_or(&[], |line| &line.text)
    }

    pub(super) fn find(&self, text: &[u8]) -> Option<u32> {
        self.by_text.get(text).copied()
    }

    /// Marks a line as seen; `true` where this pass saw it before.
    pub(super) fn see(&mut self, line: u32) -> (Known, bool) {
        let line = &mut self.lines[line as usize];
        let again = line.pass == self.pass;
        if !again {
            line.pass = self.pass;
            self.lines_seen += 1;
        }
        let known = if line.series == DROPPED {
            Known::Dropped
        } else {
            Known::Series(line.series)
        };
        (known, again)
    }

    /// Marks that a series has a sample at the scrape's time; `None` where it has one already.
    pub(super) fn sample(&mut self, series: u32) -> Option<SeriesRef> {
        let state = &mut self.series[series as usize];
        if state.pass == self.pass {
            return None;
        }
        state.pass = self.pass;
        if state.live {
            self.live_seen += 1;
        } else {
            self.rising.push(series);
        }
        Some(state.reference)
    }

    pub(super) fn reference(&self, series: u32) -> SeriesRef {
        self.series[series as usize].reference
    }

    /// Remembers the exemplar of a line; `false` where it is the one that is known already.
    pub(super) fn is_new_exemplar(&mut self, line: u32, exemplar: PageExemplar) -> bool {
        let known = &mut self.lines[line as usize].exemplar;
        let is_same = known.as_ref().is_some_and(|known| {
            let untimed = !known.timed && !exemplar.timed;
            known.exemplar.labels == exemplar.exemplar.labels
                && known.timed == exemplar.timed
                && known.exemplar.sample.value.to_bits() == exemplar.exemplar.sample.value.to_bits()
                && (untimed || known.exemplar.sample.time == exemplar.exemplar.sample.time)
        });
        if !is_same {
            *known = Some(Box::new(exemplar));
        }
        !is_same
    }

    /// Adds a line that this pass saw first, and its series where it is not dropped.
    pub(super) fn add(&mut self, text: &[u8], reference: Option<SeriesRef>) -> u32 {
        let series = match reference {
            Some(reference) => self.series_of(reference),
            None => DROPPED,
        };
        let text: Arc<[u8]> = text.into();
        let line = Line {
            text: Arc::clone(&text),
            next: NONE,
            series,
            pass: self.pass,
            exemplar: None,
        };
        self.lines_seen += 1;
        let index = match self.free_lines.pop() {
            Some(index) => {
                self.lines[index as usize] = line;
                index
            }
            None => {
                self.lines.push(line);
                (self.lines.len() - 1) as u32
            }
        };
        self.by_text.insert(text, index);
        index
    }

    /// The series of a line, which is not dropped.
    pub(super) fn series_of_line(&self, line: u32) -> u32 {
        self.lines[line as usize].series
    }

    fn series_of(&mut self, reference: SeriesRef) -> u32 {
        if let Some(&index) = self.by_reference.get(&reference) {
            self.series[index as usize].lines += 1;
            return index;
        }
        let series = Series {
            reference,
            lines: 1,
            pass: 0,
            live: false,
        };
        let index = match self.free_series.pop() {
            Some(index) => {
                self.series[index as usize] = series;
                index
            }
            None => {
                self.series.push(series);
                (self.series.len() - 1) as u32
            }
        };
        self.by_reference.insert(reference, index);
        index
    }

    /// Remembers which line followed which, so that the next page is guessed right.
    pub(super) fn link(&mut self, from: Place, to: Place, new_lines: &[Option<u32>]) {
        let resolve = |place| match place {
            Place::Start => None,
            Place::Line(line) => Some(line),
            Place::New(new) => new_lines.get(new as usize).copied().flatten(),
        };
        let Some(target) = resolve(to) else { return };
        match (from, resolve(from)) {
            (Place::Start, _) => self.first = Some(target),
            (_, Some(source)) => self.lines[source as usize].next = target,
            (_, None) => {}
        }
    }

    /// The series that were live and that this pass did not see.
    pub(super) fn vanished(&self) -> impl Iterator<Item = SeriesRef> + '_ {
        // On a steady page nothing vanished, which the count tells without a look at each.
        let all = if self.live_seen == self.live {
            &[]
        } else {
            &self.series[..]
        };
        all.iter()
            .filter(|series| series.live && series.pass != self.pass)
            .map(|series| series.reference)
    }

    /// Makes the pass count, after what it saw was written. With `whole` the page was read to
    /// its end, and lines that it did not have are forgotten; `release` is told the series that
    /// no line belongs to any more.
    pub(super) fn commit(&mut self, whole: bool, mut release: impl FnMut(SeriesRef)) {
        if self.live_seen != self.live {
            for series in &mut self.series {
                if series.live && series.pass != self.pass {
                    series.live = false;
                    self.live -= 1;
                }
            }
            self.release_unused(&mut release);
        }
        for index in std::mem::take(&mut self.rising) {
            let series = &mut self.series[index as usize];
            if !series.live {
                series.live = true;
                self.live += 1;
            }
        }
        if whole && self.lines_seen != self.by_text.len() {
            let pass = self.pass;
            self.forget_lines(|line| line.pass != pass);
            self.release_unused(&mut release);
        }
    }

    /// Forgets all lines, because they would be understood differently from now on. Live series
    /// stay, so that those that do not come again are marked stale.
    pub(super) fn forget_all_lines(&mut self, mut release: impl FnMut(SeriesRef)) {
        self.forget_lines(|_| true);
        self.first = None;
        self.release_unused(&mut release);
    }

    fn forget_lines(&mut self, forget: impl Fn(&Line) -> bool) {
        let empty: Arc<[u8]> = Arc::from(&[][..]);
        for (index, line) in self.lines.iter_mut().enumerate() {
            if line.text.is_empty() || !forget(line) {
                continue;
            }
            self.by_text.remove(&line.text);
            if line.series != DROPPED {
                self.series[line.series as usize].lines -= 1;
            }
            *line = Line {
                text: Arc::clone(&empty),
                next: NONE,
                series: DROPPED,
                pass: 0,
                exemplar: None,
            };
            self.free_lines.push(index as u32);
        }
    }

    fn release_unused(&mut self, release: &mut impl FnMut(SeriesRef)) {
        for (index, series) in self.series.iter().enumerate() {
            let index = index as u32;
            if series.lines == 0
                && !series.live
                && self.by_reference.get(&series.reference) == Some(&index)
            {
                self.by_reference.remove(&series.reference);
                self.free_series.push(index);
                release(series.reference);
            }
        }
    }

    /// How many series have to be marked stale when the target vanishes now.
    pub(super) fn live(&self) -> usize {
        self.live
    }

    /// How many lines are known.
    #[cfg(test)]
    pub(super) fn lines(&self) -> usize {
        self.by_text.len()
    }
}
