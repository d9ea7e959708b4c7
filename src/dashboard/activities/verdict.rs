//! The result of a verification.

use crate::dashboard::words::Number;

/// The result so far.
pub(in crate::dashboard) struct Verdict {
    pub(in crate::dashboard) did: String,
    pub(in crate::dashboard) checked: Number,
    pub(in crate::dashboard) of: Number,
    pub(in crate::dashboard) hash: String,
    pub(in crate::dashboard) fault: Option<String>,
    /// The continuation of this verification. `None` when it is complete.
    pub(in crate::dashboard) rest: Option<String>,
}

impl Verdict {
    pub(in crate::dashboard) const fn is_one(&self) -> bool {
        self.checked.0 == 1
    }
}
