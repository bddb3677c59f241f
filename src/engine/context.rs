use series::{Interrupt, Secret};
use std::time::Instant;

/// Who waits for the answer; the engine's bound on concurrent work is shared fairly between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Priority {
    /// A person looks at a panel.
    #[default]
    Dashboard,
    /// An alert rule is evaluated (`FromAlert`).
    Alerting,
}

/// What accompanies one query on its way.
///
/// Dropping the future that an engine returned cancels the work behind it: the HTTP request of
/// a remote engine is closed, unless somebody else waits for the same one. `interrupt` is for
/// loops that never wait, and is looked at between pieces of work.
#[derive(Clone, Default)]
pub struct Context {
    /// Says whether anybody still waits.
    pub interrupt: Interrupt,
    /// When the answer is no longer of use; on top of the data source's own timeout.
    pub deadline: Option<Instant>,
    /// The caller's clock, in milliseconds since the epoch. Without it a server's clock is not
    /// compared with ours.
    pub now_ms: Option<i64>,
    /// How far back a selector looks for a sample, in milliseconds, where the caller says so;
    /// otherwise the engine's setting. A remote server's is its own.
    pub lookback_ms: Option<i64>,
    /// Who waits.
    pub priority: Priority,
    /// Headers of the caller's request that a remote server may be given. The settings decide
    /// which of them are: `Authorization` and `X-Id-Token` with OAuth pass-through, of `Cookie`
    /// only the named cookies. All others that stand here are sent as they are.
    pub forwarded: Vec<ForwardedHeader>,
}

impl Context {
    /// The header of that name, in any case.
    #[must_use]
    pub fn forwarded(&self, name: &str) -> Option<&Secret> {
        self.forwarded
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name))
            .map(|header| &header.value)
    }
}

/// A header of the caller's request.
#[derive(Clone, PartialEq, Eq)]
pub struct ForwardedHeader {
    /// Its name, in any case.
    pub name: String,
    /// Its value; it may hold a token.
    pub value: Secret,
}
