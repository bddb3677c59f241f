/// A password, token or key.
///
/// It has no `Debug`, no `Display` and no `Serialize`, so that it cannot slip into a log, an
/// error or a file; [`Secret::reveal`] is the one way to the text and easy to search for.
/// Its memory is overwritten when it goes.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes the text in.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text.into_bytes())
    }

    /// The text, for the one place that sends it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        // The bytes came from a String and never change before drop.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Whether there is no text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.fill(0);
        // Keep the compiler from leaving the fill out as a write that nobody reads.
        std::hint::black_box(&self.0);
    }
}
