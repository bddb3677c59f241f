//! Room scrape.
