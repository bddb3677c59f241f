/// Whether queries can be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealthStatus {
    /// They can.
    Ok,
    /// They cannot; the message says why.
    Error,
}

/// A diagnosis for the person who pressed "Save & test".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// The verdict.
    pub status: HealthStatus,
    /// What was found, in one sentence.
    pub message: String,
    /// How to mend it, in one or two sentences; `None` where nothing needs mending.
    pub advice: Option<String>,
    /// Facts for the details view, by name: what answered, its version, how long it took.
    pub details: Vec<(&'static str, String)>,
}
