//! Points where a test can inject a fault by name. Without the feature `failpoints` they are nothing, and the crate
//! `fail` is not compiled.

/// Runs the fault that a test has asked for by this name.
#[cfg(feature = "failpoints")]
pub use fail::fail_point;

/// Does nothing: this build has no faults to inject.
#[cfg(not(feature = "failpoints"))]
#[doc(hidden)]
#[macro_export]
macro_rules! fail_point {
    ($($anything:tt)*) => {{}};
}
