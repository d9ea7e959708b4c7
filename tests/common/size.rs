//! The size of the long tests.
//!
//! `TEST_SIZE=full` gives each long test its full load and all its repetitions: for a release, and for a change of what the
//! test is about. Without it, each test asks the same question with less, so that a run of everything stays short.

/// Returns `full` if the long tests run in full size, `usual` if they do not.
pub fn sized<T>(full: T, usual: T) -> T {
    match std::env::var("TEST_SIZE").as_deref() {
        Ok("full") => full,
        Ok("") | Err(_) => usual,
        Ok(other) => panic!("TEST_SIZE is {other:?}, but must be full or not set"),
    }
}
