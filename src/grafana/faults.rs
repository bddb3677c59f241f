//! Mistakes made on purpose, so that tests see what a mistake does.
//!
//! They exist only in debug builds, and there only when asked for at the start.

/// Which mistakes to make.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    #[cfg(debug_assertions)]
    panics: bool,
}

/// The expression that panics while a query is answered.
#[cfg(debug_assertions)]
const PANICKING_EXPR: &str = "headwater_test_panic()";
/// The path that panics while a resource is answered.
#[cfg(debug_assertions)]
const PANICKING_PATH: &str = "test/panic";

impl Faults {
    /// Panics on request; in a release build nothing does.
    #[must_use]
    pub fn new(panics: bool) -> Self {
        #[cfg(not(debug_assertions))]
        let _ = panics;
        Self {
            #[cfg(debug_assertions)]
            panics,
        }
    }

    #[cfg_attr(not(debug_assertions), expect(clippy::unused_self, unused_variables))]
    pub(crate) fn before_query(self, expr: &str) {
        #[cfg(debug_assertions)]
        assert!(
            !(self.panics && expr == PANICKING_EXPR),
            "a test asked for a panic in a query"
        );
    }

    #[cfg_attr(not(debug_assertions), expect(clippy::unused_self, unused_variables))]
    pub(crate) fn before_resource(self, path: &str) {
        #[cfg(debug_assertions)]
        assert!(
            !(self.panics && path == PANICKING_PATH),
            "a test asked for a panic in a resource"
        );
    }
}
